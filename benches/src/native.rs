//! The loops in C (`c/loops.c`) that the Rust cases are compared with, and the switch of valgrind's instruction counter.

use aeron_cluster::aeron::{ExclusivePublication, Image, Publication};
use aeron_sys as sys;

mod c {
    use super::sys;

    unsafe extern "C" {
        pub fn bench_poll(image: *mut sys::aeron_image_t, limit: i64, messages: i64, sum: *mut i64) -> i64;
        pub fn bench_offer(to: *mut sys::aeron_publication_t, message: *const u8, length: usize, messages: i64) -> i64;
        pub fn bench_claim(to: *mut sys::aeron_publication_t, message: *const u8, length: usize, messages: i64) -> i64;
        pub fn bench_exclusive_offer(
            to: *mut sys::aeron_exclusive_publication_t,
            message: *const u8,
            length: usize,
            messages: i64,
        ) -> i64;
        pub fn bench_exclusive_claim(
            to: *mut sys::aeron_exclusive_publication_t,
            message: *const u8,
            length: usize,
            messages: i64,
        ) -> i64;
        pub fn bench_echo(
            image: *mut sys::aeron_image_t,
            to: *mut sys::aeron_publication_t,
            commit_position: *mut i64,
            messages: i64,
        ) -> i64;
        pub fn bench_under_valgrind() -> bool;
        pub fn bench_knows_valgrind() -> bool;
        pub fn bench_start_counting();
        pub fn bench_stop_counting();
    }
}

/// Polls the image up to the position `limit` until `messages` have been read. Returns a sum over them, so that no compiler can leave out the
/// reading.
pub fn poll(image: &mut Image, limit: i64, messages: u64) -> i64 {
    let mut sum = 0;
    // SAFETY: the image is live and borrowed exclusively; the loop keeps nothing.
    let result = unsafe { c::bench_poll(image.as_ptr(), limit, messages as i64, &mut sum) };
    assert_eq!(result, 0, "the loop in C cannot poll");
    sum
}

/// Offers the message `messages` times.
pub fn offer(to: &Publication, message: &[u8], messages: u64) {
    // SAFETY: the publication is live; the loop reads the message and keeps nothing.
    let result = unsafe { c::bench_offer(to.as_ptr(), message.as_ptr(), message.len(), messages as i64) };
    assert_eq!(result, 0, "the loop in C cannot offer");
}

/// Claims room for the message and copies it there, `messages` times.
pub fn claim(to: &Publication, message: &[u8], messages: u64) {
    // SAFETY: as in `offer`.
    let result = unsafe { c::bench_claim(to.as_ptr(), message.as_ptr(), message.len(), messages as i64) };
    assert_eq!(result, 0, "the loop in C cannot claim");
}

/// As [`offer`], on an exclusive publication.
pub fn exclusive_offer(to: &mut ExclusivePublication, message: &[u8], messages: u64) {
    // SAFETY: as in `offer`; the publication is borrowed exclusively.
    let result = unsafe { c::bench_exclusive_offer(to.as_ptr(), message.as_ptr(), message.len(), messages as i64) };
    assert_eq!(result, 0, "the loop in C cannot offer");
}

/// As [`claim`], on an exclusive publication.
pub fn exclusive_claim(to: &mut ExclusivePublication, message: &[u8], messages: u64) {
    // SAFETY: as in `exclusive_offer`.
    let result = unsafe { c::bench_exclusive_claim(to.as_ptr(), message.as_ptr(), message.len(), messages as i64) };
    assert_eq!(result, 0, "the loop in C cannot claim");
}

/// Sends `messages` messages of the log back to their sender, as an echo service does, up to the commit position.
pub fn echo(log: &mut Image, to: &Publication, mut commit_position: i64, messages: u64) {
    // SAFETY: image and publication are live, the image borrowed exclusively; the loop keeps nothing.
    let result = unsafe { c::bench_echo(log.as_ptr(), to.as_ptr(), &mut commit_position, messages as i64) };
    assert_eq!(result, 0, "the loop in C cannot answer");
}

/// Whether this process runs under valgrind.
pub fn is_under_valgrind() -> bool {
    // SAFETY: takes nothing and changes nothing.
    unsafe { c::bench_under_valgrind() }
}

/// Whether valgrind's header was found when this was built.
pub fn knows_valgrind() -> bool {
    // SAFETY: as above.
    unsafe { c::bench_knows_valgrind() }
}

/// Makes callgrind count the instructions of `work`, of this thread alone, and write the count to its next output file.
pub fn counted(work: impl FnOnce()) {
    // SAFETY: without valgrind this does nothing.
    unsafe { c::bench_start_counting() };
    work();
    // SAFETY: as above.
    unsafe { c::bench_stop_counting() };
}
