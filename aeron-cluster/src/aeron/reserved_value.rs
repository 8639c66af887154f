//! Reserved values, which the sender computes for each fragment once it is in the log buffer, and which are stored in its header.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use super::FRAME_ALIGNMENT;
use super::offer::{OfferError, position};

/// A supplier as C takes it: a function and its argument.
pub(super) type NativeSupplier = Option<unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> i64>;

/// A supplier for the duration of one offer, and its panic, if any.
struct Slot<'f, F> {
    supplier: &'f mut F,
    panic: Option<Box<dyn Any + Send>>,
    /// The address that C passed for the first frame, and the address of the frame of the next call.
    frames: Option<(NonNull<u8>, usize)>,
}

/// Calls `offer` with a supplier for C. A panic of the supplier is resumed after the message is sent; the value of its fragment is then 0.
pub(super) fn with_supplier<F>(
    mut supplier: F,
    offer: impl FnOnce(NativeSupplier, *mut c_void) -> i64,
) -> Result<i64, OfferError>
where
    F: FnMut(&[u8]) -> i64,
{
    let mut slot = Slot { supplier: &mut supplier, panic: None, frames: None };
    let result = offer(Some(supply::<F>), std::ptr::from_mut(&mut slot).cast());
    if let Some(payload) = slot.panic {
        resume_unwind(payload);
    }
    position(result)
}

/// # Safety
///
/// For C to call during an offer, with the `clientd` of its live slot.
unsafe extern "C" fn supply<F: FnMut(&[u8]) -> i64>(clientd: *mut c_void, frame: *mut u8, length: usize) -> i64 {
    // SAFETY: clientd is the slot of the offer in progress on this thread.
    let slot = unsafe { &mut *clientd.cast::<Slot<'_, F>>() };
    if slot.panic.is_some() {
        return 0;
    }
    let Some(frame) = NonNull::new(frame) else { return 0 };
    // For each fragment of a message, aeron_exclusive_publication_offer gives the place of the first one.
    let (first, offset) = slot.frames.unwrap_or((frame, 0));
    // SAFETY: the fragments of a message lie one behind the other, and C has written as far as the one it asks for.
    let start = if frame == first { unsafe { first.add(offset) } } else { frame };
    slot.frames = Some((first, offset + length.next_multiple_of(FRAME_ALIGNMENT)));
    // SAFETY: the frame lies in the claimed part of the mapped log buffer; nobody else reads it before its length is published.
    let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), length) };
    match catch_unwind(AssertUnwindSafe(|| (slot.supplier)(bytes))) {
        Ok(value) => value,
        Err(payload) => {
            slot.panic = Some(payload);
            0
        }
    }
}
