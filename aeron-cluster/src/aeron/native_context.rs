//! The C context: from its settings to a client that runs.

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use aeron_sys as sys;

use super::c_text::c_string;
use super::client::Aeron;
use super::cnc::{native_dir, one_at_a_time};
use super::conductor_handlers;
use super::conductor_idle_strategy::ConductorIdleStrategy;
use super::handle::{Callbacks, ClientInner, on_error};
use super::heartbeat::await_driver;
use super::native_error::{check, last_error};
use crate::error::{Error, ErrorKind, Result};

/// The longest client name the driver's counters can show (`AERON_COUNTER_MAX_CLIENT_NAME_LENGTH`).
const MAX_CLIENT_NAME_LENGTH: usize = 100;
/// C adds the driver timeout, in nanoseconds, to a clock that counts in 63 bits.
const MAX_DRIVER_TIMEOUT_MS: u64 = i64::MAX as u64 / 2 / 1_000_000;

/// An `aeron_context_t` until a client takes it.
pub(super) struct NativeContext(NonNull<sys::aeron_context_t>);

impl NativeContext {
    pub(super) fn new() -> Result<Self> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: aeron_context_init (aeronc.h) allocates a context into the out pointer.
        check(one_at_a_time(|| unsafe { sys::aeron_context_init(&mut raw) }), "cannot create an Aeron context")?;
        NonNull::new(raw).map(NativeContext).ok_or_else(|| last_error("cannot create an Aeron context"))
    }

    fn ptr(&self) -> *mut sys::aeron_context_t {
        self.0.as_ptr()
    }

    pub(super) fn set_dir(&self, dir: &Path) -> Result<()> {
        let text = native_dir(dir)?;
        // SAFETY: the context is live and C copies the string.
        check(unsafe { sys::aeron_context_set_dir(self.ptr(), text.as_ptr()) }, "cannot set the aeron directory")?;
        Ok(())
    }

    pub(super) fn set_client_name(&self, name: &str) -> Result<()> {
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

    pub(super) fn set_driver_timeout(&self, timeout: Duration) -> Result<()> {
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

    pub(super) fn set_nanos(
        &self,
        duration: Option<Duration>,
        name: &str,
        setter: unsafe extern "C" fn(*mut sys::aeron_context_t, u64) -> i32,
    ) -> Result<()> {
        let Some(duration) = duration else { return Ok(()) };
        let nanos = clock_nanos(duration).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("{name} must be from 1 ns to 146 years: {duration:?}"))
        })?;
        // SAFETY: the context is live.
        check(unsafe { setter(self.ptr(), nanos) }, format_args!("cannot set the {name}")).map(|_| ())
    }

    pub(super) fn set_pre_touch(&self, touch: bool) -> Result<()> {
        // SAFETY: the context is live.
        let result = unsafe { sys::aeron_context_set_pre_touch_mapped_memory(self.ptr(), touch) };
        check(result, "cannot set whether mapped memory is touched").map(|_| ())
    }

    pub(super) fn set_idle_strategy(&self, strategy: ConductorIdleStrategy) -> Result<()> {
        let args = strategy.args().map(|args| c_string(&args, "idle strategy")).transpose()?;
        let args = args.as_ref().map_or(std::ptr::null(), |args| args.as_ptr());
        // SAFETY: the context is live; C copies both, and looks the name up in a table that has it.
        let result = unsafe {
            check(sys::aeron_context_set_idle_strategy_init_args(self.ptr(), args), "cannot set the idle strategy")?;
            sys::aeron_context_set_idle_strategy(self.ptr(), strategy.name().as_ptr())
        };
        check(result, format_args!("cannot set the conductor's idle strategy to {strategy:?}")).map(|_| ())
    }

    pub(super) fn set_callbacks(&self, callbacks: &Arc<Callbacks>) -> Result<()> {
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

    pub(super) fn start(self, callbacks: Arc<Callbacks>, invoker: bool) -> Result<Aeron> {
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

/// The duration in nanoseconds, if it is one that C can add to its clock of 63 bits: from 1 ns to 146 years.
pub(crate) fn clock_nanos(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_nanos()).ok().filter(|nanos| (1..=i64::MAX as u64 / 2).contains(nanos))
}
