//! The settings of an archive client.

use std::ptr::NonNull;
use std::time::Duration;

use aeron_sys as sys;

use super::{check, failure};
use crate::aeron::{Aeron, c_string};
use crate::{Error, ErrorKind, Result};

/// The settings of an [`Archive`](super::Archive), which can be used for many connections. Mirrors
/// `AeronArchive.Context` and `aeron_archive_context_t`.
///
/// What is not set here takes the C client's default, which reads the C client's environment variables
/// (`AERON_ARCHIVE_CONTROL_CHANNEL`, `AERON_ARCHIVE_MESSAGE_TIMEOUT` and so on). Both control channels must be set by
/// one way or the other.
#[derive(Debug, Clone)]
pub struct Context {
    aeron: Aeron,
    control_request_channel: Option<String>,
    control_request_stream_id: Option<i32>,
    control_response_channel: Option<String>,
    control_response_stream_id: Option<i32>,
    message_timeout: Option<Duration>,
    client_name: Option<String>,
}

impl Context {
    /// Settings with the C client's defaults, for connections through `aeron`.
    pub fn new(aeron: &Aeron) -> Self {
        Context {
            aeron: aeron.clone(),
            control_request_channel: None,
            control_request_stream_id: None,
            control_response_channel: None,
            control_response_stream_id: None,
            message_timeout: None,
            client_name: None,
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

    /// How long connecting may take, and how long each answer. Default: 5 s.
    #[must_use]
    pub fn message_timeout(mut self, timeout: Duration) -> Self {
        self.message_timeout = Some(timeout);
        self
    }

    /// A name that the archive's counters show, at most 100 bytes. Default: empty.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// The client that connections go through.
    pub fn aeron(&self) -> &Aeron {
        &self.aeron
    }

    pub(super) fn to_native(&self) -> Result<NativeContext> {
        let native = NativeContext::new(self.aeron.clone())?;
        if let Some(channel) = &self.control_request_channel {
            native.set_text(
                channel,
                "control request channel",
                sys::aeron_archive_context_set_control_request_channel,
            )?;
        }
        if let Some(channel) = &self.control_response_channel {
            native.set_text(
                channel,
                "control response channel",
                sys::aeron_archive_context_set_control_response_channel,
            )?;
        }
        if let Some(name) = &self.client_name {
            native.set_text(name, "archive client name", sys::aeron_archive_context_set_client_name)?;
        }
        let (requests, responses) = (self.control_request_stream_id, self.control_response_stream_id);
        native.set(requests, "request stream", sys::aeron_archive_context_set_control_request_stream_id)?;
        native.set(responses, "response stream", sys::aeron_archive_context_set_control_response_stream_id)?;
        let timeout = self.message_timeout.map(nanos).transpose()?;
        native.set(timeout, "message timeout", sys::aeron_archive_context_set_message_timeout_ns)?;
        Ok(native)
    }
}

/// C adds it to a clock that counts in 63 bits.
fn nanos(timeout: Duration) -> Result<u64> {
    let nanos = u64::try_from(timeout.as_nanos()).ok().filter(|nanos| (1..=i64::MAX as u64 / 2).contains(nanos));
    nanos.ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("archive message timeout is out of range: {timeout:?}"))
    })
}

/// An `aeron_archive_context_t`.
///
/// It must outlive what is connected with it: the C client works on a copy that shares its idle strategy.
pub(super) struct NativeContext {
    raw: NonNull<sys::aeron_archive_context_t>,
    pub(super) aeron: Aeron,
}

// SAFETY: a context is plain memory with no ties to a thread, and this owns it.
unsafe impl Send for NativeContext {}

impl NativeContext {
    fn new(aeron: Aeron) -> Result<Self> {
        let doing = "cannot create an archive context";
        let mut raw = std::ptr::null_mut();
        // SAFETY: aeron_archive_context_init (aeron_archive.h) allocates a context into the out pointer.
        check(unsafe { sys::aeron_archive_context_init(&mut raw) }, doing)?;
        let raw = NonNull::new(raw).ok_or_else(|| failure(doing))?;
        let context = NativeContext { raw, aeron };
        // SAFETY: both are live, and `aeron` stays so as long as the context. C must not close it: it would otherwise make a
        // client of its own, with the error handler that ends the process. No error handler is set here on purpose: with
        // one, errors of requests would go to it instead of to the caller.
        let (set, owned) = unsafe {
            (
                sys::aeron_archive_context_set_aeron(context.ptr(), context.aeron.as_ptr()),
                sys::aeron_archive_context_set_owns_aeron_client(context.ptr(), false),
            )
        };
        check(set.min(owned), "cannot give the archive context its Aeron client")?;
        Ok(context)
    }

    pub(super) fn ptr(&self) -> *mut sys::aeron_archive_context_t {
        self.raw.as_ptr()
    }

    pub(super) fn message_timeout(&self) -> Duration {
        // SAFETY: the context is live.
        Duration::from_nanos(unsafe { sys::aeron_archive_context_get_message_timeout_ns(self.ptr()) })
    }

    fn set<T>(
        &self,
        value: Option<T>,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_archive_context_t, T) -> i32,
    ) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        // SAFETY: the context is live, and the value is a number.
        check(unsafe { setter(self.ptr(), value) }, format_args!("cannot set the archive client's {name}"))
    }

    fn set_text(
        &self,
        text: &str,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_archive_context_t, *const std::ffi::c_char) -> i32,
    ) -> Result<()> {
        let text = c_string(text, name)?;
        // SAFETY: the context is live, and C copies the string.
        check(unsafe { setter(self.ptr(), text.as_ptr()) }, format_args!("cannot set the {name}"))
    }
}

impl Drop for NativeContext {
    fn drop(&mut self) {
        // SAFETY: what was connected with it is gone: it was declared, and so dropped, before.
        unsafe { sys::aeron_archive_context_close(self.ptr()) };
    }
}
