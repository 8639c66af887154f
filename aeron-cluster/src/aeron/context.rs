//! The builder of a client's settings.

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_sys as sys;

use super::client::Aeron;
use super::cnc::{native_dir, one_at_a_time};
use super::conductor_handlers::{self, Handlers, PublicationError, Registered};
use super::handle::{Callbacks, ClientInner, ErrorHandler, c_string, on_error};
use super::heartbeat::await_driver;
use super::native_error::{check, last_error};
use crate::error::{Error, ErrorKind, Result};

/// The longest client name the driver's counters can show (`AERON_COUNTER_MAX_CLIENT_NAME_LENGTH`).
const MAX_CLIENT_NAME_LENGTH: usize = 100;
/// C adds the driver timeout, in nanoseconds, to a clock that counts in 63 bits.
const MAX_DRIVER_TIMEOUT_MS: u64 = i64::MAX as u64 / 2 / 1_000_000;

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

/// What the conductor's thread does between duty cycles without work: the strategies built into C. C looks others up as symbols
/// of the program by name, which fails if Aeron is linked statically. Mirrors `aeron_context_set_idle_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConductorIdleStrategy {
    /// Sleeps for this long.
    Sleeping(Duration),
    /// Yields the processor to other threads (`sched_yield`).
    Yielding,
    /// Spins with a pause instruction. Reacts fastest, and keeps a core busy.
    Spinning,
    /// Spins without a pause instruction, and keeps a core busy.
    NoOp,
    /// Spins 10 times, yields 20 times, then sleeps: for 1 µs at first, then twice as long each time, up to 1 ms. Starts again after work.
    Backoff,
    /// As [`Backoff`](Self::Backoff), with the given limits.
    BackoffUpTo {
        /// The number of times it spins.
        max_spins: u32,
        /// The number of times it yields after that.
        max_yields: u32,
        /// The length of the first sleep.
        min_park: Duration,
        /// The maximum length of a sleep. Each sleep is twice as long as the one before, up to this.
        max_park: Duration,
    },
}

impl ConductorIdleStrategy {
    /// The argument of the strategy, in C's format.
    pub(crate) fn args(self) -> Option<String> {
        match self {
            ConductorIdleStrategy::Sleeping(period) => Some(format!("{}ns", period.as_nanos())),
            ConductorIdleStrategy::BackoffUpTo { max_spins, max_yields, min_park, max_park } => {
                // C reads sixteen digits here, which are 115 days, and no unit `ns`.
                let nanos = |park: Duration| park.as_nanos().min(9_999_999_999_999_999);
                Some(format!("{max_spins}-{max_yields}-{}-{}", nanos(min_park), nanos(max_park)))
            }
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static CStr {
        match self {
            ConductorIdleStrategy::Sleeping(_) => c"sleep-ns",
            ConductorIdleStrategy::Yielding => c"yield",
            ConductorIdleStrategy::Spinning => c"spin",
            ConductorIdleStrategy::NoOp => c"noop",
            ConductorIdleStrategy::Backoff | ConductorIdleStrategy::BackoffUpTo { .. } => c"backoff",
        }
    }
}

/// An `aeron_context_t` until a client takes it.
struct NativeContext(NonNull<sys::aeron_context_t>);

impl NativeContext {
    fn new() -> Result<Self> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: aeron_context_init (aeronc.h) allocates a context into the out pointer.
        check(one_at_a_time(|| unsafe { sys::aeron_context_init(&mut raw) }), "cannot create an Aeron context")?;
        NonNull::new(raw).map(NativeContext).ok_or_else(|| last_error("cannot create an Aeron context"))
    }

    fn ptr(&self) -> *mut sys::aeron_context_t {
        self.0.as_ptr()
    }

    fn set_dir(&self, dir: &Path) -> Result<()> {
        let text = native_dir(dir)?;
        // SAFETY: the context is live and C copies the string.
        check(unsafe { sys::aeron_context_set_dir(self.ptr(), text.as_ptr()) }, "cannot set the aeron directory")?;
        Ok(())
    }

    fn set_client_name(&self, name: &str) -> Result<()> {
        if name.len() > MAX_CLIENT_NAME_LENGTH {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("client name is longer than {MAX_CLIENT_NAME_LENGTH} bytes: {name:?}"),
            ));
        }
        let name = c_string(name, "client name")?;
        // SAFETY: the context is live and C copies the string.
        check(unsafe { sys::aeron_context_set_client_name(self.ptr(), name.as_ptr()) }, "cannot set the client name")?;
        Ok(())
    }

    fn set_driver_timeout(&self, timeout: Duration) -> Result<()> {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        if !(1..=MAX_DRIVER_TIMEOUT_MS).contains(&millis) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("driver timeout must be from 1 to {MAX_DRIVER_TIMEOUT_MS} ms: {timeout:?}"),
            ));
        }
        // SAFETY: the context is live.
        let result = unsafe { sys::aeron_context_set_driver_timeout_ms(self.ptr(), millis) };
        check(result, "cannot set the driver timeout")?;
        Ok(())
    }

    fn set_nanos(
        &self,
        duration: Option<Duration>,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_context_t, u64) -> i32,
    ) -> Result<()> {
        let Some(duration) = duration else { return Ok(()) };
        // C adds it to a clock that counts in 63 bits.
        let nanos = u64::try_from(duration.as_nanos()).ok().filter(|nanos| (1..=i64::MAX as u64 / 2).contains(nanos));
        let nanos = nanos.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("{name} must be from 1 ns to 146 years: {duration:?}"))
        })?;
        // SAFETY: the context is live.
        check(unsafe { setter(self.ptr(), nanos) }, format_args!("cannot set the {name}")).map(|_| ())
    }

    fn set_pre_touch(&self, touch: bool) -> Result<()> {
        // SAFETY: the context is live.
        let result = unsafe { sys::aeron_context_set_pre_touch_mapped_memory(self.ptr(), touch) };
        check(result, "cannot set whether mapped memory is touched").map(|_| ())
    }

    fn set_idle_strategy(&self, strategy: ConductorIdleStrategy) -> Result<()> {
        let args = strategy.args().map(|args| c_string(&args, "idle strategy")).transpose()?;
        let args = args.as_ref().map_or(std::ptr::null(), |args| args.as_ptr());
        // SAFETY: the context is live; C copies both, and looks the name up in a table that has it.
        let result = unsafe {
            check(sys::aeron_context_set_idle_strategy_init_args(self.ptr(), args), "cannot set the idle strategy")?;
            sys::aeron_context_set_idle_strategy(self.ptr(), strategy.name().as_ptr())
        };
        check(result, format_args!("cannot set the conductor's idle strategy to {strategy:?}")).map(|_| ())
    }

    fn set_callbacks(&self, callbacks: &Arc<Callbacks>) -> Result<()> {
        let clientd = Arc::as_ptr(callbacks).cast_mut().cast();
        // SAFETY: the context is live; the callbacks stay where they are and outlive the client (see handle.rs, `Remains::close`).
        let results = unsafe {
            [
                sys::aeron_context_set_error_handler(self.ptr(), Some(on_error), clientd),
                conductor_handlers::install(self.ptr(), clientd),
                sys::aeron_context_set_use_conductor_agent_invoker(self.ptr(), false),
            ]
        };
        for result in results {
            check(result, "cannot set the client's handlers")?;
        }
        Ok(())
    }

    fn start(self, callbacks: Arc<Callbacks>, invoker: bool) -> Result<Aeron> {
        // SAFETY: the context is live; the directory is a NUL-terminated string that belongs to it.
        let (native_dir, timeout) = unsafe {
            (
                CStr::from_ptr(sys::aeron_context_get_dir(self.ptr())),
                Duration::from_millis(sys::aeron_context_get_driver_timeout_ms(self.ptr())),
            )
        };
        let dir = native_dir.to_string_lossy().into_owned();
        let doing = format!("cannot connect to the media driver in {dir:?} (is it running?)");
        await_driver(native_dir, timeout).map_err(|error| error.context(&doing))?;
        // From here on the context is the client's. If there will be none, it leaks: closing it might unmap what another
        // thread has mapped by then (see heartbeat.rs).
        let context = ManuallyDrop::new(self).0;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the context is live and used by this client alone, as aeron_init asks.
        check(unsafe { sys::aeron_init(&mut raw, context.as_ptr()) }, &doing)?;
        let aeron = NonNull::new(raw).ok_or_else(|| last_error(&doing))?;
        let client = Arc::new(ClientInner::new(aeron, context, callbacks, dir.into(), timeout, invoker));
        let weak = Arc::downgrade(&client);
        // It is empty: this is the callbacks' only client.
        let _ = client.callbacks.handlers.client.set(weak);
        // Only now: the conductor took its own copy in aeron_init, and so keeps to its queue (see invoker.rs), while aeron_start and
        // aeron_main_do_work ask the context.
        // SAFETY: the context is live and nobody else uses it before the client is started.
        let told = unsafe { sys::aeron_context_set_use_conductor_agent_invoker(context.as_ptr(), invoker) };
        check(told, "cannot set the client's invoker")?;
        // SAFETY: the client is initialised and not started; if starting fails, dropping `client` closes it.
        check(unsafe { sys::aeron_start(aeron.as_ptr()) }, "cannot start the Aeron client")?;
        Ok(Aeron::from_inner(client))
    }
}

impl Drop for NativeContext {
    fn drop(&mut self) {
        // SAFETY: no client took the context: `start` forgets it before aeron_init.
        unsafe { sys::aeron_context_close(self.ptr()) };
    }
}
