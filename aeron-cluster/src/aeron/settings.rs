//! The settings in effect for a client.

use std::ffi::{CStr, c_char};
use std::time::Duration;

use aeron_sys as sys;

use super::client::Aeron;

/// The settings in effect for a client: those of its [`Context`](super::Context), completed by the environment variables and
/// defaults of the C client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name shown in the driver's counters; empty if there is none.
    pub client_name: String,
    /// How often the client sends the driver a heartbeat.
    pub keepalive_interval: Duration,
    /// How long resources that the driver has removed stay mapped.
    pub resource_linger_duration: Duration,
    /// How often the conductor checks its time-outs.
    pub idle_sleep_duration: Duration,
    /// Whether log buffers are touched when they are mapped.
    pub pre_touch_mapped_memory: bool,
    /// The idle strategy of the conductor's thread, by C's name (`sleep-ns`, `yield` and so on).
    pub conductor_idle_strategy: String,
    /// The argument of that strategy, such as `16ms`, if any.
    pub conductor_idle_strategy_args: Option<String>,
}

impl Aeron {
    /// The settings in effect, besides [`dir`](Self::dir) and [`driver_timeout`](Self::driver_timeout).
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
