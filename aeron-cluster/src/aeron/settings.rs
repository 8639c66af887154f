//! What a client has concluded from its context.

use std::ffi::{CStr, c_char};
use std::time::Duration;

use aeron_sys as sys;

use super::client::Aeron;

/// The settings of a client as they are in force: those of its [`Context`](super::Context), and what the environment variables and
/// defaults of the C client add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name that the driver's counters show; empty if it has none.
    pub client_name: String,
    /// How often the client shows the driver that it lives.
    pub keepalive_interval: Duration,
    /// How long what the driver gave up stays mapped.
    pub resource_linger_duration: Duration,
    /// How often the conductor looks at its time-outs.
    pub idle_sleep_duration: Duration,
    /// Whether log buffers are touched when they are mapped.
    pub pre_touch_mapped_memory: bool,
    /// How the conductor's thread passes the time without work, by C's name (`sleep-ns`, `yield` and so on).
    pub conductor_idle_strategy: String,
    /// What C made that strategy of, such as `16ms`, if anything.
    pub conductor_idle_strategy_args: Option<String>,
}

impl Aeron {
    /// The settings in force, beside [`dir`](Self::dir) and [`driver_timeout`](Self::driver_timeout).
    pub fn settings(&self) -> Settings {
        let context = self.native_context();
        // SAFETY: C's context is live as long as the client; each getter reads a field of it, and strings are copied.
        unsafe {
            Settings {
                client_name: text_of(sys::aeron_context_get_client_name(context)).unwrap_or_default(),
                keepalive_interval: Duration::from_nanos(sys::aeron_context_get_keepalive_interval_ns(context)),
                resource_linger_duration: Duration::from_nanos(sys::aeron_context_get_resource_linger_duration_ns(
                    context,
                )),
                idle_sleep_duration: Duration::from_nanos(sys::aeron_context_get_idle_sleep_duration_ns(context)),
                pre_touch_mapped_memory: sys::aeron_context_get_pre_touch_mapped_memory(context),
                conductor_idle_strategy: text_of(sys::aeron_context_get_idle_strategy(context)).unwrap_or_default(),
                conductor_idle_strategy_args: text_of(sys::aeron_context_get_idle_strategy_init_args(context)),
            }
        }
    }
}

/// # Safety
///
/// `text` must be null or a string.
unsafe fn text_of(text: *const c_char) -> Option<String> {
    // SAFETY: by this function's contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
