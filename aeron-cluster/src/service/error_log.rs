//! The log of distinct errors in a mark file. Operators read it with `ClusterTool <dir> errors`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::mark_file::region::Region;
pub use crate::aeron::distinct_errors::ErrorObservation;
use crate::aeron::distinct_errors::{
    self, ALIGNMENT, FIRST_TIMESTAMP, LAST_TIMESTAMP, LENGTH, OBSERVATION_COUNT, TEXT,
};

/// Records errors in the mark file: an error seen again is counted, not written again.
///
/// Clones share one log. Recording takes a lock and may allocate: keep it off the message path. Mirrors Agrona's
/// `DistinctErrorLog`, whose layout Java's `ClusterTool` reads.
#[derive(Clone)]
pub struct ErrorLog {
    shared: Arc<Shared>,
}

struct Shared {
    region: Arc<Region>,
    start: usize,
    length: usize,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    next_offset: usize,
    offset_by_text: HashMap<Box<str>, usize>,
}

impl ErrorLog {
    /// An empty log in the `length` bytes at `start` of the region, which must be zero.
    pub(crate) fn new(region: Arc<Region>, start: usize, length: usize) -> ErrorLog {
        ErrorLog { shared: Arc::new(Shared { region, start, length, written: Mutex::default() }) }
    }

    /// Records an error, seen at `now_ms` since the epoch. Two errors are the same if their texts are.
    ///
    /// False if the log has no room for the text; then tell the operator in another way. Mirrors `DistinctErrorLog.record`.
    #[must_use = "a full log did not take the error"]
    pub fn record(&self, now_ms: i64, text: &str) -> bool {
        let mut written = self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        let known = written.offset_by_text.get(text).copied();
        let Some(offset) = known.or_else(|| self.shared.append(&mut written, now_ms, text)) else {
            return false;
        };
        let region = &self.shared.region;
        region.i32_at(offset + OBSERVATION_COUNT).fetch_add(1, Ordering::AcqRel);
        region.i64_at(offset + LAST_TIMESTAMP).store(now_ms, Ordering::Release);
        true
    }

    /// The errors of the log, in the order they were first seen.
    pub fn observations(&self) -> Vec<ErrorObservation> {
        distinct_errors::read(self.shared.region.bytes(), self.shared.start, self.shared.length)
    }
}

impl Shared {
    fn append(&self, written: &mut Written, now_ms: i64, text: &str) -> Option<usize> {
        let record_length = TEXT.checked_add(text.len())?;
        if record_length > self.length.checked_sub(written.next_offset)? {
            return None;
        }
        let length_field = i32::try_from(record_length).ok()?;
        let offset = self.start + written.next_offset;
        self.region.write(offset + TEXT, text.as_bytes());
        self.region.i64_at(offset + FIRST_TIMESTAMP).store(now_ms, Ordering::Relaxed);
        written.next_offset = (written.next_offset + record_length).next_multiple_of(ALIGNMENT);
        written.offset_by_text.insert(text.into(), offset);
        self.region.i32_at(offset + LENGTH).store(length_field, Ordering::Release);
        Some(offset)
    }
}

impl fmt::Debug for ErrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLog").field("capacity", &self.shared.length).finish_non_exhaustive()
    }
}
