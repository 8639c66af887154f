//! Positions of recordings, by requests and from the archive's counters.

use std::ffi::c_char;

use aeron_sys as sys;

use super::client::Archive;
use super::guard::id;
use crate::Result;
use crate::aeron::NULL_VALUE;

/// More than a source identity in a counter's key can have, in bytes.
const MAX_SOURCE_IDENTITY_LENGTH: usize = 128;

type Getter = unsafe extern "C" fn(*mut i64, *mut sys::aeron_archive_t, i64) -> i32;

impl Archive {
    /// The current position of an active recording; `None` if it is not active. Mirrors `AeronArchive.getRecordingPosition`.
    pub fn recording_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "recording position", sys::aeron_archive_get_recording_position)
    }

    /// Where a recording starts. Mirrors `AeronArchive.getStartPosition`.
    pub fn start_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "start position", sys::aeron_archive_get_start_position)
    }

    /// Where a recording stopped; `None` if it is active. Mirrors `AeronArchive.getStopPosition`.
    pub fn stop_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "stop position", sys::aeron_archive_get_stop_position)
    }

    /// The current position of an active recording, or where a stopped one ended. Mirrors `AeronArchive.getMaxRecordedPosition`.
    pub fn max_recorded_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "recorded position", sys::aeron_archive_get_max_recorded_position)
    }

    fn position(&mut self, recording_id: i64, what: &str, getter: Getter) -> Result<Option<i64>> {
        let recording_id = id("recording", recording_id)?;
        let mut position = NULL_VALUE;
        // SAFETY: C writes the position.
        self.request(format_args!("cannot get the {what} of the recording {recording_id}"), |archive| unsafe {
            getter(&mut position, archive, recording_id)
        })?;
        Ok((position != NULL_VALUE).then_some(position))
    }

    /// The counter of this archive that shows how far it has recorded the publication with this session id, if it records
    /// it and shares the client's media driver. Mirrors `RecordingPos.findCounterIdBySession`.
    pub fn recording_counter(&self, session_id: i32) -> Option<i32> {
        // SAFETY: the counters belong to the client, which is live as long as `self`.
        let id = unsafe {
            sys::aeron_archive_recording_pos_find_counter_id_by_session_id(
                self.counters(),
                session_id,
                self.archive_id(),
            )
        };
        (id >= 0).then_some(id)
    }

    /// The counter of this archive that shows the position of an active recording. Otherwise as
    /// [`recording_counter`](Self::recording_counter). Mirrors `RecordingPos.findCounterIdByRecording`.
    pub fn recording_counter_by_id(&self, recording_id: i64) -> Option<i32> {
        // SAFETY: as in `recording_counter`.
        let id = unsafe {
            sys::aeron_archive_recording_pos_find_counter_id_by_recording_id(
                self.counters(),
                recording_id,
                self.archive_id(),
            )
        };
        (id >= 0).then_some(id)
    }

    /// The recording whose progress a counter shows, if it shows one. Mirrors `RecordingPos.getRecordingId`.
    pub fn recording_id(&self, counter_id: i32) -> Option<i64> {
        // SAFETY: as in `recording_counter`; C checks the counter's id and type.
        let id = unsafe { sys::aeron_archive_recording_pos_get_recording_id(self.counters(), counter_id) };
        (id != NULL_VALUE).then_some(id)
    }

    /// Where the recorded publication comes from, by the counter that shows its recording's progress: an address, or `aeron:ipc`. `None` if it shows
    /// none. Mirrors `RecordingPos.getSourceIdentity`.
    pub fn recording_source_identity(&self, counter_id: i32) -> Option<String> {
        self.recording_id(counter_id)?;
        let (mut text, mut length) = ([0u8; MAX_SOURCE_IDENTITY_LENGTH], MAX_SOURCE_IDENTITY_LENGTH);
        // SAFETY: as in `recording_id`; C writes at most `length` bytes with a NUL.
        let result = unsafe {
            sys::aeron_archive_recording_pos_get_source_identity(
                self.counters(),
                counter_id,
                text.as_mut_ptr().cast::<c_char>(),
                &mut length,
            )
        };
        (result == 0).then(|| String::from_utf8_lossy(&text[..length.min(text.len())]).into_owned())
    }

    /// Whether a counter still shows the progress of a recording. Mirrors `RecordingPos.isActive`.
    pub fn is_recording_active(&self, counter_id: i32, recording_id: i64) -> bool {
        let mut is_active = false;
        // SAFETY: as in `recording_id`.
        let result = unsafe {
            sys::aeron_archive_recording_pos_is_active(&mut is_active, self.counters(), counter_id, recording_id)
        };
        result == 0 && is_active
    }
}
