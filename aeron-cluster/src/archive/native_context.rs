//! The context of the C archive client.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use aeron_sys as sys;

use super::callbacks::{self, Callbacks, Handlers};
use super::{check, failure, guard};
use crate::Result;
use crate::aeron::{Aeron, c_string, native_channel, one_at_a_time};

/// An `aeron_archive_context_t`.
///
/// It must outlive what is connected with it: the C client works on a copy that shares its callbacks and idle strategy.
pub(super) struct NativeContext {
    raw: NonNull<sys::aeron_archive_context_t>,
    callbacks: NonNull<Callbacks>,
    pub(super) aeron: Aeron,
}

// SAFETY: a context is plain memory with no ties to a thread, and this owns it. The callbacks hold what is Send, and are reached on the
// thread that uses the connection alone.
unsafe impl Send for NativeContext {}

impl NativeContext {
    pub(super) fn new(aeron: Aeron, handlers: Handlers) -> Result<Self> {
        let doing = "cannot create an archive context";
        let mut raw = std::ptr::null_mut();
        // SAFETY: aeron_archive_context_init (aeron_archive.h) allocates a context into the out pointer.
        check(one_at_a_time(|| unsafe { sys::aeron_archive_context_init(&mut raw) }), doing)?;
        let raw = NonNull::new(raw).ok_or_else(|| failure(doing))?;
        // C has its address, so no Box keeps it: a Box that moves claims that nobody else reads what it holds.
        let callbacks = NonNull::from(Box::leak(Box::new(Callbacks::new(handlers))));
        let context = NativeContext { raw, callbacks, aeron };
        // SAFETY: both are live, and `aeron` stays so as long as the context. C must not close it: it would otherwise make a
        // client of its own, with the error handler that ends the process.
        let (set, owned) = unsafe {
            (
                sys::aeron_archive_context_set_aeron(context.ptr(), context.aeron.as_ptr()),
                sys::aeron_archive_context_set_owns_aeron_client(context.ptr(), false),
            )
        };
        check(set.min(owned), "cannot give the archive context its Aeron client")?;
        context.set_callbacks()?;
        Ok(context)
    }

    /// Sets only the callbacks that the user gave: without an error handler, for example, C returns errors to the caller.
    fn set_callbacks(&self) -> Result<()> {
        let (handlers, clientd) = (self.callbacks().handlers(), self.callbacks.as_ptr().cast::<c_void>());
        let mut results = Vec::new();
        // SAFETY: the context is live; the callbacks are freed after what was connected with it is closed. Each of the functions has the signature
        // that aeron_archive.h asks for.
        unsafe {
            if handlers.credentials.is_some() {
                results.push(sys::aeron_archive_context_set_credentials_supplier(
                    self.ptr(),
                    Some(callbacks::encoded_credentials),
                    Some(callbacks::on_challenge),
                    Some(callbacks::free_credentials),
                    clientd,
                ));
            }
            if handlers.signal.is_some() {
                let consumer = Some(callbacks::on_signal as unsafe extern "C" fn(_, _));
                results.push(sys::aeron_archive_context_set_recording_signal_consumer(self.ptr(), consumer, clientd));
            }
            if handlers.error.is_some() {
                let handler = Some(callbacks::on_error as unsafe extern "C" fn(_, _, _));
                results.push(sys::aeron_archive_context_set_error_handler(self.ptr(), handler, clientd));
            }
            if handlers.invoker.is_some() {
                let invoker = Some(callbacks::invoke as unsafe extern "C" fn(_));
                results.push(sys::aeron_archive_context_set_delegating_invoker(self.ptr(), invoker, clientd));
            }
            if handlers.idle.is_some() {
                let idle = Some(callbacks::idle as unsafe extern "C" fn(_, _));
                results.push(sys::aeron_archive_context_set_idle_strategy(self.ptr(), idle, clientd));
            }
        }
        check(results.into_iter().min().unwrap_or(0), "cannot give the archive context its handlers")
    }

    pub(super) fn ptr(&self) -> *mut sys::aeron_archive_context_t {
        self.raw.as_ptr()
    }

    pub(super) fn callbacks(&self) -> &Callbacks {
        // SAFETY: they live as long as this; nobody has them mutably.
        unsafe { self.callbacks.as_ref() }
    }

    pub(super) fn message_timeout(&self) -> Duration {
        // SAFETY: the context is live.
        Duration::from_nanos(unsafe { sys::aeron_archive_context_get_message_timeout_ns(self.ptr()) })
    }

    /// Checks the values from setters and environment variables, as far as C does not.
    pub(super) fn check(&self) -> Result<()> {
        guard::timeout_nanos(self.message_timeout())?;
        // SAFETY: the context is live, and its channels null or strings of its own.
        let (requests, responses) = unsafe {
            (
                text_of(sys::aeron_archive_context_get_control_request_channel(self.ptr())),
                text_of(sys::aeron_archive_context_get_control_response_channel(self.ptr())),
            )
        };
        match (requests, responses) {
            (Some(requests), Some(responses)) => guard::is_response_channel(&responses, &requests).map(drop),
            // C says which is missing.
            _ => Ok(()),
        }
    }

    pub(super) fn set<T>(
        &self,
        value: Option<T>,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_archive_context_t, T) -> i32,
    ) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        // SAFETY: the context is live, and the value is a number.
        check(unsafe { setter(self.ptr(), value) }, format_args!("cannot set the archive client's {name}"))
    }

    pub(super) fn set_channel(
        &self,
        channel: Option<&str>,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_archive_context_t, *const c_char) -> i32,
    ) -> Result<()> {
        channel.map_or(Ok(()), |channel| self.set_native(&native_channel(channel, name)?, name, setter))
    }

    pub(super) fn set_text(
        &self,
        text: Option<&str>,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_archive_context_t, *const c_char) -> i32,
    ) -> Result<()> {
        text.map_or(Ok(()), |text| self.set_native(&c_string(text, name)?, name, setter))
    }

    fn set_native(
        &self,
        text: &CString,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_archive_context_t, *const c_char) -> i32,
    ) -> Result<()> {
        // SAFETY: the context is live, and C copies the string.
        check(unsafe { setter(self.ptr(), text.as_ptr()) }, format_args!("cannot set the {name}"))
    }
}

impl Drop for NativeContext {
    fn drop(&mut self) {
        // SAFETY: what was connected with it is gone: it was declared, and so dropped, before. Then nobody calls back.
        unsafe {
            sys::aeron_archive_context_close(self.ptr());
            drop(Box::from_raw(self.callbacks.as_ptr()));
        }
    }
}

/// A string of C's, `None` for null.
///
/// # Safety
///
/// `text` must be null or a NUL-terminated string.
pub(super) unsafe fn text_of(text: *const c_char) -> Option<String> {
    // SAFETY: by this function's contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
