//! The segment files of a recording: detaching, deleting, attaching and moving them.

use aeron_sys as sys;

use super::client::Archive;
use super::guard::{id, invalid, position};
use crate::Result;
use crate::aeron::NULL_VALUE;

type Counted = unsafe extern "C" fn(*mut i64, *mut sys::aeron_archive_t, i64) -> i32;

/// The position of the first byte of the segment file that `position` lies in, of a recording with these lengths in bytes. It can be less than
/// the start position, for the first segment. Mirrors `AeronArchive.segmentFileBasePosition`.
///
/// # Errors
///
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a length that is no power of two, a segment shorter than a term, or positions that are
/// negative or out of order.
pub fn segment_file_base_position(
    start_position: i64,
    position: i64,
    term_buffer_length: i32,
    segment_file_length: i32,
) -> Result<i64> {
    let is_power_of_two = |length: i32| length > 0 && length & (length - 1) == 0;
    let lengths_hold = is_power_of_two(term_buffer_length)
        && is_power_of_two(segment_file_length)
        && term_buffer_length <= segment_file_length;
    if !lengths_hold || start_position < 0 || position < start_position {
        return Err(invalid(format!(
            "no segment file: start position {start_position}, position {position}, terms of {term_buffer_length}, segments of \
             {segment_file_length} bytes"
        )));
    }
    let first_term = start_position - start_position % i64::from(term_buffer_length);
    let distance = position - first_term;
    Ok(first_term + distance - distance % i64::from(segment_file_length))
}

impl Archive {
    /// Detaches the segments before `new_start_position` from a recording. Their files stay until
    /// [`delete_detached_segments`](Self::delete_detached_segments). The position must be the first of a segment
    /// ([`segment_file_base_position`]); segments that are being replayed or recorded cannot be detached. Mirrors `AeronArchive.detachSegments`.
    pub fn detach_segments(&mut self, recording_id: i64, new_start_position: i64) -> Result<()> {
        let recording_id = id("recording", recording_id)?;
        let start = position("new start position", new_start_position)?;
        let doing = format_args!("cannot detach the segments of the recording {recording_id} before {start}");
        // SAFETY: numbers alone.
        self.request(doing, |archive| unsafe { sys::aeron_archive_detach_segments(archive, recording_id, start) })
    }

    /// Deletes the files of detached segments, and returns how many. They disappear a moment later, which the signal
    /// [`Delete`](super::RecordingSignalKind::Delete) reports. Mirrors `AeronArchive.deleteDetachedSegments`.
    pub fn delete_detached_segments(&mut self, recording_id: i64) -> Result<i64> {
        self.counted(recording_id, "delete the detached segments of", sys::aeron_archive_delete_detached_segments)
    }

    /// Detaches and deletes segments in one step, and returns how many, as with
    /// [`delete_detached_segments`](Self::delete_detached_segments). Mirrors `AeronArchive.purgeSegments`.
    pub fn purge_segments(&mut self, recording_id: i64, new_start_position: i64) -> Result<i64> {
        let recording_id = id("recording", recording_id)?;
        let start = position("new start position", new_start_position)?;
        let mut count = NULL_VALUE;
        let doing = format_args!("cannot purge the segments of the recording {recording_id} before {start}");
        // SAFETY: C writes the count.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_purge_segments(&mut count, archive, recording_id, start)
        })?;
        Ok(count)
    }

    /// Attaches detached segments again, if their files exist and are contiguous with the start of the recording, and returns how many. Mirrors
    /// `AeronArchive.attachSegments`.
    pub fn attach_segments(&mut self, recording_id: i64) -> Result<i64> {
        self.counted(recording_id, "attach segments to", sys::aeron_archive_attach_segments)
    }

    /// Moves the segments of one recording to the front of another, and returns how many. The latter must begin where the former stopped, at the start
    /// of a segment, and have the same stream and lengths. The former is left empty. Mirrors `AeronArchive.migrateSegments`.
    pub fn migrate_segments(&mut self, src_recording_id: i64, dst_recording_id: i64) -> Result<i64> {
        let (src, dst) = (id("source recording", src_recording_id)?, id("destination recording", dst_recording_id)?);
        let mut count = NULL_VALUE;
        let doing = format_args!("cannot migrate segments of the recording {src} to {dst}");
        // SAFETY: C writes the count.
        self.request(doing, |archive| unsafe { sys::aeron_archive_migrate_segments(&mut count, archive, src, dst) })?;
        Ok(count)
    }

    /// Truncates a stopped recording to an earlier position, which must be the end of a message, and returns how many segment files were
    /// deleted. Truncated to its start it is empty. Its replays end. Mirrors `AeronArchive.truncateRecording`.
    pub fn truncate_recording(&mut self, recording_id: i64, new_stop_position: i64) -> Result<i64> {
        let recording_id = id("recording", recording_id)?;
        let stop = position("new stop position", new_stop_position)?;
        let mut count = NULL_VALUE;
        let doing = format_args!("cannot truncate the recording {recording_id} to {stop}");
        // SAFETY: C writes the count.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_truncate_recording(&mut count, archive, recording_id, stop)
        })?;
        Ok(count)
    }

    /// Removes a stopped recording with its files, and returns how many, as with
    /// [`delete_detached_segments`](Self::delete_detached_segments). Mirrors
    /// `AeronArchive.purgeRecording`.
    pub fn purge_recording(&mut self, recording_id: i64) -> Result<i64> {
        self.counted(recording_id, "purge", sys::aeron_archive_purge_recording)
    }

    fn counted(&mut self, recording_id: i64, doing: &str, native: Counted) -> Result<i64> {
        let recording_id = id("recording", recording_id)?;
        let mut count = NULL_VALUE;
        // SAFETY: C writes the count.
        self.request(format_args!("cannot {doing} the recording {recording_id}"), |archive| unsafe {
            native(&mut count, archive, recording_id)
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_begin_at_multiples_of_their_length_from_the_first_term() {
        let (term, segment) = (64 * 1024, 128 * 1024);
        let base = |start, position| segment_file_base_position(start, position, term, segment).unwrap();
        assert_eq!((base(0, 0), base(0, 131_071), base(0, 131_072)), (0, 0, 131_072));
        // The recording starts in the second term, so do its segments.
        assert_eq!((base(65_600, 65_600), base(65_600, 196_607), base(65_600, 196_608)), (65_536, 65_536, 196_608));
        assert_eq!(base(i64::MAX, i64::MAX), i64::MAX - 65_535);
        for (start, position, term, segment) in
            [(0, 0, 0, 128), (0, 0, 3, 128), (0, 0, 64, -128), (0, 0, 64, 32), (1, 0, 64, 128), (-1, 0, 64, 128)]
        {
            assert!(segment_file_base_position(start, position, term, segment).is_err(), "{term} {segment}");
        }
    }
}
