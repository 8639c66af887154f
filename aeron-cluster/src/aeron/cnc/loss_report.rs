//! A driver's report of losses, a file beside its own.

use std::path::Path;

use super::Loss;
use crate::aeron::shared_bytes::SharedBytes;
use crate::error::{Error, Result};

/// The file in the driver's directory (`AERON_LOSS_REPORT_FILE`).
const FILE_NAME: &str = "loss-report.dat";
// A record: its numbers, and two texts, each behind its length; the second length is at a multiple of 4. What is counted is written last, and
// is 0 where the report ends. Records begin at multiples of 64.
const OBSERVATION_COUNT: usize = 0;
const TOTAL_BYTES_LOST: usize = 8;
const FIRST_OBSERVATION: usize = 16;
const LAST_OBSERVATION: usize = 24;
const SESSION_ID: usize = 32;
const STREAM_ID: usize = 36;
const TEXTS: usize = 40;
const ALIGNMENT: usize = 64;

/// Reads the report of the driver in `dir`, up to its first record that makes no sense.
pub(super) fn read(dir: &Path) -> Result<Vec<Loss>> {
    let path = dir.join(FILE_NAME);
    let bytes = SharedBytes::open(&path).map_err(|error| {
        Error::from(error).context(format!("cannot read the driver's loss report {}", path.display()))
    })?;
    let mut losses = Vec::new();
    let mut offset = 0;
    while let Some((loss, end)) = read_record(&bytes, offset) {
        losses.push(loss);
        offset = end.next_multiple_of(ALIGNMENT);
    }
    Ok(losses)
}

/// The record at `offset`, and where it ends.
fn read_record(bytes: &SharedBytes, offset: usize) -> Option<(Loss, usize)> {
    let observation_count = bytes.read_i64(offset + OBSERVATION_COUNT).filter(|count| *count > 0)?;
    let (channel, end) = read_text(bytes, offset + TEXTS)?;
    let (source, end) = read_text(bytes, end.next_multiple_of(size_of::<i32>()))?;
    let loss = Loss {
        observation_count,
        total_bytes_lost: bytes.read_i64(offset + TOTAL_BYTES_LOST)?,
        first_observation_ms: bytes.read_i64(offset + FIRST_OBSERVATION)?,
        last_observation_ms: bytes.read_i64(offset + LAST_OBSERVATION)?,
        session_id: bytes.read_i32(offset + SESSION_ID)?,
        stream_id: bytes.read_i32(offset + STREAM_ID)?,
        channel,
        source,
    };
    Some((loss, end))
}

/// The text behind its length at `offset`, and where it ends.
fn read_text(bytes: &SharedBytes, offset: usize) -> Option<(String, usize)> {
    let start = offset + size_of::<i32>();
    let length = usize::try_from(bytes.read_i32(offset)?).ok()?;
    let text = bytes.read(start, length)?;
    Some((String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned(), start + length))
}
