//! Looking at frames of a stream before they are delivered, to prefetch what they need.

use std::sync::atomic::{AtomicI32, Ordering};

use super::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT};

/// The part of a term after a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    start: *const u8,
    length: i64,
}

impl Rest {
    /// Unknown, or empty.
    pub(super) const NONE: Rest = Rest { start: std::ptr::null(), length: 0 };

    #[inline]
    pub(super) fn new(start: *const u8, length: i32) -> Self {
        Rest { start, length: i64::from(length) }
    }
}

/// How far ahead a stream has been looked at. For one stream only, since the frames of another start elsewhere.
#[derive(Debug)]
pub(crate) struct LookAhead {
    position: i64,
}

impl Default for LookAhead {
    fn default() -> Self {
        LookAhead { position: i64::MIN }
    }
}

impl LookAhead {
    /// How far to look ahead, in bytes: enough messages to take longer than a fetch from main memory.
    const DISTANCE: i64 = 2048;
    /// How many bytes every log has after its last term: a page of metadata (`AERON_LOGBUFFER_META_DATA_LENGTH`).
    pub(super) const BEHIND_THE_TERMS: usize = 4096;
    /// How far after a frame's header `look` may read, in bytes.
    const REACH: usize = 64;

    /// Whether enough frames after `position` have been looked at.
    #[inline]
    pub(super) fn is_far_from(&self, position: i64) -> bool {
        self.position >= position + Self::DISTANCE / 2
    }

    /// Looks at the frames after `position`, which are in `rest`. Not inlined, since it takes several frames at a time.
    #[inline(never)]
    pub(super) fn go_on(&mut self, position: i64, rest: Rest, offset: usize, mut look: impl FnMut([u8; 8])) {
        const { assert!(Self::DISTANCE as usize + DATA_HEADER_LENGTH + Self::REACH <= Self::BEHIND_THE_TERMS) }
        debug_assert!(offset + size_of::<[u8; 8]>() <= Self::REACH);
        let enough = (DATA_HEADER_LENGTH + offset + size_of::<[u8; 8]>()) as i32;
        let end = Self::DISTANCE.min(rest.length);
        let mut distance = self.position.max(position) - position;
        while distance < end {
            // SAFETY: by the contract of `Header::from_raw` the term goes on there, with room for a frame's header, whose length everybody
            // accesses atomically. A frame that has one is complete, and nobody changes it as long as the image has not passed it.
            unsafe {
                let frame = rest.start.add(distance as usize);
                let frame_length = AtomicI32::from_ptr(frame.cast_mut().cast()).load(Ordering::Acquire);
                if frame_length < enough {
                    break;
                }
                look(frame.add(DATA_HEADER_LENGTH + offset).cast::<[u8; 8]>().read());
                distance += i64::from(frame_length.cast_unsigned().next_multiple_of(FRAME_ALIGNMENT as u32));
            }
        }
        self.position = position + distance;
    }
}
