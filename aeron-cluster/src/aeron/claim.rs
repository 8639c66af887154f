//! A stretch of a publication's log, claimed and not yet sent.

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
/// dropped without a commit is aborted: the space becomes padding that receivers skip. Do not keep a claim: until it is
/// committed or aborted, subscribers see nothing that was sent after it. After its `publication_unblock_timeout`, 15 s by default, the media
/// driver takes the space back: what is written to the claim from then on may be in another message. Mirrors `io.aeron.logbuffer.BufferClaim`.
#[must_use = "a claim that is dropped is aborted: commit it"]
#[derive(Debug)]
pub struct BufferClaim<'p> {
    // Nothing here is ever lent to code that is not inlined, and no field has a destructor: so a claim that is made, written and
    // committed in one place is a few registers.
    /// Where the claimed bytes start: in a log, where a frame's header stands in front of them, or in scratch memory.
    start: NonNull<u8>,
    /// How many bytes are claimed.
    length: usize,
    /// How many of them are written already and hidden: the length of a session header, or 0.
    hidden: usize,
    position: i64,
    scratch: Option<Scratch<'p>>,
    scope: PhantomData<&'p mut [u8]>,
}

/// How many bytes a reserved value takes.
const VALUE_LENGTH: usize = size_of::<i64>();

/// Says of a claim that its memory is nobody's log: what a follower writes its responses to. It goes back home to be used again. Behind the
/// claimed bytes it has those of the reserved value, which has no frame to be in.
#[derive(Debug, Clone, Copy)]
struct Scratch<'p> {
    home: &'p RefCell<Vec<u8>>,
    capacity: usize,
}

impl Scratch<'_> {
    /// # Safety
    ///
    /// `start` and `capacity` must be those of a vector that was given up for this claim, and that nothing uses any more.
    unsafe fn give_back(self, start: NonNull<u8>) {
        // SAFETY: by this function's contract. It goes back empty.
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
        // SAFETY: by this function's contract: in a mapped log, behind a frame's header.
        let start = unsafe { NonNull::new_unchecked(data) };
        BufferClaim { start, length, hidden: 0, position, scratch: None, scope: PhantomData }
    }

    /// A claim of `length` zeroes on memory that is never sent, borrowed from `home` until the claim is gone.
    pub(crate) fn scratch(home: &'p RefCell<Vec<u8>>, length: usize, position: i64) -> Self {
        let mut memory = ManuallyDrop::new(home.take());
        memory.clear();
        memory.resize(length + VALUE_LENGTH, 0);
        let scratch = Some(Scratch { home, capacity: memory.capacity() });
        // SAFETY: a vector's pointer is never null.
        let start = unsafe { NonNull::new_unchecked(memory.as_mut_ptr()) };
        BufferClaim { start, length, hidden: 0, position, scratch, scope: PhantomData }
    }

    /// The position that the stream has after this message.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The claimed length in bytes, as asked for.
    pub fn len(&self) -> usize {
        self.deref().len()
    }

    /// Whether a message of no bytes was claimed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value that goes with the message in its frame's header; 0 until it is set.
    pub fn reserved_value(&self) -> i64 {
        // SAFETY: see `reserved_place`.
        unsafe { self.reserved_place().cast::<i64>().read_unaligned() }
    }

    /// Sets the value that goes with the message in its frame's header, where receivers find it by
    /// [`Header::reserved_value`](super::Header::reserved_value). Mirrors `BufferClaim.reservedValue`.
    pub fn set_reserved_value(&mut self, value: i64) {
        // SAFETY: see `reserved_place`, and `self` is borrowed exclusively.
        unsafe { self.reserved_place().cast::<i64>().write_unaligned(value) };
    }

    /// Where the reserved value is: eight bytes of an open claim that only this claim touches.
    fn reserved_place(&self) -> *mut u8 {
        if self.scratch.is_some() {
            // SAFETY: scratch memory has the value behind its data.
            return unsafe { self.start.as_ptr().add(self.length) };
        }
        // SAFETY: not on scratch memory; the header is laid out as the one that C reads (aeron_udp_protocol.h).
        unsafe { frame_header(self.start).add(offset_of!(sys::aeron_header_values_frame_t, reserved_value)) }
    }

    /// The same claim with `start` written to its first bytes, which no longer show in the slice.
    #[inline]
    pub(crate) fn with_hidden_start(mut self, start: &[u8]) -> Self {
        if let Some(target) = self.get_mut(..start.len()) {
            target.copy_from_slice(start);
            self.hidden += start.len();
        }
        self
    }

    /// Sends the message. Returns the position after it.
    #[inline]
    pub fn commit(self) -> i64 {
        // Not dropped, which would abort it.
        let claim = ManuallyDrop::new(self);
        match claim.scratch {
            // SAFETY: the claim is open, not on scratch memory, and settled here or in `drop`, once.
            None => unsafe { publish(claim.start, claim.length) },
            // SAFETY: the memory was given up for this claim, which ends here.
            Some(scratch) => unsafe { scratch.give_back(claim.start) },
        }
        claim.position
    }

    /// Gives the space back as padding. The same as dropping the claim.
    pub fn abort(self) {}
}

/// Where the header of the frame is whose payload starts at `start`.
///
/// # Safety
///
/// `start` must be that of a claim in a log: there the frame's header is mapped in front of it.
#[inline]
unsafe fn frame_header(start: NonNull<u8>) -> *mut u8 {
    // SAFETY: by this function's contract.
    unsafe { start.as_ptr().sub(DATA_HEADER_LENGTH) }
}

/// What `aeron_buffer_claim_commit` does: receivers see the frame from the moment it has a length. Done here, because a call would need
/// the claim in memory.
///
/// # Safety
///
/// `start` and `length` must be those of an open claim in a log.
#[inline]
unsafe fn publish(start: NonNull<u8>, length: usize) {
    let offset = offset_of!(sys::aeron_header_values_frame_t, frame_length);
    // SAFETY: by this function's contract there is a frame's header, aligned to 32, whose length everybody accesses atomically.
    let frame_length = unsafe { AtomicI32::from_ptr(frame_header(start).add(offset).cast()) };
    frame_length.store((DATA_HEADER_LENGTH + length) as i32, Ordering::Release);
}

impl Drop for BufferClaim<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the claim is open, and settled here or in `commit`, once.
        unsafe { abort(self.start, self.length, self.scratch) };
    }
}

/// Takes the parts of a claim by value: see [`BufferClaim`].
///
/// # Safety
///
/// They must be those of an open claim, which ends here.
#[cold]
#[inline(never)]
unsafe fn abort(start: NonNull<u8>, length: usize, scratch: Option<Scratch<'_>>) {
    // SAFETY: by this function's contract; C's abort needs a frame, and a claim that is not on scratch memory has one.
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
        // SAFETY: start and length of an open claim denote a mapped range, or the scratch memory, that only this claim touches; what
        // is hidden lies within it.
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
