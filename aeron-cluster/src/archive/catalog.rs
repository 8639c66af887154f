//! Listing an archive's recordings and recording subscriptions.

use std::ffi::c_void;

use aeron_sys as sys;

use super::client::Archive;
use super::guard::{count, fragment, id, invalid};
use super::recording::{RecordingDescriptor, on_descriptor};
use super::recording_subscription::{RecordingSubscription, on_subscription};
use crate::Result;
use crate::aeron::{NULL_VALUE, native_channel};

impl Archive {
    /// The recording with this id, if there is one. Mirrors `AeronArchive.listRecording`.
    pub fn list_recording(&mut self, recording_id: i64) -> Result<Option<RecordingDescriptor>> {
        let recording_id = id("recording", recording_id)?;
        let mut found: Vec<RecordingDescriptor> = Vec::new();
        let (mut listed, clientd) = (0, std::ptr::from_mut(&mut found).cast::<c_void>());
        // SAFETY: C calls `on_descriptor` within the call alone, with `found`.
        self.request(format_args!("cannot list the recording {recording_id}"), |archive| unsafe {
            sys::aeron_archive_list_recording(&mut listed, archive, recording_id, Some(on_descriptor), clientd)
        })?;
        Ok(found.pop())
    }

    /// At most `limit` recordings, from the id `from` on. Mirrors `AeronArchive.listRecordings`.
    pub fn list_recordings(&mut self, from: i64, limit: i32) -> Result<Vec<RecordingDescriptor>> {
        let (from, limit) = (id("first recording", from)?, count("recordings", limit)?);
        let mut found: Vec<RecordingDescriptor> = Vec::new();
        let (mut listed, clientd) = (0, std::ptr::from_mut(&mut found).cast::<c_void>());
        // SAFETY: C calls `on_descriptor` within the call alone, with `found`.
        self.request(format_args!("cannot list {limit} recordings from {from}"), |archive| unsafe {
            sys::aeron_archive_list_recordings(&mut listed, archive, from, limit, Some(on_descriptor), clientd)
        })?;
        Ok(found)
    }

    /// At most `limit` recordings of a stream, from the id `from` on, whose channel contains `channel_fragment`. Mirrors
    /// `AeronArchive.listRecordingsForUri`.
    pub fn list_recordings_for_uri(
        &mut self,
        from: i64,
        limit: i32,
        channel_fragment: &str,
        stream_id: i32,
    ) -> Result<Vec<RecordingDescriptor>> {
        let (from, limit) = (id("first recording", from)?, count("recordings", limit)?);
        let native = fragment(channel_fragment)?;
        let mut found: Vec<RecordingDescriptor> = Vec::new();
        let (mut listed, clientd) = (0, std::ptr::from_mut(&mut found).cast::<c_void>());
        let doing = format_args!("cannot list recordings of {channel_fragment:?} stream {stream_id} from {from}");
        // SAFETY: C copies the string, and calls `on_descriptor` within the call alone, with `found`.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_list_recordings_for_uri(
                &mut listed,
                archive,
                from,
                limit,
                native.as_ptr(),
                stream_id,
                Some(on_descriptor),
                clientd,
            )
        })?;
        Ok(found)
    }

    /// The last recording, with an id of `min_recording_id` or more, of a session and stream whose channel contains
    /// `channel_fragment`. Mirrors `AeronArchive.findLastMatchingRecording`.
    pub fn find_last_matching_recording(
        &mut self,
        min_recording_id: i64,
        channel_fragment: &str,
        stream_id: i32,
        session_id: i32,
    ) -> Result<Option<i64>> {
        let (min_recording_id, native) = (id("least recording", min_recording_id)?, fragment(channel_fragment)?);
        let mut recording_id = NULL_VALUE;
        let doing = format_args!("cannot find recordings of {channel_fragment:?} stream {stream_id}");
        // SAFETY: C copies the string and writes the id.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_find_last_matching_recording(
                &mut recording_id,
                archive,
                min_recording_id,
                native.as_ptr(),
                stream_id,
                session_id,
            )
        })?;
        Ok((recording_id != NULL_VALUE).then_some(recording_id))
    }

    /// At most `limit` of the archive's active recording subscriptions, from the one at `index` on, whose channel contains
    /// `channel_fragment`; of one stream, or with `None` of all. Mirrors `AeronArchive.listRecordingSubscriptions`.
    pub fn list_recording_subscriptions(
        &mut self,
        index: i32,
        limit: i32,
        channel_fragment: &str,
        stream_id: Option<i32>,
    ) -> Result<Vec<RecordingSubscription>> {
        let (limit, native) = (count("recording subscriptions", limit)?, fragment(channel_fragment)?);
        if index < 0 {
            return Err(invalid(format!("index {index} of recording subscriptions is negative")));
        }
        let mut found: Vec<RecordingSubscription> = Vec::new();
        let (mut listed, clientd) = (0, std::ptr::from_mut(&mut found).cast::<c_void>());
        let doing = format_args!("cannot list recording subscriptions of {channel_fragment:?}");
        // SAFETY: C copies the string, and calls `on_subscription` within the call alone, with `found`.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_list_recording_subscriptions(
                &mut listed,
                archive,
                index,
                limit,
                native.as_ptr(),
                stream_id.unwrap_or_default(),
                stream_id.is_some(),
                Some(on_subscription),
                clientd,
            )
        })?;
        Ok(found)
    }

    /// Changes the channel that the catalogue has for a recording. Needs an archive with version 13 of the schema or later. Mirrors
    /// `AeronArchive.updateChannel`.
    pub fn update_channel(&mut self, recording_id: i64, channel: &str) -> Result<()> {
        let (recording_id, native) = (id("recording", recording_id)?, native_channel(channel, "new channel")?);
        let doing = format_args!("cannot change the channel of the recording {recording_id} to {channel}");
        // SAFETY: C copies the string into its request.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_update_channel(archive, recording_id, native.as_ptr())
        })
    }
}
