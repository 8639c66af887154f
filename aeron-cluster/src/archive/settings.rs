//! The settings in effect for a connection.

use std::time::Duration;

use aeron_sys as sys;

use super::client::Archive;
use super::native_context::text_of;

/// The settings in effect for a connection: those of its [`Context`](super::Context), completed by the environment variables and
/// defaults of the C client, and the channels as they are after connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The channel of requests, with the connection's session id.
    pub control_request_channel: String,
    /// The stream of requests.
    pub control_request_stream_id: i32,
    /// The channel of responses, with the connection's session id.
    pub control_response_channel: String,
    /// The stream of responses.
    pub control_response_stream_id: i32,
    /// The channel on which the archive publishes events of recordings, if it is set.
    pub recording_events_channel: Option<String>,
    /// The stream on which the archive publishes events of recordings.
    pub recording_events_stream_id: i32,
    /// How long an answer may take.
    pub message_timeout: Duration,
    /// How often sending a request is tried while the channel is back pressured.
    pub message_retry_attempts: u32,
    /// The term length of control channels that do not set one, in bytes.
    pub control_term_buffer_length: usize,
    /// The MTU of control channels that do not set one, in bytes.
    pub control_mtu_length: usize,
    /// Whether terms are sparse files, for control channels that do not set it.
    pub control_term_buffer_sparse: bool,
    /// The name shown in the archive's counters.
    pub client_name: String,
}

impl Archive {
    /// The settings in effect.
    pub fn settings(&self) -> Settings {
        let context = self.native_context();
        // SAFETY: C's context is live as long as the connection; each getter reads a field of it, and strings are copied.
        unsafe {
            Settings {
                control_request_channel: text_of(sys::aeron_archive_context_get_control_request_channel(context))
                    .unwrap_or_default(),
                control_request_stream_id: sys::aeron_archive_context_get_control_request_stream_id(context),
                control_response_channel: text_of(sys::aeron_archive_context_get_control_response_channel(context))
                    .unwrap_or_default(),
                control_response_stream_id: sys::aeron_archive_context_get_control_response_stream_id(context),
                recording_events_channel: text_of(sys::aeron_archive_context_get_recording_events_channel(context)),
                recording_events_stream_id: sys::aeron_archive_context_get_recording_events_stream_id(context),
                message_timeout: Duration::from_nanos(sys::aeron_archive_context_get_message_timeout_ns(context)),
                message_retry_attempts: sys::aeron_archive_context_get_message_retry_attempts(context),
                control_term_buffer_length: sys::aeron_archive_context_get_control_term_buffer_length(context),
                control_mtu_length: sys::aeron_archive_context_get_control_mtu_length(context),
                control_term_buffer_sparse: sys::aeron_archive_context_get_control_term_buffer_sparse(context),
                client_name: text_of(sys::aeron_archive_context_get_client_name(context)).unwrap_or_default(),
            }
        }
    }
}
