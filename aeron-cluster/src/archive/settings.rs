//! What a connection has concluded from its context.

use std::time::Duration;

use aeron_sys as sys;

use super::client::Archive;
use super::native_context::text_of;

/// The settings of a connection as they are in force: those of its [`Context`](super::Context), what the environment variables and
/// defaults of the C client add, and what connecting put into the channels.
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
    /// The channel on which the archive announces recordings to everybody, if it is set.
    pub recording_events_channel: Option<String>,
    /// The stream on which the archive announces recordings to everybody.
    pub recording_events_stream_id: i32,
    /// How long an answer may take.
    pub message_timeout: Duration,
    /// How often sending a request is tried while the channel takes none.
    pub message_retry_attempts: u32,
    /// The term length of the control channels, in bytes, where they do not say themselves.
    pub control_term_buffer_length: usize,
    /// The MTU of the control channels, in bytes, where they do not say themselves.
    pub control_mtu_length: usize,
    /// Whether terms of the control channels are sparse files, where they do not say themselves.
    pub control_term_buffer_sparse: bool,
    /// The name that the archive's counters show.
    pub client_name: String,
}

impl Archive {
    /// The settings in force.
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
