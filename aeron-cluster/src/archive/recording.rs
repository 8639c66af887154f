//! What an archive knows of a recording.

use std::ffi::{c_char, c_void};

use aeron_sys as sys;

use crate::aeron::ChannelUri;
use crate::{Error, ErrorKind};

/// What an archive knows of a recording. Mirrors `RecordingDescriptorConsumer.onRecordingDescriptor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingDescriptor {
    /// The recording's id.
    pub recording_id: i64,
    /// When it started, in milliseconds since the epoch.
    pub start_timestamp: i64,
    /// When it stopped, in milliseconds since the epoch; `None` while it is active.
    pub stop_timestamp: Option<i64>,
    /// The position of the first byte.
    pub start_position: i64,
    /// The position after the last byte; `None` while it is active.
    pub stop_position: Option<i64>,
    /// The term in which the recorded publication began.
    pub initial_term_id: i32,
    /// The length of a segment file in bytes.
    pub segment_file_length: i32,
    /// The length of a term of the recorded publication in bytes.
    pub term_buffer_length: i32,
    /// The longest frame of the recorded publication, in bytes.
    pub mtu_length: i32,
    /// The recorded publication's session.
    pub session_id: i32,
    /// The recorded publication's stream.
    pub stream_id: i32,
    /// The channel without the parameters that do not identify it.
    pub stripped_channel: String,
    /// The channel as given in the request to record.
    pub original_channel: String,
    /// Where the recorded publication came from.
    pub source_identity: String,
}

impl RecordingDescriptor {
    /// # Safety
    ///
    /// Each string of `native` must have as many bytes as its length says.
    unsafe fn copied_from(native: &sys::aeron_archive_recording_descriptor_t) -> Self {
        let present = |value: i64| (value != crate::aeron::NULL_VALUE).then_some(value);
        // SAFETY: by this function's contract.
        let (stripped_channel, original_channel, source_identity) = unsafe {
            (
                text(native.stripped_channel, native.stripped_channel_length),
                text(native.original_channel, native.original_channel_length),
                text(native.source_identity, native.source_identity_length),
            )
        };
        RecordingDescriptor {
            recording_id: native.recording_id,
            start_timestamp: native.start_timestamp,
            stop_timestamp: present(native.stop_timestamp),
            start_position: native.start_position,
            stop_position: present(native.stop_position),
            initial_term_id: native.initial_term_id,
            segment_file_length: native.segment_file_length,
            term_buffer_length: native.term_buffer_length,
            mtu_length: native.mtu_length,
            session_id: native.session_id,
            stream_id: native.stream_id,
            stripped_channel,
            original_channel,
            source_identity,
        }
    }

    /// The channel of a publication that continues this recording, which has stopped, with
    /// [`Archive::extend_recording`](super::Archive::extend_recording): `channel` with the recording's lengths and the position of
    /// its end. Mirrors `ChannelUriStringBuilder.initialPosition`.
    ///
    /// # Errors
    ///
    /// [`State`](crate::ErrorKind::State) while it goes on, and what is wrong with the channel.
    pub fn continuing_channel(&self, channel: &str) -> crate::Result<String> {
        let Some(position) = self.stop_position else {
            let message = format!("the recording {} goes on, and cannot be continued by another", self.recording_id);
            return Err(Error::new(ErrorKind::State, message));
        };
        let length = i64::from(self.term_buffer_length);
        if length <= 0 || position < 0 {
            let message =
                format!("the recording {} has terms of {length} bytes and stops at {position}", self.recording_id);
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        // Term ids wrap around.
        let term_id = self.initial_term_id.wrapping_add((position / length) as i32);
        let mut uri = ChannelUri::parse(channel)?;
        uri.put("init-term-id", self.initial_term_id.to_string());
        uri.put("term-id", term_id.to_string());
        uri.put("term-offset", (position % length).to_string());
        uri.put("term-length", length.to_string());
        uri.put("mtu", self.mtu_length.to_string());
        Ok(uri.to_string())
    }
}

/// # Safety
///
/// `start` must be null, or have `length` bytes.
pub(super) unsafe fn text(start: *const c_char, length: usize) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: by this function's contract; the bytes are copied before the call ends.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(length);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// For C to call once per recording it lists; `clientd` is the `Vec` that takes them.
pub(super) unsafe extern "C" fn on_descriptor(
    descriptor: *mut sys::aeron_archive_recording_descriptor_t,
    clientd: *mut c_void,
) {
    // SAFETY: C calls this within the listing call alone, on its thread, with a descriptor whose strings live as long as the
    // call (aeron_archive.h), and with the Vec that the listing call was given.
    unsafe {
        let found = &mut *clientd.cast::<Vec<RecordingDescriptor>>();
        found.push(RecordingDescriptor::copied_from(&*descriptor));
    }
}
