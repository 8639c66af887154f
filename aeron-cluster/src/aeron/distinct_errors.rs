//! The format of a log of distinct errors, as in drivers' files and mark files.

use super::shared_bytes::SharedBytes;

// A record: its length with this header (written last, 0 where the log ends), how often and when the error was seen, and
// its text. Records begin at multiples of 8.
pub(crate) const LENGTH: usize = 0;
pub(crate) const OBSERVATION_COUNT: usize = 4;
pub(crate) const LAST_TIMESTAMP: usize = 8;
pub(crate) const FIRST_TIMESTAMP: usize = 16;
pub(crate) const TEXT: usize = 24;
pub(crate) const ALIGNMENT: usize = 8;

/// One distinct error of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorObservation {
    /// How often it was recorded.
    pub count: i32,
    /// When it was first recorded, in milliseconds since the epoch.
    pub first_timestamp: i64,
    /// When it was last recorded, in milliseconds since the epoch.
    pub last_timestamp: i64,
    /// The text of the error. Java writes a whole stack trace.
    pub text: String,
}

/// Reads an untrusted log, at any alignment, up to the first record that makes no sense. A record that is longer
/// than the log is truncated.
pub(crate) fn read(bytes: &SharedBytes, start: usize, length: usize) -> Vec<ErrorObservation> {
    let mut observations = Vec::new();
    let mut offset = 0;
    while let Some(observation) = read_record(bytes, start, length, &mut offset) {
        observations.push(observation);
    }
    observations
}

fn read_record(bytes: &SharedBytes, start: usize, length: usize, offset: &mut usize) -> Option<ErrorObservation> {
    let room = length.checked_sub(*offset)?;
    if room < TEXT {
        return None;
    }
    let record = start + *offset;
    let record_length = usize::try_from(bytes.read_i32(record + LENGTH)?).ok()?.min(room);
    let text = bytes.read(record + TEXT, record_length.checked_sub(TEXT)?)?;
    *offset += record_length.next_multiple_of(ALIGNMENT);
    Some(ErrorObservation {
        count: bytes.read_i32(record + OBSERVATION_COUNT)?,
        first_timestamp: bytes.read_i64(record + FIRST_TIMESTAMP)?,
        last_timestamp: bytes.read_i64(record + LAST_TIMESTAMP)?,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// Finds a record that would lead C astray, which follows the lengths of records: past the end of the log if one is too long, and
/// into a loop if one is negative.
#[cfg(feature = "driver")]
pub(crate) fn flaw(bytes: &SharedBytes, start: usize, length: usize) -> Option<String> {
    let mut offset = 0;
    // C looks whether there is a first record even if there is no room for one.
    while offset == 0 || offset < length {
        let Some(found) = bytes.read_i32(start + offset) else {
            return Some(format!("its error log of {length} bytes has no room for a record at {offset}"));
        };
        if found == 0 || offset >= length {
            return None;
        }
        let record_length = usize::try_from(found).unwrap_or(0);
        if !(TEXT..=length - offset).contains(&record_length) {
            return Some(format!("its error log of {length} bytes has a record of {found} bytes at {offset}"));
        }
        offset += record_length.next_multiple_of(ALIGNMENT);
    }
    None
}
