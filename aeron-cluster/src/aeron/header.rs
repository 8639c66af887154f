//! The header of a message: everything about it besides its bytes.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use aeron_sys as sys;

use super::look_ahead::{LookAhead, Rest};
use super::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT};

/// The flags of a data frame (`FrameDescriptor`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFlags(pub u8);

impl FrameFlags {
    /// The first fragment of a message.
    pub const BEGIN: FrameFlags = FrameFlags(0x80);
    /// The last fragment of a message.
    pub const END: FrameFlags = FrameFlags(0x40);
    /// A message of one fragment.
    pub const UNFRAGMENTED: FrameFlags = FrameFlags(0xC0);

    /// Whether all flags of `other` are set.
    #[inline]
    pub fn contains(self, other: FrameFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The values of a frame's header, as in the log buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderValues {
    pub(crate) frame_length: i32,
    pub(crate) flags: u8,
    pub(crate) frame_type: i16,
    pub(crate) term_offset: i32,
    pub(crate) session_id: i32,
    pub(crate) stream_id: i32,
    pub(crate) term_id: i32,
    pub(crate) reserved_value: i64,
    pub(crate) initial_term_id: i32,
    pub(crate) position_bits_to_shift: u32,
    /// The position after the message's last fragment.
    pub(crate) position: i64,
}

/// The header of a message: its place in the stream, and who sent it. Valid within the callback that gets it.
///
/// For a message of several fragments the values are those of the whole message: the frame length includes all of
/// its payload, the flags say that it is complete, the term offset is that of its first fragment and the
/// position is the one after its last. Mirrors `io.aeron.logbuffer.Header`.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    source: Source,
    scope: PhantomData<&'a sys::aeron_header_t>,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Native {
        raw: *mut sys::aeron_header_t,
        /// Kept because they are needed for every message, and asking C takes a call.
        flags: u8,
        /// Kept for the same reason, if the poll knows enough to compute it.
        position: Option<i64>,
        rest: Rest,
    },
    Values {
        values: HeaderValues,
        image_correlation_id: Option<i64>,
    },
}

impl Header<'_> {
    /// # Safety
    ///
    /// `raw` must be the header that the C client passed to a fragment handler, and the result must not outlive that
    /// call. `flags` are those of its frame, and `position` is the one after it, if it is known. `rest` must be what it says.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut sys::aeron_header_t, flags: u8, position: Option<i64>, rest: Rest) -> Self {
        Header { source: Source::Native { raw, flags, position, rest }, scope: PhantomData }
    }

    /// Calls what `look` makes with the eight bytes at `offset` of the payload of each of the next frames in the term, once per frame unless frames are
    /// delivered again. These frames exist, but may never be delivered: one may be padding, or beyond a limit.
    #[inline]
    pub(crate) fn look_ahead<L>(&self, ahead: &mut LookAhead, offset: usize, look: impl FnOnce() -> L)
    where
        L: FnMut([u8; 8]),
    {
        if let Source::Native { position: Some(position), rest, .. } = self.source
            && !ahead.is_far_from(position)
        {
            ahead.go_on(position, rest, offset, look());
        }
    }

    /// A header made of values: of an assembled message, or in a test.
    #[inline]
    pub(crate) fn from_values(values: HeaderValues, image_correlation_id: Option<i64>) -> Self {
        Header { source: Source::Values { values, image_correlation_id }, scope: PhantomData }
    }

    /// The position in the stream after this message, in bytes.
    #[inline]
    pub fn position(&self) -> i64 {
        match &self.source {
            Source::Native { position: Some(position), .. } => *position,
            // SAFETY: the header lives for the callback that this view is bound to (aeronc.h, aeron_header_position).
            Source::Native { raw, .. } => unsafe { sys::aeron_header_position(*raw) },
            Source::Values { values, .. } => values.position,
        }
    }

    /// The frame's length in bytes, its header of 32 bytes included.
    pub fn frame_length(&self) -> i32 {
        self.values().frame_length
    }

    /// The frame's flags.
    #[inline]
    pub fn flags(&self) -> FrameFlags {
        match &self.source {
            Source::Native { flags, .. } => FrameFlags(*flags),
            Source::Values { values, .. } => FrameFlags(values.flags),
        }
    }

    /// The frame's type, `HDR_TYPE_DATA` (1) for every message.
    pub fn frame_type(&self) -> i16 {
        self.values().frame_type
    }

    /// The offset at which the message starts in its term, in bytes.
    pub fn term_offset(&self) -> i32 {
        self.values().term_offset
    }

    /// The session of the publication that sent the message.
    pub fn session_id(&self) -> i32 {
        self.values().session_id
    }

    /// The stream within the channel.
    pub fn stream_id(&self) -> i32 {
        self.values().stream_id
    }

    /// The term that the message is in.
    pub fn term_id(&self) -> i32 {
        self.values().term_id
    }

    /// The first term of the stream.
    pub fn initial_term_id(&self) -> i32 {
        self.values().initial_term_id
    }

    /// How far to shift a count of terms to get a position.
    pub fn position_bits_to_shift(&self) -> u32 {
        self.values().position_bits_to_shift
    }

    /// The reserved value, which the sender sets for its own use.
    pub fn reserved_value(&self) -> i64 {
        self.values().reserved_value
    }

    /// The correlation id of the image that delivered this message, which distinguishes two images with the same session id.
    /// `None` for a message that did not come from an image.
    pub fn image_correlation_id(&self) -> Option<i64> {
        match &self.source {
            Source::Native { raw, .. } => native_image_correlation_id(*raw),
            Source::Values { image_correlation_id, .. } => *image_correlation_id,
        }
    }

    /// The C header, or null if the message was assembled or made by a test. Valid as long as this view.
    pub fn as_ptr(&self) -> *mut sys::aeron_header_t {
        match &self.source {
            Source::Native { raw, .. } => *raw,
            Source::Values { .. } => std::ptr::null_mut(),
        }
    }

    /// All values at once, which is cheaper if several are needed.
    pub(crate) fn values(&self) -> HeaderValues {
        match &self.source {
            Source::Native { raw, .. } => read_native(*raw),
            Source::Values { values, .. } => *values,
        }
    }
}

/// The first term and term length of a stream, from which the position of a frame can be computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    initial_term_id: i32,
    position_bits_to_shift: u32,
    length: i32,
}

impl Terms {
    pub(super) fn new(initial_term_id: i32, length: usize) -> Self {
        Terms { initial_term_id, position_bits_to_shift: length.trailing_zeros(), length: length as i32 }
    }

    /// The position of the frame's end at `offset` of a term (`aeron_header_position`).
    #[inline]
    pub(super) fn position(self, term_id: i32, offset: i32) -> i64 {
        let terms = i64::from(term_id.wrapping_sub(self.initial_term_id));
        terms.wrapping_shl(self.position_bits_to_shift) + i64::from(offset)
    }

    /// The rest of a term from `offset` on, which lies at `start`.
    #[inline]
    pub(super) fn rest(self, start: *const u8, offset: i32) -> Rest {
        // Wraps, because another process may have written any offset. After the last term the log goes on for longer than anybody looks
        // (`LookAhead::BEHIND_THE_TERMS`).
        Rest::new(start, self.length.wrapping_sub(offset))
    }
}

/// The end of a frame of `frame_length` bytes at `term_offset`: where the next frame of the term starts.
#[inline]
pub(crate) fn next_term_offset(term_offset: i32, frame_length: i32) -> i32 {
    let mask = FRAME_ALIGNMENT as i32 - 1;
    (term_offset.wrapping_add(frame_length).wrapping_add(mask)) & !mask
}

/// The payload of a frame of this length, in bytes.
pub(crate) fn payload_length(frame_length: i32) -> usize {
    (frame_length as usize).saturating_sub(DATA_HEADER_LENGTH)
}

#[inline]
fn read_frame(raw: *mut sys::aeron_header_t) -> sys::aeron_header_values_t {
    let mut values = MaybeUninit::<sys::aeron_header_values_t>::zeroed();
    // SAFETY: `raw` is live (see `Header::from_raw`) and the struct is plain C data for which zero is a value.
    unsafe {
        sys::aeron_header_values(raw, values.as_mut_ptr());
        values.assume_init()
    }
}

fn read_native(raw: *mut sys::aeron_header_t) -> HeaderValues {
    let values = read_frame(raw);
    // SAFETY: `raw` is live (see `Header::from_raw`).
    let position = unsafe { sys::aeron_header_position(raw) };
    let frame = values.frame;
    HeaderValues {
        frame_length: frame.frame_length,
        flags: frame.flags,
        frame_type: frame.type_,
        term_offset: frame.term_offset,
        session_id: frame.session_id,
        stream_id: frame.stream_id,
        term_id: frame.term_id,
        reserved_value: frame.reserved_value,
        initial_term_id: values.initial_term_id,
        position_bits_to_shift: values.position_bits_to_shift as u32,
        position,
    }
}

fn native_image_correlation_id(raw: *mut sys::aeron_header_t) -> Option<i64> {
    let mut constants = MaybeUninit::<sys::aeron_image_constants_t>::zeroed();
    // SAFETY: `raw` is live (see `Header::from_raw`). Its context is the image that called the handler (aeron_image.c
    // sets it in every poll), alive during the call; the constants are plain C data for which zero is a value.
    unsafe {
        let image = sys::aeron_header_context(raw).cast::<sys::aeron_image_t>();
        if image.is_null() || sys::aeron_image_constants(image, constants.as_mut_ptr()) < 0 {
            return None;
        }
        Some(constants.assume_init().correlation_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_frame_starts_on_an_alignment_boundary() {
        assert_eq!(next_term_offset(0, 32), 32);
        assert_eq!(next_term_offset(64, 33), 128);
        assert_eq!(payload_length(100), 68);
        assert_eq!(payload_length(10), 0);
    }
}
