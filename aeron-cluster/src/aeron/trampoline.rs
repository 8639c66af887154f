//! How C calls closures: one trampoline per C signature, generic over the closure, nothing boxed.
//!
//! A panic never crosses C. It is caught, the trampoline refuses further fragments, and the payload is resumed after
//! C returned.

use std::any::Any;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aeron_sys as sys;

use super::DATA_HEADER_LENGTH;
use super::header::Header;

/// What to do after a fragment (`ControlledFragmentHandler.Action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// Stop, and deliver this fragment again at the next poll.
    Abort = 1,
    /// Stop after this fragment.
    Break = 2,
    /// Go on, and publish the position up to here now.
    Commit = 3,
    /// Go on.
    Continue = 4,
}

/// A closure for the length of one poll, and the panic it may have raised.
pub(crate) struct Slot<'f, F> {
    closure: &'f mut F,
    panic: Option<Box<dyn Any + Send>>,
}

impl<'f, F> Slot<'f, F> {
    pub(crate) fn new(closure: &'f mut F) -> Self {
        Slot { closure, panic: None }
    }

    /// The pointer that C hands back to the trampoline.
    pub(crate) fn clientd(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    /// Resumes a panic of the closure. To be called after C returned, whatever it returned.
    pub(crate) fn finish(self) {
        if let Some(payload) = self.panic {
            resume_unwind(payload);
        }
    }
}

/// Where the flags stand in the header of a frame (`FrameDescriptor.FLAGS_OFFSET`).
const FLAGS_OFFSET: usize = 5;

/// The trampoline of every controlled poll that gives fragments.
///
/// # Safety
///
/// For C to call during a poll, with the `clientd` of a live `Slot<F>` that nothing else uses meanwhile.
pub(crate) unsafe extern "C" fn controlled_fragment<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut sys::aeron_header_t,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: C passes the payload of one frame, which lies in the mapped log buffer behind the frame's header (aeron_image.c).
    let flags = unsafe { buffer.sub(DATA_HEADER_LENGTH).add(FLAGS_OFFSET).read() };
    // SAFETY: by this function's contract.
    unsafe { call::<F>(clientd, buffer, length, header, flags) }
}

/// The trampoline of polls that give whole messages, put together by C: such a message lies in memory of C's own, and no header before it.
///
/// # Safety
///
/// As [`controlled_fragment`].
pub(crate) unsafe extern "C" fn controlled_message<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut sys::aeron_header_t,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    let mut values = MaybeUninit::<sys::aeron_header_values_t>::zeroed();
    // SAFETY: the header is valid during the call; the struct is plain C data for which zero is a value.
    let flags = unsafe {
        sys::aeron_header_values(header, values.as_mut_ptr());
        values.assume_init().frame.flags
    };
    // SAFETY: by this function's contract.
    unsafe { call::<F>(clientd, buffer, length, header, flags) }
}

/// # Safety
///
/// As [`controlled_fragment`]; `flags` are those of the header.
#[inline]
unsafe fn call<F>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut sys::aeron_header_t,
    flags: u8,
) -> sys::aeron_controlled_fragment_handler_action_t
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: clientd is the Slot<F> of the poll in progress on this thread (aeronc.h: handlers run on the poller).
    let slot = unsafe { &mut *clientd.cast::<Slot<'_, F>>() };
    if slot.panic.is_some() {
        return Action::Abort as u32;
    }
    // SAFETY: C passes `length` bytes that are valid during the call, and never a null pointer. The C header is valid as long.
    let (message, header) = unsafe { (std::slice::from_raw_parts(buffer, length), Header::from_raw(header, flags)) };
    // The closure is not called again after a panic, so nothing can see what it left half done.
    match catch_unwind(AssertUnwindSafe(|| (slot.closure)(message, &header))) {
        Ok(action) => action as u32,
        Err(payload) => {
            slot.panic = Some(payload);
            Action::Abort as u32
        }
    }
}
