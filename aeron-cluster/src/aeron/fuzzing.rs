//! A term of a log that fuzz targets wrote, polled as C polls an image.

use std::ffi::c_void;

use aeron_sys as sys;

use super::block::check_block;
use super::header::Terms;
use super::trampoline::Slot;
use super::{Action, DATA_HEADER_LENGTH, FRAME_ALIGNMENT, Header, LookAhead};
use crate::bytes::i32_at;
use crate::codec::SessionMessageHeader;

/// The least length of a term that there is.
const TERM_LENGTH: usize = 64 * 1024;
const LINE: usize = 64;
/// The frame type that C does not deliver.
const PADDING: [u8; 2] = [0, 0];

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; LINE]);

/// `aeron_header_stct` of aeron_image.h, which the public headers do not show: C makes one in each poll. [`poll`] looks that what C reads
/// from one is what is in it.
#[repr(C)]
struct NativeHeader {
    frame: *mut u8,
    initial_term_id: i32,
    position_bits_to_shift: usize,
    fragmented_frame_length: i32,
    context: *mut c_void,
}

/// What a poll came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// The bytes of frames that were taken, padding included.
    pub taken: usize,
    /// How many frames were looked at ahead of their delivery.
    pub seen: usize,
}

/// Polls a term that has these frames: where the first one says that it is, or else at the term's end. `on_fragment` is called as by the
/// poll of an image, through the same trampoline, after a look ahead like the container's.
pub(crate) fn poll(frames: &[u8], mut on_fragment: impl FnMut(&[u8], &Header<'_>) -> Action) -> Polled {
    let mut polled = Polled::default();
    let Some(last) = TERM_LENGTH.checked_sub(frames.len().next_multiple_of(FRAME_ALIGNMENT)) else { return polled };
    let start = i32_at(frames, 8).and_then(|offset| usize::try_from(offset).ok()).unwrap_or(last);
    let start = if start <= last && start.is_multiple_of(FRAME_ALIGNMENT) { start } else { last };
    let initial_term_id = i32_at(frames, 20).unwrap_or_default();
    let mut ahead = LookAhead::default();
    let mut look_and_call = |payload: &[u8], header: &Header<'_>| {
        header.look_ahead(&mut ahead, SessionMessageHeader::SESSION_ID_OFFSET, || |_| polled.seen += 1);
        on_fragment(payload, header)
    };
    // As long as a log is from there on, to the byte.
    let mut log = vec![Line([0; LINE]); (TERM_LENGTH + LookAhead::BEHIND_THE_TERMS) / LINE];
    let bytes = bytes_of(&mut log);
    bytes[start..start + frames.len()].copy_from_slice(frames);
    let mut offset = start;
    // C takes any length above zero; one that is too short, or leads out of its term, would be C's to believe.
    while let Some(length) = i32_at(bytes, offset).and_then(|length| usize::try_from(length).ok()) {
        let end = offset + length.next_multiple_of(FRAME_ALIGNMENT);
        if length < DATA_HEADER_LENGTH || end > TERM_LENGTH {
            break;
        }
        let is_padding = bytes[offset + 6..offset + 8] == PADDING;
        let action = if is_padding {
            Action::Continue
        } else {
            deliver(&mut bytes[offset..], length, initial_term_id, &mut look_and_call)
        };
        if action == Action::Abort {
            break;
        }
        offset = end;
        if action == Action::Break {
            break;
        }
    }
    polled.taken = offset - start;
    polled
}

/// Has the trampoline called with the frame of this length that `log` begins with.
fn deliver(
    log: &mut [u8],
    length: usize,
    initial_term_id: i32,
    on_fragment: &mut impl FnMut(&[u8], &Header<'_>) -> Action,
) -> Action {
    let (frame_length, session_id, reserved) = (i32_at(log, 0), i32_at(log, 12), log[24]);
    let frame = log.as_mut_ptr();
    let header = NativeHeader {
        frame,
        initial_term_id,
        position_bits_to_shift: TERM_LENGTH.trailing_zeros() as usize,
        fragmented_frame_length: -1,
        context: std::ptr::null_mut(),
    };
    let mut action = Action::Continue;
    let mut checked = |payload: &[u8], view: &Header<'_>| {
        let values = view.values();
        assert_eq!((Some(values.frame_length), Some(values.session_id)), (frame_length, session_id));
        assert_eq!((values.reserved_value.to_le_bytes()[0], values.initial_term_id), (reserved, initial_term_id));
        // Counted here, and by C.
        assert_eq!(view.position(), values.position);
        action = on_fragment(payload, view);
        action
    };
    call(&mut checked, header, length - DATA_HEADER_LENGTH);
    action
}

fn call<F: FnMut(&[u8], &Header<'_>) -> Action>(closure: &mut F, mut header: NativeHeader, length: usize) {
    let terms = Terms::new(header.initial_term_id, TERM_LENGTH);
    let mut slot = Slot::of_image(closure, terms);
    let native = std::ptr::from_mut(&mut header).cast::<sys::aeron_header_t>();
    let trampoline = slot.controlled_fragment().expect("a trampoline");
    // SAFETY: the payload lies behind its frame's header in a term of this length, behind which there is what a log has there; the header is
    // laid out as C's own.
    unsafe { trampoline(slot.clientd(), header.frame.add(DATA_HEADER_LENGTH), length, native) };
    slot.finish();
}

/// What [`ExclusivePublication::offer_block`](super::ExclusivePublication::offer_block) looks at before it sends these frames.
pub(crate) fn is_block(frames: &[u8]) -> bool {
    let mut lines = vec![Line([0; LINE]); frames.len().div_ceil(LINE)];
    let bytes = &mut bytes_of(&mut lines)[..frames.len()];
    bytes.copy_from_slice(frames);
    check_block(bytes).is_ok()
}

fn bytes_of(lines: &mut [Line]) -> &mut [u8] {
    // SAFETY: the lines are bytes, one behind the other.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) }
}
