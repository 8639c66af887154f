//! The log of distinct errors in a mark file, which operators read with `ClusterTool <dir> errors`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::mark_file::region::Region;

// A record: its length with this header (written last, 0 where the log ends), how often and when the error was seen, and
// its text. Records begin at multiples of 8.
const LENGTH: usize = 0;
const OBSERVATION_COUNT: usize = 4;
const LAST_TIMESTAMP: usize = 8;
const FIRST_TIMESTAMP: usize = 16;
const TEXT: usize = 24;
const ALIGNMENT: usize = 8;

/// One distinct error of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorObservation {
    /// How often it was recorded.
    pub count: i32,
    /// When it was first recorded, in ms since the epoch.
    pub first_timestamp: i64,
    /// When it was last recorded, in ms since the epoch.
    pub last_timestamp: i64,
    /// What was recorded. Java writes a whole stack trace.
    pub text: String,
}

/// Records errors in the mark file: an error seen again is counted, not written again.
///
/// Clones share one log. Recording takes a lock and may allocate, so it has no place on the message path. Mirrors Agrona's
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
    /// A log in `length` bytes at `start` of the region, which are zero.
    pub(crate) fn new(region: Arc<Region>, start: usize, length: usize) -> ErrorLog {
        ErrorLog { shared: Arc::new(Shared { region, start, length, written: Mutex::default() }) }
    }

    /// Records an error, seen at `now_ms` since the epoch. Two errors are the same if their texts are.
    ///
    /// False if the log has no room for its text: the caller tells the operator another way. Mirrors
    /// `DistinctErrorLog.record`.
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
        read(&self.shared.region, self.shared.start, self.shared.length)
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

/// Reads a log that anything may have written: at any alignment, and up to the first record that makes no sense.
pub(crate) fn read(region: &Region, start: usize, length: usize) -> Vec<ErrorObservation> {
    let mut observations = Vec::new();
    let mut offset = 0;
    while let Some(observation) = read_record(region, start, length, &mut offset) {
        observations.push(observation);
    }
    observations
}

fn read_record(region: &Region, start: usize, length: usize, offset: &mut usize) -> Option<ErrorObservation> {
    let room = length.checked_sub(*offset)?;
    if room < TEXT {
        return None;
    }
    let record = start + *offset;
    let record_length = usize::try_from(region.read_i32(record + LENGTH)?).ok()?.min(room);
    let text = region.read(record + TEXT, record_length.checked_sub(TEXT)?)?;
    *offset += record_length.next_multiple_of(ALIGNMENT);
    Some(ErrorObservation {
        count: region.read_i32(record + OBSERVATION_COUNT)?,
        first_timestamp: region.read_i64(record + FIRST_TIMESTAMP)?,
        last_timestamp: region.read_i64(record + LAST_TIMESTAMP)?,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}
