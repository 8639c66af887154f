//! A stretch of a publication's log, claimed and not yet sent.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::ops::{Deref, DerefMut};

use aeron_sys as sys;

/// Space claimed in a publication's log for one message, to be written in place.
///
/// Write the message through the slice this dereferences to, then [`commit`](Self::commit) it. A claim that is
/// dropped without a commit is aborted: the space becomes padding that receivers skip. Do not keep a claim: until it is
/// committed or aborted, subscribers see nothing that was sent after it. Mirrors `io.aeron.logbuffer.BufferClaim`.
#[must_use = "a claim that is dropped is aborted: commit it"]
#[derive(Debug)]
pub struct BufferClaim<'p> {
    /// What is to be written. Without a frame behind it where the memory is scratch: then C has nothing to settle.
    claim: sys::aeron_buffer_claim_t,
    /// How much of the claim's start is written already and hidden: the length of a session header, or 0.
    hidden: usize,
    position: i64,
    scratch: Option<Scratch<'p>>,
    scope: PhantomData<&'p mut [u8]>,
}

/// How many bytes a reserved value takes.
const VALUE_LENGTH: usize = size_of::<i64>();

/// Memory that nobody receives: what a follower writes its responses to. It goes back home to be used again. Behind the claimed
/// bytes it has those of the reserved value, which has no frame to be in.
#[derive(Debug)]
struct Scratch<'p> {
    memory: Vec<u8>,
    home: &'p RefCell<Vec<u8>>,
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.home.replace(std::mem::take(&mut self.memory));
    }
}

impl<'p> BufferClaim<'p> {
    /// # Safety
    ///
    /// `raw` must come from a successful try_claim on a publication that is borrowed for `'p`, whose log buffer
    /// therefore stays mapped.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: sys::aeron_buffer_claim_t, position: i64) -> Self {
        BufferClaim { claim: raw, hidden: 0, position, scratch: None, scope: PhantomData }
    }

    /// A claim of `length` zeroes on memory that is never sent, borrowed from `home` until the claim is gone.
    pub(crate) fn scratch(home: &'p RefCell<Vec<u8>>, length: usize, position: i64) -> Self {
        let mut memory = home.take();
        memory.clear();
        memory.resize(length + VALUE_LENGTH, 0);
        let claim = sys::aeron_buffer_claim_t { frame_header: std::ptr::null_mut(), data: memory.as_mut_ptr(), length };
        BufferClaim { claim, hidden: 0, position, scratch: Some(Scratch { memory, home }), scope: PhantomData }
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
        if self.claim.frame_header.is_null() {
            // SAFETY: scratch memory has the value behind its data.
            return unsafe { self.claim.data.add(self.claim.length) };
        }
        // SAFETY: an open claim has its frame's header mapped in front of its data, laid out as the one that C reads
        // (aeron_udp_protocol.h).
        unsafe { self.claim.frame_header.add(offset_of!(sys::aeron_header_values_frame_t, reserved_value)) }
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
        // A copy for C: what C never sees can stay in registers.
        let mut raw = self.claim;
        // SAFETY: the claim is open: it is settled here or in `drop`, once (aeronc.h). One on scratch memory has no frame, and
        // C does nothing.
        unsafe { sys::aeron_buffer_claim_commit(&mut raw) };
        // Not dropped, which would abort it.
        let mut settled = ManuallyDrop::new(self);
        drop(settled.scratch.take());
        settled.position
    }

    /// Gives the space back as padding. The same as dropping the claim.
    pub fn abort(self) {}
}

impl Drop for BufferClaim<'_> {
    #[inline]
    fn drop(&mut self) {
        // Unlike the commit, C's abort writes to the frame without a look whether there is one.
        if self.claim.frame_header.is_null() {
            return;
        }
        let mut raw = self.claim;
        // SAFETY: as in `commit`, and there is a frame.
        unsafe { sys::aeron_buffer_claim_abort(&mut raw) };
    }
}

impl Deref for BufferClaim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: data and length of an open claim denote a mapped range, or the scratch memory, that only this claim touches; what
        // is hidden lies within it.
        unsafe { std::slice::from_raw_parts(self.claim.data.add(self.hidden), self.claim.length - self.hidden) }
    }
}

impl DerefMut for BufferClaim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.claim.data.add(self.hidden), self.claim.length - self.hidden) }
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
