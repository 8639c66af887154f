//! Blocks: stretches of a log with their frame headers, to store them, and to send stored ones.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::offer::OfferError;
use super::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT};

const PADDING: i16 = 0;
const DATA: i16 = 1;

/// Consecutive frames of one term of an image, each at a multiple of 32 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The frames with their headers. A padding frame comes alone, and only its header has a meaning.
    pub bytes: &'a [u8],
    /// The session of the publication.
    pub session_id: i32,
    /// The term that the frames are in.
    pub term_id: i32,
}

/// A handler for the length of one poll, and the panic it may have raised.
pub(super) struct Slot<'f, F> {
    handler: &'f mut F,
    panic: Option<Box<dyn Any + Send>>,
}

impl<'f, F> Slot<'f, F> {
    pub(super) fn new(handler: &'f mut F) -> Self {
        Slot { handler, panic: None }
    }

    pub(super) fn clientd(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    pub(super) fn finish(self) {
        if let Some(payload) = self.panic {
            resume_unwind(payload);
        }
    }
}

/// # Safety
///
/// For C to call during a block poll, with the `clientd` of its live slot.
pub(super) unsafe extern "C" fn on_block<F: FnMut(Block<'_>)>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    session_id: i32,
    term_id: i32,
) {
    // SAFETY: clientd is the slot of the poll in progress on this thread.
    let slot = unsafe { &mut *clientd.cast::<Slot<'_, F>>() };
    // SAFETY: C passes a stretch of the mapped term buffer, valid during the call.
    let bytes = unsafe { std::slice::from_raw_parts(buffer, length) };
    let call = AssertUnwindSafe(|| (slot.handler)(Block { bytes, session_id, term_id }));
    if let Err(payload) = catch_unwind(call) {
        slot.panic = Some(payload);
    }
}

/// The parts of a frame's header that are checked before a block is sent.
struct Frame {
    length: i32,
    kind: i16,
    term_offset: i32,
    session_id: i32,
    stream_id: i32,
    term_id: i32,
}

impl Frame {
    fn read(header: &[u8; DATA_HEADER_LENGTH]) -> Frame {
        let int = |at: usize| i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Frame {
            length: int(0),
            kind: i16::from_le_bytes([header[6], header[7]]),
            term_offset: int(8),
            session_id: int(12),
            stream_id: int(16),
            term_id: int(20),
        }
    }
}

/// Checks that a block consists of whole, consecutive frames of one term, since receivers trust their lengths. C checks only the first
/// frame, and reads it as a struct.
pub(super) fn check_block(block: &[u8]) -> Result<(), OfferError> {
    let mut rest = block;
    let mut first: Option<Frame> = None;
    while !rest.is_empty() {
        let header = rest.first_chunk().ok_or(OfferError::InvalidArgument)?;
        let frame = Frame::read(header);
        let length = usize::try_from(frame.length).unwrap_or(0);
        let aligned = length.next_multiple_of(FRAME_ALIGNMENT);
        let sound = length >= DATA_HEADER_LENGTH && matches!(frame.kind, PADDING | DATA) && aligned <= rest.len();
        let follows = first.as_ref().is_none_or(|first| {
            let offset = block.len() - rest.len();
            let same = (frame.session_id, frame.stream_id, frame.term_id)
                == (first.session_id, first.stream_id, first.term_id);
            same && usize::try_from(frame.term_offset.wrapping_sub(first.term_offset)) == Ok(offset)
        });
        if !(sound && follows) {
            return Err(OfferError::InvalidArgument);
        }
        first.get_or_insert(frame);
        rest = &rest[aligned..];
    }
    let aligned = block.as_ptr().addr().is_multiple_of(align_of::<i64>());
    if first.is_some() && aligned { Ok(()) } else { Err(OfferError::InvalidArgument) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(8))]
    struct Aligned([u8; 256]);

    /// Two frames of one term: 40 and 32 bytes.
    fn two_frames() -> Aligned {
        let mut block = Aligned([0; 256]);
        for (at, length) in [(0usize, 40i32), (64, 32)] {
            block.0[at..at + 4].copy_from_slice(&length.to_le_bytes());
            block.0[at + 6] = DATA as u8;
            block.0[at + 8..at + 12].copy_from_slice(&(128 + at as i32).to_le_bytes());
            block.0[at + 12..at + 24].fill(7);
        }
        block
    }

    #[test]
    fn a_block_is_whole_frames_of_one_term() {
        assert_eq!(check_block(&two_frames().0[..96]), Ok(()));
        assert_eq!(check_block(&two_frames().0[..64]), Ok(()));
        for cut in [0, 16, 32, 63, 95] {
            assert_eq!(check_block(&two_frames().0[..cut]), Err(OfferError::InvalidArgument), "{cut}");
        }
        assert_eq!(check_block(&two_frames().0[64..160]), Err(OfferError::InvalidArgument), "zeroes behind it");
    }

    #[test]
    fn each_frame_is_checked() {
        for (at, byte) in [(64, 1), (67, 0x80), (70, 2), (72, 0), (76, 8), (80, 8), (84, 8), (64, 200)] {
            let mut block = two_frames();
            block.0[at] = byte;
            assert_eq!(check_block(&block.0[..96]), Err(OfferError::InvalidArgument), "byte {at} = {byte}");
        }
        let mut moved = Aligned([0; 256]);
        moved.0[1..97].copy_from_slice(&two_frames().0[..96]);
        assert_eq!(check_block(&moved.0[1..97]), Err(OfferError::InvalidArgument), "not aligned");
    }
}
