//! Copying a recording from another archive.

use std::ffi::CString;

use aeron_sys as sys;

use super::check;
use super::client::Archive;
use super::guard::{self, id, invalid, position};
use crate::Result;
use crate::aeron::{NULL_VALUE, native_channel};

/// The most bytes of channels and credentials in a request: C's 8 KiB buffer less the fixed part. C would leave out
/// the rest.
const MAX_TEXT_LENGTH: usize = 8 * 1024 - 256;

/// How a recording is replicated from another archive. By default all of it, following it as it grows, to a new recording. Mirrors
/// `ReplicationParams` and `aeron_archive_replication_params_t`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReplicationParams {
    stop_position: Option<i64>,
    dst_recording_id: Option<i64>,
    live_destination: String,
    replication_channel: String,
    src_response_channel: String,
    channel_tag_id: Option<i64>,
    subscription_tag_id: Option<i64>,
    file_io_max_length: Option<i32>,
    replication_session_id: Option<i32>,
    encoded_credentials: Vec<u8>,
}

impl ReplicationParams {
    /// The whole recording, following it as it grows, to a new recording.
    pub fn new() -> Self {
        ReplicationParams::default()
    }

    /// The position at which the copy ends. Default: the end of the recording; never, if that is active.
    #[must_use]
    pub fn stop_position(mut self, position: i64) -> Self {
        self.stop_position = Some(position);
        self
    }

    /// The recording of this archive to extend. Default: a new one.
    #[must_use]
    pub fn dst_recording_id(mut self, recording_id: i64) -> Self {
        self.dst_recording_id = Some(recording_id);
        self
    }

    /// The channel of the live stream to merge with: a multicast channel or a destination.
    #[must_use]
    pub fn live_destination(mut self, channel: impl Into<String>) -> Self {
        self.live_destination = channel.into();
        self
    }

    /// The channel on which the other archive replays to this one. Default: this archive's setting.
    #[must_use]
    pub fn replication_channel(mut self, channel: impl Into<String>) -> Self {
        self.replication_channel = channel.into();
        self
    }

    /// The control address of the other archive for response channels.
    #[must_use]
    pub fn src_response_channel(mut self, channel: impl Into<String>) -> Self {
        self.src_response_channel = channel.into();
        self
    }

    /// The tag of the channel of the archive's own subscription, so that a program can follow it.
    #[must_use]
    pub fn channel_tag_id(mut self, tag: i64) -> Self {
        self.channel_tag_id = Some(tag);
        self
    }

    /// The tag of the archive's own subscription.
    #[must_use]
    pub fn subscription_tag_id(mut self, tag: i64) -> Self {
        self.subscription_tag_id = Some(tag);
        self
    }

    /// The most bytes that the other archive reads from disk at a time. Default: its setting.
    #[must_use]
    pub fn file_io_max_length(mut self, length: i32) -> Self {
        self.file_io_max_length = Some(length);
        self
    }

    /// The session id in the catalogue entry of the copy. Default: that of the recording.
    #[must_use]
    pub fn replication_session_id(mut self, session_id: i32) -> Self {
        self.replication_session_id = Some(session_id);
        self
    }

    /// The credentials that this archive presents to the other one. There are no challenges between archives.
    #[must_use]
    pub fn encoded_credentials(mut self, credentials: impl Into<Vec<u8>>) -> Self {
        self.encoded_credentials = credentials.into();
        self
    }

    fn texts(&self, src_control_channel: &str) -> Result<Texts> {
        guard::credentials(&self.encoded_credentials)?;
        let length = src_control_channel.len()
            + self.live_destination.len()
            + self.replication_channel.len()
            + self.src_response_channel.len()
            + self.encoded_credentials.len();
        if length > MAX_TEXT_LENGTH {
            let message = format!(
                "channels and credentials of a replication have {length} bytes together, at most {MAX_TEXT_LENGTH}"
            );
            return Err(invalid(message));
        }
        Ok(Texts {
            src_control_channel: native_channel(src_control_channel, "source control channel")?,
            live_destination: native_channel(&self.live_destination, "live destination")?,
            replication_channel: native_channel(&self.replication_channel, "replication channel")?,
            src_response_channel: native_channel(&self.src_response_channel, "source response channel")?,
        })
    }

    /// The parameters for C, which point into `texts` and `credentials`.
    fn native(
        &self,
        texts: &Texts,
        credentials: &mut sys::aeron_archive_encoded_credentials_t,
    ) -> Result<sys::aeron_archive_replication_params_t> {
        let mut params = std::mem::MaybeUninit::uninit();
        // SAFETY: aeron_archive_replication_params_init writes every field and gives 0 (aeron_archive_replication_params.c).
        let mut params = unsafe {
            check(sys::aeron_archive_replication_params_init(params.as_mut_ptr()), "cannot describe a replication")?;
            params.assume_init()
        };
        if let Some(stop) = self.stop_position {
            params.stop_position = position("stop position", stop)?;
        }
        if let Some(recording_id) = self.dst_recording_id {
            params.dst_recording_id = id("destination recording", recording_id)?;
        }
        params.live_destination = texts.live_destination.as_ptr();
        params.replication_channel = texts.replication_channel.as_ptr();
        params.src_response_channel = texts.src_response_channel.as_ptr();
        params.channel_tag_id = self.channel_tag_id.unwrap_or(NULL_VALUE);
        params.subscription_tag_id = self.subscription_tag_id.unwrap_or(NULL_VALUE);
        params.file_io_max_length = self.file_io_max_length.unwrap_or(params.file_io_max_length);
        params.replication_session_id = self.replication_session_id.unwrap_or(params.replication_session_id);
        if !self.encoded_credentials.is_empty() {
            credentials.data = self.encoded_credentials.as_ptr().cast();
            credentials.length = self.encoded_credentials.len() as u32; // at most MAX_CREDENTIALS_LENGTH
            params.encoded_credentials = credentials;
        }
        Ok(params)
    }
}

/// Without the credentials.
impl std::fmt::Debug for ReplicationParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicationParams")
            .field("stop_position", &self.stop_position)
            .field("dst_recording_id", &self.dst_recording_id)
            .field("live_destination", &self.live_destination)
            .field("replication_channel", &self.replication_channel)
            .finish_non_exhaustive()
    }
}

struct Texts {
    src_control_channel: CString,
    live_destination: CString,
    replication_channel: CString,
    src_response_channel: CString,
}

impl Archive {
    /// Starts to copy a recording of another archive, given by its control channel and stream, to this one. Later errors
    /// are reported without a request ([`check_for_error_response`](Self::check_for_error_response)), progress by
    /// signals ([`RecordingSignal`](super::RecordingSignal)).
    ///
    /// Returns the id of the replication. Mirrors `AeronArchive.replicate` and `aeron_archive_replicate`.
    pub fn replicate(
        &mut self,
        src_recording_id: i64,
        src_control_channel: &str,
        src_control_stream_id: i32,
        params: &ReplicationParams,
    ) -> Result<i64> {
        let recording_id = id("source recording", src_recording_id)?;
        let texts = params.texts(src_control_channel)?;
        let mut credentials = sys::aeron_archive_encoded_credentials_t { data: std::ptr::null(), length: 0 };
        let mut native = params.native(&texts, &mut credentials)?;
        let mut replication_id = NULL_VALUE;
        let doing = format_args!("cannot replicate the recording {recording_id} from {src_control_channel}");
        // SAFETY: C writes the id; it copies what the parameters point to, which lives in `texts`, `credentials` and `params`,
        // into its request.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_replicate(
                &mut replication_id,
                archive,
                recording_id,
                texts.src_control_channel.as_ptr(),
                src_control_stream_id,
                &mut native,
            )
        })?;
        Ok(replication_id)
    }

    /// Ends a replication, by the id from [`replicate`](Self::replicate). It is an error if it has already ended. Mirrors
    /// `AeronArchive.stopReplication`.
    pub fn stop_replication(&mut self, replication_id: i64) -> Result<()> {
        // SAFETY: numbers alone.
        self.request(format_args!("cannot stop the replication {replication_id}"), |archive| unsafe {
            sys::aeron_archive_stop_replication(archive, replication_id)
        })
    }

    /// As [`stop_replication`](Self::stop_replication), but returns whether it was active. Mirrors `AeronArchive.tryStopReplication`.
    pub fn try_stop_replication(&mut self, replication_id: i64) -> Result<bool> {
        let mut stopped = false;
        // SAFETY: C writes the answer.
        self.request(format_args!("cannot stop the replication {replication_id}"), |archive| unsafe {
            sys::aeron_archive_try_stop_replication(&mut stopped, archive, replication_id)
        })?;
        Ok(stopped)
    }
}
