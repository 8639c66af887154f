//! How C calls closures: one trampoline per C signature, generic over the closure, without boxing.
//!
//! A panic never unwinds through C. It is caught, the trampoline accepts no further fragments, and the panic is resumed after
//! C has returned.

use std::any::Any;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aeron_sys as sys;

use super::header::{Header, Terms, next_term_offset};
use super::look_ahead::Rest;
use super::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT};

/// How a poll goes on after a fragment. Mirrors `ControlledFragmentHandler.Action` and `aeron_controlled_fragment_handler_action_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// Stop, and deliver this fragment again in the next poll.
    Abort = 1,
    /// Stop after this fragment.
    Break = 2,
    /// Go on, and publish the position up to here now.
    Commit = 3,
    /// Go on.
    Continue = 4,
}

/// A closure for the duration of one poll, and its panic, if any. It is stored by value, not by reference: this saves a load for each
/// message.
pub(crate) struct Slot<F> {
    closure: F,
    panic: Option<Box<dyn Any + Send>>,
    /// The terms of the image that is polled; `None` for a subscription, or if they are not known.
    terms: Option<Terms>,
}

impl<F> Slot<F> {
    pub(crate) fn new(closure: F) -> Self {
        Slot { closure, panic: None, terms: None }
    }

    /// For the poll of one image with these terms, from which positions are computed without a call of C.
    pub(super) fn of_image(closure: F, terms: Terms) -> Self {
        Slot { closure, panic: None, terms: Some(terms) }
    }

    /// The pointer that C hands back to the trampoline.
    pub(crate) fn clientd(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    /// Resumes a panic of the closure. Must be called after C has returned, whatever the result.
    pub(crate) fn finish(self) {
        if let Some(payload) = self.panic {
            resume_unwind(payload);
        }
    }
}

/// The functions for C to call with [`Slot::clientd`]: only the trampolines of a slot's own type know the type behind that pointer.
impl<F> Slot<F>
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    /// For controlled polls of one image, which [`Action::Abort`] ends.
    #[inline]
    pub(crate) fn controlled_fragment(&self) -> sys::aeron_controlled_fragment_handler_t {
        Some(controlled_fragment::<F>)
    }

    /// For controlled polls of a subscription. If the poll of one image is aborted, C continues with the next image.
    pub(crate) fn controlled_fragment_of_any(&self) -> sys::aeron_controlled_fragment_handler_t {
        Some(controlled_fragment_of_any::<F>)
    }

    /// For polls that deliver whole messages, reassembled by C: such a message is in memory of C, without a frame header before it.
    pub(crate) fn controlled_message(&self) -> sys::aeron_controlled_fragment_handler_t {
        Some(controlled_message::<F>)
    }
}

/// See [`Slot::controlled_fragment`].
///
/// # Safety
///
/// For C to call during a poll, with the `clientd` of a live `Slot<F>` that nothing else uses meanwhile.
unsafe extern "C" fn controlled_fragment<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut sys::aeron_header_t,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: C passes the payload of one frame, which lies in the mapped log buffer behind the frame's header (aeron_image.c), laid out
    // as aeron_header_values_frame_t repeats it and aligned to 32. Nobody changes a frame that is delivered.
    let (flags, term_id, term_offset) = unsafe {
        let frame = buffer.sub(DATA_HEADER_LENGTH).cast::<sys::aeron_header_values_frame_t>();
        ((*frame).flags, (*frame).term_id, (*frame).term_offset)
    };
    // SAFETY: as in `call`.
    let terms = unsafe { &*clientd.cast::<Slot<F>>() }.terms;
    let frame_length = (DATA_HEADER_LENGTH + length) as i32;
    let mut rest = Rest::NONE;
    let position = terms.map(|terms| {
        let end = next_term_offset(term_offset, frame_length);
        rest = terms.rest(buffer.wrapping_add(length.next_multiple_of(FRAME_ALIGNMENT)), end);
        terms.position(term_id, end)
    });
    // SAFETY: by this function's contract, and the values are the frame's.
    unsafe { call::<F>(clientd, buffer, length, Header::from_raw(header, flags, position, rest)) }
}

/// See [`Slot::controlled_fragment_of_any`].
///
/// # Safety
///
/// As [`controlled_fragment`].
unsafe extern "C" fn controlled_fragment_of_any<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut sys::aeron_header_t,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: by this function's contract.
    unsafe {
        if has_panicked::<F>(clientd) {
            return Action::Abort as u32;
        }
        controlled_fragment::<F>(clientd, buffer, length, header)
    }
}

/// See [`Slot::controlled_message`].
///
/// # Safety
///
/// As [`controlled_fragment`].
unsafe extern "C" fn controlled_message<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut sys::aeron_header_t,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: by this function's contract.
    if unsafe { has_panicked::<F>(clientd) } {
        return Action::Abort as u32;
    }
    let mut values = MaybeUninit::<sys::aeron_header_values_t>::zeroed();
    // SAFETY: the header is valid during the call; the struct is plain C data for which zero is a value.
    let flags = unsafe {
        sys::aeron_header_values(header, values.as_mut_ptr());
        values.assume_init().frame.flags
    };
    // SAFETY: by this function's contract, and the flags are the header's.
    unsafe { call::<F>(clientd, buffer, length, Header::from_raw(header, flags, None, Rest::NONE)) }
}

/// Whether the closure of this poll must not be called again.
///
/// # Safety
///
/// As [`controlled_fragment`].
#[inline]
unsafe fn has_panicked<F>(clientd: *mut c_void) -> bool {
    // SAFETY: as in `call`.
    unsafe { &*clientd.cast::<Slot<F>>() }.panic.is_some()
}

/// # Safety
///
/// As [`controlled_fragment`]; `header` is the view of the one that C passed.
#[inline]
unsafe fn call<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: Header<'_>,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: clientd is the Slot<F> of the poll in progress on this thread (aeronc.h: handlers run on the poller).
    let slot = unsafe { &mut *clientd.cast::<Slot<F>>() };
    // SAFETY: C passes `length` bytes that are valid during the call, and never a null pointer.
    let message = unsafe { std::slice::from_raw_parts(buffer, length) };
    // The closure is not called again after a panic, so nothing observes state that it left inconsistent.
    match catch_unwind(AssertUnwindSafe(|| (slot.closure)(message, &header))) {
        Ok(action) => action as u32,
        Err(payload) => {
            slot.panic = Some(payload);
            Action::Abort as u32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aeron::LookAhead;

    const TERM_LENGTH: usize = 192;

    /// A term: the frames of a log, at multiples of their alignment.
    #[repr(align(32))]
    struct Term([u8; TERM_LENGTH]);

    impl Term {
        /// Puts a frame there, whose payload is its offset again and again.
        fn put(&mut self, offset: usize, frame_length: i32) {
            self.0[offset..offset + 4].copy_from_slice(&frame_length.to_le_bytes());
            self.0[offset + 8..offset + 12].copy_from_slice(&(offset as i32).to_le_bytes());
            self.0[offset + DATA_HEADER_LENGTH..offset + 64].fill(offset as u8);
        }

        /// What a closure that is given the frame at `offset` sees of the next ones.
        fn seen_from(&self, offset: usize, frame_length: usize, ahead: &mut LookAhead) -> (i64, Vec<u8>) {
            let (mut position, mut seen) = (None, Vec::new());
            let mut closure = |_: &[u8], header: &Header<'_>| {
                position = Some(header.position());
                header.look_ahead(ahead, 16, || |bytes: [u8; 8]| seen.push(bytes[0]));
                Action::Continue
            };
            let payload = &self.0[offset + DATA_HEADER_LENGTH..offset + frame_length];
            call_image(&mut closure, payload);
            (position.expect("a call"), seen)
        }
    }

    fn call_image<F: FnMut(&[u8], &Header<'_>) -> Action>(closure: F, payload: &[u8]) {
        let mut slot = Slot::of_image(closure, Terms::new(0, TERM_LENGTH));
        // SAFETY: the payload lies behind a frame's header in a term of this length; no C header is looked at.
        let action =
            unsafe { controlled_fragment::<F>(slot.clientd(), payload.as_ptr(), payload.len(), std::ptr::null_mut()) };
        assert_eq!(action, Action::Continue as u32);
        slot.finish();
    }

    #[test]
    fn frames_are_seen_once_when_they_are_there_and_within_the_term() {
        let mut term = Term([0; TERM_LENGTH]);
        let mut ahead = LookAhead::default();
        term.put(0, 60);
        assert_eq!(term.seen_from(0, 60, &mut ahead), (64, vec![]), "nothing follows yet");
        for frame_length in [-64, 32, 55] {
            term.put(64, frame_length);
            assert_eq!(term.seen_from(0, 60, &mut ahead), (64, vec![]), "{frame_length}");
        }
        term.put(64, 56);
        assert_eq!(term.seen_from(0, 60, &mut ahead), (64, vec![64]));
        assert_eq!(term.seen_from(0, 60, &mut ahead), (64, vec![]), "it was seen");
        term.put(128, 64);
        assert_eq!(term.seen_from(0, 60, &mut LookAhead::default()), (64, vec![64, 128]));
        assert_eq!(term.seen_from(64, 64, &mut ahead), (128, vec![128]));
        assert_eq!(term.seen_from(128, 64, &mut ahead), (192, vec![]), "the next frame is in another term");
    }

    #[test]
    fn an_offset_that_is_none_leads_no_farther_than_the_log_goes() {
        const BEHIND: usize = LookAhead::BEHIND_THE_TERMS;
        #[repr(align(32))]
        struct Log {
            last_term: Term,
            description: [u8; BEHIND],
        }
        for term_offset in [i32::MIN, -1, TERM_LENGTH as i32, i32::MAX] {
            let mut log = Log { last_term: Term([0; TERM_LENGTH]), description: [0; BEHIND] };
            log.last_term.put(128, 64);
            log.last_term.0[136..140].copy_from_slice(&term_offset.to_le_bytes());
            // What looks like frames, to the end.
            log.description.chunks_exact_mut(64).for_each(|frame| frame[0] = 64);
            let start = std::ptr::from_ref(&log).cast::<u8>();
            let (mut ahead, mut looks) = (LookAhead::default(), 0);
            let closure = |_: &[u8], header: &Header<'_>| {
                header.look_ahead(&mut ahead, 16, || |_| looks += 1);
                Action::Continue
            };
            // SAFETY: the payload of the term's last frame.
            call_image(closure, unsafe { std::slice::from_raw_parts(start.add(128 + DATA_HEADER_LENGTH), 32) });
            assert!(looks <= BEHIND / 64 - 2, "{term_offset}: {looks} frames");
        }
    }
}
