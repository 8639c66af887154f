//! The builder of an archive client's settings.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_sys as sys;

use super::callbacks::{Handlers, SharedSupplier};
use super::guard::{invalid, timeout_nanos};
use super::native_context::NativeContext;
use super::signal::RecordingSignal;
use crate::aeron::{Aeron, IdleStrategy};
use crate::security::CredentialsSupplier;
use crate::{Error, Result};

/// The settings of an [`Archive`](super::Archive). Can be used for many connections. Mirrors
/// `AeronArchive.Context` and `aeron_archive_context_t`.
///
/// Settings that are not set here come from the C client's environment variables
/// (`AERON_ARCHIVE_CONTROL_CHANNEL`, `AERON_ARCHIVE_MESSAGE_TIMEOUT` and so on), or else are the C client's defaults. Both control channels must
/// be set in one way or the other.
#[derive(Debug, Clone)]
pub struct Context {
    aeron: Aeron,
    control_request_channel: Option<String>,
    control_request_stream_id: Option<i32>,
    control_response_channel: Option<String>,
    control_response_stream_id: Option<i32>,
    recording_events_channel: Option<String>,
    recording_events_stream_id: Option<i32>,
    message_timeout: Option<Duration>,
    message_retry_attempts: Option<u32>,
    control_term_buffer_length: Option<usize>,
    control_mtu_length: Option<usize>,
    control_term_buffer_sparse: Option<bool>,
    client_name: Option<String>,
    handlers: Handlers,
}

impl Context {
    /// A context with the C client's defaults, for connections through `aeron`.
    pub fn new(aeron: &Aeron) -> Self {
        Context {
            aeron: aeron.clone(),
            control_request_channel: None,
            control_request_stream_id: None,
            control_response_channel: None,
            control_response_stream_id: None,
            recording_events_channel: None,
            recording_events_stream_id: None,
            message_timeout: None,
            message_retry_attempts: None,
            control_term_buffer_length: None,
            control_mtu_length: None,
            control_term_buffer_sparse: None,
            client_name: None,
            handlers: Handlers::default(),
        }
    }

    /// The channel on which the archive takes requests.
    #[must_use]
    pub fn control_request_channel(mut self, channel: impl Into<String>) -> Self {
        self.control_request_channel = Some(channel.into());
        self
    }

    /// The stream on which the archive takes requests. Default: 10.
    #[must_use]
    pub fn control_request_stream_id(mut self, stream_id: i32) -> Self {
        self.control_request_stream_id = Some(stream_id);
        self
    }

    /// The channel on which the archive answers; a UDP endpoint's port may be 0.
    #[must_use]
    pub fn control_response_channel(mut self, channel: impl Into<String>) -> Self {
        self.control_response_channel = Some(channel.into());
        self
    }

    /// The stream on which the archive answers. Default: 20.
    #[must_use]
    pub fn control_response_stream_id(mut self, stream_id: i32) -> Self {
        self.control_response_stream_id = Some(stream_id);
        self
    }

    /// How long connecting, and each answer, may take. Default: 5 s.
    #[must_use]
    pub fn message_timeout(mut self, timeout: Duration) -> Self {
        self.message_timeout = Some(timeout);
        self
    }

    /// The channel on which the archive publishes events of recordings. The client does not subscribe to it; it only
    /// keeps the setting for the program ([`Settings`](super::Settings)).
    #[must_use]
    pub fn recording_events_channel(mut self, channel: impl Into<String>) -> Self {
        self.recording_events_channel = Some(channel.into());
        self
    }

    /// The stream on which the archive publishes events of recordings. Default: 30. Otherwise as
    /// [`recording_events_channel`](Self::recording_events_channel).
    #[must_use]
    pub fn recording_events_stream_id(mut self, stream_id: i32) -> Self {
        self.recording_events_stream_id = Some(stream_id);
        self
    }

    /// How often sending a request is tried while the archive's channel is back pressured; at least once. Default: 3.
    #[must_use]
    pub fn message_retry_attempts(mut self, attempts: u32) -> Self {
        self.message_retry_attempts = Some(attempts);
        self
    }

    /// The term length of control channels that do not set one, in bytes. Default: 64 KiB.
    #[must_use]
    pub fn control_term_buffer_length(mut self, length: usize) -> Self {
        self.control_term_buffer_length = Some(length);
        self
    }

    /// The MTU of control channels that do not set one, in bytes. Default: 1408.
    #[must_use]
    pub fn control_mtu_length(mut self, length: usize) -> Self {
        self.control_mtu_length = Some(length);
        self
    }

    /// Whether terms are sparse files, for control channels that do not set it. Default: true.
    #[must_use]
    pub fn control_term_buffer_sparse(mut self, is_sparse: bool) -> Self {
        self.control_term_buffer_sparse = Some(is_sparse);
        self
    }

    /// A name of at most 100 bytes, shown in the archive's counters. Default: empty.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Supplies the credentials. Called on the thread that connects. Default: none.
    #[must_use]
    pub fn credentials_supplier(self, supplier: impl CredentialsSupplier + Send + 'static) -> Self {
        self.shared_credentials_supplier(Arc::new(Mutex::new(supplier)))
    }

    pub(crate) fn shared_credentials_supplier(mut self, supplier: SharedSupplier) -> Self {
        self.handlers.credentials = Some(supplier);
        self
    }

    /// Called with recording signals: during requests, polled requests and [`poll_for_recording_signals`](super::Archive::poll_for_recording_signals),
    /// on the thread that makes them. It cannot call the archive, which is borrowed at that time. Default: signals are dropped.
    #[must_use]
    pub fn on_recording_signal(mut self, consumer: impl Fn(&RecordingSignal) + Send + Sync + 'static) -> Self {
        self.handlers.signal = Some(Arc::new(consumer));
        self
    }

    /// Called with errors from the archive that do not answer a pending request, in the same way as
    /// [`on_recording_signal`](Self::on_recording_signal). Default: [`check_for_error_response`](super::Archive::check_for_error_response) returns
    /// them.
    #[must_use]
    pub fn on_error(mut self, handler: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.handlers.error = Some(Arc::new(handler));
        self
    }

    /// The idle strategy of requests that wait for their answer; each connection gets a clone. Default: C's back-off.
    #[must_use]
    pub fn idle_strategy(mut self, strategy: impl IdleStrategy + Clone + Send + Sync + 'static) -> Self {
        self.handlers.idle = Some(Arc::new(move || Box::new(strategy.clone())));
        self
    }

    /// Called repeatedly while a request waits for its answer, for other work that must go on on this thread, such as an embedded media driver
    /// without threads.
    #[must_use]
    pub fn delegating_invoker(mut self, invoker: impl Fn() + Send + Sync + 'static) -> Self {
        self.handlers.invoker = Some(Arc::new(invoker));
        self
    }

    /// The Aeron client that connections use.
    pub fn aeron(&self) -> &Aeron {
        &self.aeron
    }

    pub(super) fn to_native(&self) -> Result<NativeContext> {
        let native = NativeContext::new(self.aeron.clone(), self.handlers.clone())?;
        self.set_channels(&native)?;
        native.set_text(
            self.client_name.as_deref(),
            "archive client name",
            sys::aeron_archive_context_set_client_name,
        )?;
        let timeout = self.message_timeout.map(timeout_nanos).transpose()?;
        native.set(timeout, "message timeout", sys::aeron_archive_context_set_message_timeout_ns)?;
        let attempts = self.message_retry_attempts.map(attempts).transpose()?;
        native.set(attempts, "retry attempts", sys::aeron_archive_context_set_message_retry_attempts)?;
        let term =
            self.control_term_buffer_length.map(|length| in_31_bits("term buffer length", length)).transpose()?;
        native.set(term, "term buffer length", sys::aeron_archive_context_set_control_term_buffer_length)?;
        let mtu = self.control_mtu_length.map(|length| in_31_bits("MTU", length)).transpose()?;
        native.set(mtu, "MTU", sys::aeron_archive_context_set_control_mtu_length)?;
        let sparse = self.control_term_buffer_sparse;
        native.set(sparse, "sparse terms", sys::aeron_archive_context_set_control_term_buffer_sparse)?;
        native.check()?;
        Ok(native)
    }

    fn set_channels(&self, native: &NativeContext) -> Result<()> {
        native.set_channel(
            self.control_request_channel.as_deref(),
            "control request channel",
            sys::aeron_archive_context_set_control_request_channel,
        )?;
        native.set_channel(
            self.control_response_channel.as_deref(),
            "control response channel",
            sys::aeron_archive_context_set_control_response_channel,
        )?;
        native.set_channel(
            self.recording_events_channel.as_deref(),
            "recording events channel",
            sys::aeron_archive_context_set_recording_events_channel,
        )?;
        let (requests, responses) = (self.control_request_stream_id, self.control_response_stream_id);
        native.set(requests, "request stream", sys::aeron_archive_context_set_control_request_stream_id)?;
        native.set(responses, "response stream", sys::aeron_archive_context_set_control_response_stream_id)?;
        let events = self.recording_events_stream_id;
        native.set(events, "events stream", sys::aeron_archive_context_set_recording_events_stream_id)
    }
}

/// C counts them down in 32 bits with a sign.
fn attempts(attempts: u32) -> Result<u32> {
    let in_range = (1..=i32::MAX as u32).contains(&attempts);
    if in_range {
        Ok(attempts)
    } else {
        Err(invalid(format!("archive message retry attempts are out of range: {attempts}")))
    }
}

/// C writes lengths into channels with 31 bits; what else is wrong with one the driver says.
fn in_31_bits(what: &str, length: usize) -> Result<usize> {
    let in_range = (1..=i32::MAX as usize).contains(&length);
    if in_range { Ok(length) } else { Err(invalid(format!("archive control {what} is out of range: {length}"))) }
}
