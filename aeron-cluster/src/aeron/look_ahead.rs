//! What of a stream is not delivered yet, for those who can use the time until then.

use std::sync::atomic::{AtomicI32, Ordering};

use super::{DATA_HEADER_LENGTH, FRAME_ALIGNMENT};

/// What of a term is behind a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    start: *const u8,
    length: i64,
}

impl Rest {
    /// Where it is not known, or there is none.
    pub(super) const NONE: Rest = Rest { start: std::ptr::null(), length: 0 };

    #[inline]
    pub(super) fn new(start: *const u8, length: i32) -> Self {
        Rest { start, length: i64::from(length) }
    }
}

/// How far a stream was looked at before it is delivered. For one stream: frames start in other places of another.
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
    /// How far it goes, in bytes: some messages, which together take longer than memory that is far away.
    const DISTANCE: i64 = 2048;
    /// What every log has behind its last term: a page for its description (`AERON_LOGBUFFER_META_DATA_LENGTH`).
    pub(super) const BEHIND_THE_TERMS: usize = 4096;
    /// The longest look behind a frame's header.
    const REACH: usize = 64;

    /// Whether enough of what is behind `position` was looked at.
    #[inline]
    pub(super) fn is_far_from(&self, position: i64) -> bool {
        self.position >= position + Self::DISTANCE / 2
    }

    /// Looks at what is behind `position`, where the term goes on with `rest`. Several frames at once, and so not inlined.
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
