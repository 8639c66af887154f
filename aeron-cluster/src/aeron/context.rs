//! The builder of a client's settings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_sys as sys;

use super::client::Aeron;
use super::conductor_handlers::{Handlers, PublicationError, Registered};
use super::conductor_idle_strategy::ConductorIdleStrategy;
use super::handle::{Callbacks, ErrorHandler};
use super::native_context::NativeContext;
use crate::error::{Error, Result};

/// The settings of an [`Aeron`] client. Mirrors `io.aeron.Aeron.Context` and `aeron_context_t`.
///
/// Settings that are not set here come from the C client's environment variables (`AERON_DIR`,
/// `AERON_DRIVER_TIMEOUT` in milliseconds, `AERON_CLIENT_NAME` and so on), or else are the C client's defaults.
#[derive(Default)]
pub struct Context {
    dir: Option<PathBuf>,
    client_name: Option<String>,
    driver_timeout: Option<Duration>,
    keepalive_interval: Option<Duration>,
    resource_linger_duration: Option<Duration>,
    idle_sleep_duration: Option<Duration>,
    pre_touch_mapped_memory: Option<bool>,
    conductor_idle_strategy: Option<ConductorIdleStrategy>,
    error_handler: Option<ErrorHandler>,
    handlers: Handlers,
    invoker: bool,
}

impl Context {
    /// A context with the C client's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The media driver's directory. Default: `AERON_DIR`, else the platform's default (`/dev/shm/aeron-<user>` on
    /// Linux).
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// A name of at most 100 bytes, shown in the driver's counters. Default: empty.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// How long the driver may show no heartbeat before the client takes it for dead, and the longest that connecting and adding
    /// block. Whole milliseconds. Default: 10 s.
    #[must_use]
    pub fn driver_timeout(mut self, timeout: Duration) -> Self {
        self.driver_timeout = Some(timeout);
        self
    }

    /// How often the client sends the driver a heartbeat, and checks that of the driver. Default: 500 ms.
    #[must_use]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive_interval = Some(interval);
        self
    }

    /// How long resources that the driver has removed stay mapped. C 1.54.0 ignores it: it keeps them until nobody uses them. Default: 3 s.
    #[must_use]
    pub fn resource_linger_duration(mut self, duration: Duration) -> Self {
        self.resource_linger_duration = Some(duration);
        self
    }

    /// How often the conductor checks its time-outs. Default: 16 ms.
    #[must_use]
    pub fn idle_sleep_duration(mut self, duration: Duration) -> Self {
        self.idle_sleep_duration = Some(duration);
        self
    }

    /// Whether log buffers are touched when they are mapped, so that no message has to wait for a page fault. Default: false.
    #[must_use]
    pub fn pre_touch_mapped_memory(mut self, touch: bool) -> Self {
        self.pre_touch_mapped_memory = Some(touch);
        self
    }

    /// How the conductor's thread idles. Default: it sleeps for 16 ms.
    #[must_use]
    pub fn conductor_idle_strategy(mut self, strategy: ConductorIdleStrategy) -> Self {
        self.conductor_idle_strategy = Some(strategy);
        self
    }

    /// Called with errors of the client's conductor, such as the driver's death.
    ///
    /// It runs on the conductor's thread; a panic in it is caught and logged. C's default handler, which exits the process, is never
    /// installed. The closure must not own an [`Aeron`] or one of its handles: the client would then keep itself alive.
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&Error) + Send + 'static) -> Self {
        self.error_handler = Some(Box::new(handler));
        self
    }

    /// Called when the driver has added a publication or subscription of this client, as [`on_error`](Self::on_error) is;
    /// must be quick and must not wait for the client. Mirrors `newPublicationHandler` and its siblings.
    #[must_use]
    pub fn on_registered(mut self, handler: impl FnMut(&Registered<'_>) + Send + 'static) -> Self {
        self.handlers.registered = Some(Mutex::new(Box::new(handler)));
        self
    }

    /// Called when a receiver rejects the image of a publication of this client, as [`on_error`](Self::on_error) is; must
    /// be quick and must not wait for the client. Mirrors `publicationErrorFrameHandler`.
    #[must_use]
    pub fn on_publication_error(mut self, handler: impl FnMut(&PublicationError) + Send + 'static) -> Self {
        self.handlers.publication_error = Some(Mutex::new(Box::new(handler)));
        self
    }

    /// Whether the client's conductor has no thread, and the program runs it with [`Aeron::do_work`]. Default: false.
    ///
    /// Messages from the driver are processed, and handlers called, only in there. So call it often: after the driver's client liveness
    /// timeout (10 s) without a call the client ends, and the driver takes it for dead. Methods that block run the
    /// conductor themselves. Mirrors `Aeron.Context.useConductorAgentInvoker`.
    #[must_use]
    pub fn use_conductor_agent_invoker(mut self, invoker: bool) -> Self {
        self.invoker = invoker;
        self
    }

    /// Connects to the driver. See [`Aeron::connect`].
    pub(super) fn connect(self) -> Result<Aeron> {
        let context = NativeContext::new()?;
        if let Some(dir) = &self.dir {
            context.set_dir(dir)?;
        }
        if let Some(name) = &self.client_name {
            context.set_client_name(name)?;
        }
        if let Some(timeout) = self.driver_timeout {
            context.set_driver_timeout(timeout)?;
        }
        context.set_nanos(
            self.keepalive_interval,
            "keepalive interval",
            sys::aeron_context_set_keepalive_interval_ns,
        )?;
        let linger = self.resource_linger_duration;
        context.set_nanos(linger, "resource linger duration", sys::aeron_context_set_resource_linger_duration_ns)?;
        let sleep = self.idle_sleep_duration;
        context.set_nanos(sleep, "idle sleep duration", sys::aeron_context_set_idle_sleep_duration_ns)?;
        if let Some(touch) = self.pre_touch_mapped_memory {
            context.set_pre_touch(touch)?;
        }
        if let Some(strategy) = self.conductor_idle_strategy {
            context.set_idle_strategy(strategy)?;
        }
        let callbacks = Arc::new(Callbacks::new(self.error_handler, self.handlers));
        context.set_callbacks(&callbacks)?;
        context.start(callbacks, self.invoker)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("dir", &self.dir)
            .field("client_name", &self.client_name)
            .field("driver_timeout", &self.driver_timeout)
            .field("keepalive_interval", &self.keepalive_interval)
            .field("resource_linger_duration", &self.resource_linger_duration)
            .field("idle_sleep_duration", &self.idle_sleep_duration)
            .field("pre_touch_mapped_memory", &self.pre_touch_mapped_memory)
            .field("conductor_idle_strategy", &self.conductor_idle_strategy)
            .field("error_handler", &self.error_handler.is_some())
            .field("invoker", &self.invoker)
            .finish()
    }
}
