//! Space in a publication's log that is claimed and not yet sent.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};

use aeron_sys as sys;

use super::DATA_HEADER_LENGTH;

/// Space claimed in a publication's log for one message, to be written in place.
///
/// Write the message through the slice this dereferences to, then [`commit`](Self::commit) it. A claim that is
/// dropped without a commit is aborted: the space becomes padding that receivers skip. Commit or abort it soon: until then
/// subscribers receive nothing that was sent after it. After `publication_unblock_timeout`, 15 s by default, the media driver takes the
/// space back, and later writes to the claim may overwrite another message. Mirrors `io.aeron.logbuffer.BufferClaim`.
#[must_use = "a claim that is dropped is aborted: commit it"]
#[derive(Debug)]
pub struct BufferClaim<'p> {
    // No reference to a field is passed to code that is not inlined, and no field has a destructor. So a claim that is made, written and
    // committed in one function is kept in registers.
    /// The start of the claimed bytes: in a log, directly after the frame's header, or in scratch memory.
    start: NonNull<u8>,
    /// The number of claimed bytes.
    length: usize,
    /// How many bytes at the start are already written and not part of the slice: the length of a session header, or 0.
    hidden: usize,
    position: i64,
    scratch: Option<Scratch<'p>>,
    scope: PhantomData<&'p mut [u8]>,
}

/// The length of a reserved value, in bytes.
const VALUE_LENGTH: usize = size_of::<i64>();

/// Marks a claim on memory that belongs to no log, in which a follower writes responses that are not sent. The memory returns to `home` to be
/// reused. The reserved value, which in a log is in the frame's header, comes after the claimed bytes.
#[derive(Debug, Clone, Copy)]
struct Scratch<'p> {
    home: &'p RefCell<Vec<u8>>,
    capacity: usize,
}

impl Scratch<'_> {
    /// # Safety
    ///
    /// `start` and `capacity` must be those of a vector that was leaked for this claim, and that nothing uses any more.
    unsafe fn give_back(self, start: NonNull<u8>) {
        // SAFETY: by this function's contract. The vector is returned empty.
        self.home.replace(unsafe { Vec::from_raw_parts(start.as_ptr(), 0, self.capacity) });
    }
}

impl<'p> BufferClaim<'p> {
    /// # Safety
    ///
    /// `data` must come from a successful try_claim of `length` bytes on a publication that is borrowed for `'p`, whose log buffer
    /// therefore stays mapped.
    #[inline]
    pub(crate) unsafe fn from_raw(data: *mut u8, length: usize, position: i64) -> Self {
        // SAFETY: by this function's contract it points into a mapped log, after a frame's header.
        let start = unsafe { NonNull::new_unchecked(data) };
        BufferClaim { start, length, hidden: 0, position, scratch: None, scope: PhantomData }
    }

    /// A claim of `length` zeroes in memory that is never sent, taken from `home` until the claim ends.
    pub(crate) fn scratch(home: &'p RefCell<Vec<u8>>, length: usize, position: i64) -> Self {
        let mut memory = ManuallyDrop::new(home.take());
        memory.clear();
        memory.resize(length + VALUE_LENGTH, 0);
        let scratch = Some(Scratch { home, capacity: memory.capacity() });
        // SAFETY: a vector's pointer is never null.
        let start = unsafe { NonNull::new_unchecked(memory.as_mut_ptr()) };
        BufferClaim { start, length, hidden: 0, position, scratch, scope: PhantomData }
    }

    /// The position of the stream after this message, in bytes.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The length of the slice, in bytes, as requested.
    pub fn len(&self) -> usize {
        self.deref().len()
    }

    /// Whether the slice has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reserved value in the header of the message's frame; 0 until it is set. Mirrors `BufferClaim.reservedValue`.
    pub fn reserved_value(&self) -> i64 {
        // SAFETY: see `reserved_place`.
        unsafe { self.reserved_place().cast::<i64>().read_unaligned() }
    }

    /// Sets the reserved value in the header of the message's frame. Receivers read it with
    /// [`Header::reserved_value`](super::Header::reserved_value). Mirrors `BufferClaim.reservedValue`.
    pub fn set_reserved_value(&mut self, value: i64) {
        // SAFETY: see `reserved_place`, and `self` is borrowed exclusively.
        unsafe { self.reserved_place().cast::<i64>().write_unaligned(value) };
    }

    /// The address of the reserved value: eight bytes that only this claim accesses while it is open.
    fn reserved_place(&self) -> *mut u8 {
        if self.scratch.is_some() {
            // SAFETY: scratch memory has room for the value after the claimed bytes.
            return unsafe { self.start.as_ptr().add(self.length) };
        }
        // SAFETY: the claim is in a log; the header has the layout of aeron_udp_protocol.h.
        unsafe { frame_header(self.start).add(offset_of!(sys::aeron_header_values_frame_t, reserved_value)) }
    }

    /// Writes `start` to the first bytes, which from then on are no longer part of the slice.
    #[inline]
    pub(crate) fn with_hidden_start(mut self, start: &[u8]) -> Self {
        if let Some(target) = self.get_mut(..start.len()) {
            target.copy_from_slice(start);
            self.hidden += start.len();
        }
        self
    }

    /// Sends the message. Returns the position of the stream after it, in bytes. Does not block. Mirrors `BufferClaim.commit`.
    #[inline]
    pub fn commit(self) -> i64 {
        // Dropping it would abort it.
        let claim = ManuallyDrop::new(self);
        match claim.scratch {
            // SAFETY: the claim is open and in a log, and ends exactly once, here or in `drop`.
            None => unsafe { publish(claim.start, claim.length) },
            // SAFETY: the memory was leaked for this claim, which ends here.
            Some(scratch) => unsafe { scratch.give_back(claim.start) },
        }
        claim.position
    }

    /// Turns the space into padding, like dropping the claim. Mirrors `BufferClaim.abort`.
    pub fn abort(self) {}
}

/// The address of the header of the frame whose payload starts at `start`.
///
/// # Safety
///
/// `start` must be that of a claim in a log, where the frame's header precedes it.
#[inline]
unsafe fn frame_header(start: NonNull<u8>) -> *mut u8 {
    // SAFETY: by this function's contract.
    unsafe { start.as_ptr().sub(DATA_HEADER_LENGTH) }
}

/// Does the same as `aeron_buffer_claim_commit`: receivers see the frame as soon as its length is set. A call of C would force the claim
/// into memory.
///
/// # Safety
///
/// `start` and `length` must be those of an open claim in a log.
#[inline]
unsafe fn publish(start: NonNull<u8>, length: usize) {
    let offset = offset_of!(sys::aeron_header_values_frame_t, frame_length);
    // SAFETY: by this function's contract there is a frame's header, aligned to 32 bytes, whose length is only accessed atomically.
    let frame_length = unsafe { AtomicI32::from_ptr(frame_header(start).add(offset).cast()) };
    frame_length.store((DATA_HEADER_LENGTH + length) as i32, Ordering::Release);
}

impl Drop for BufferClaim<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the claim is open, and ends exactly once, here or in `commit`.
        unsafe { abort(self.start, self.length, self.scratch) };
    }
}

/// Takes the parts of a claim by value, so that the claim can stay in registers: see [`BufferClaim`].
///
/// # Safety
///
/// They must be those of an open claim, which ends here.
#[cold]
#[inline(never)]
unsafe fn abort(start: NonNull<u8>, length: usize, scratch: Option<Scratch<'_>>) {
    // SAFETY: by this function's contract; C's abort needs a frame, which every claim in a log has.
    unsafe {
        match scratch {
            Some(scratch) => scratch.give_back(start),
            None => {
                let (frame_header, data) = (frame_header(start), start.as_ptr());
                sys::aeron_buffer_claim_abort(&mut sys::aeron_buffer_claim_t { frame_header, data, length });
            }
        }
    }
}

impl Deref for BufferClaim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: start and length of an open claim denote a range of a mapped log, or of scratch memory, that only this claim accesses;
        // the hidden bytes are within it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(self.hidden), self.length - self.hidden) }
    }
}

impl DerefMut for BufferClaim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(self.hidden), self.length - self.hidden) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_nobody_receives_keeps_its_value() {
        let home = RefCell::new(Vec::new());
        for length in [0, 1, 100] {
            let mut claim = BufferClaim::scratch(&home, length, 64).with_hidden_start(&[]);
            assert_eq!((claim.reserved_value(), claim.len()), (0, length));
            claim.set_reserved_value(i64::MIN + 7);
            assert!(claim.iter().all(|byte| *byte == 0));
            claim.fill(0xff);
            assert_eq!(claim.reserved_value(), i64::MIN + 7);
            assert_eq!(claim.commit(), 64);
        }
    }

    #[test]
    fn a_claim_that_nobody_receives_can_be_given_up() {
        let home = RefCell::new(Vec::new());
        drop(BufferClaim::scratch(&home, 100, 64));
        let memory = home.borrow().as_ptr();
        BufferClaim::scratch(&home, 50, 64).with_hidden_start(b"hidden").abort();
        assert_eq!(home.borrow().as_ptr(), memory, "it is used again");
    }
}
