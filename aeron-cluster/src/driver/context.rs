//! The builder of a driver's settings.

use std::ffi::{CString, c_int, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Mutex;

use aeron_sys as sys;

use crate::aeron::{ConductorIdleStrategy, check, last_error, native_dir, one_at_a_time};
use crate::{Error, ErrorKind, Result};

/// The settings of a [`MediaDriver`](super::MediaDriver). Mirrors `io.aeron.driver.MediaDriver.Context` and `aeron_driver_context_t`.
///
/// Settings that are not set here come from the C driver's environment variables (`AERON_DIR`,
/// `AERON_THREADING_MODE`, `AERON_TERM_BUFFER_LENGTH` and so on), or else are the C driver's defaults. For settings without a method use the
/// variable, or [`as_ptr`](Self::as_ptr). A value that the driver refuses is an error of [`MediaDriver::launch`](super::MediaDriver::launch).
pub struct DriverContext {
    native: Result<NativeContext>,
}

/// Which receivers a multicast or multi-destination publication waits for. Mirrors `aeron_flow_control_strategy_supplier_by_name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MulticastFlowControl {
    /// None: as fast as the fastest.
    Max,
    /// All: as fast as the slowest.
    Min,
    /// All that have the [group tag](DriverContext::flow_control_group_tag).
    Tagged,
}

/// The longest token of a termination request, in bytes (`AERON_MAX_PATH`).
const MAX_TOKEN_LENGTH: usize = 4_096;

type TerminationHandler = Mutex<Box<dyn FnMut(&[u8]) + Send>>;

impl DriverContext {
    /// A context with the C driver's defaults.
    pub fn new() -> Self {
        DriverContext { native: NativeContext::new() }
    }

    /// The driver's directory, created if missing. Default: `AERON_DIR`, else the platform's default.
    #[must_use]
    pub fn dir(self, dir: impl AsRef<Path>) -> Self {
        match native_dir(dir.as_ref()) {
            // SAFETY: the context is live and C copies the string.
            Ok(text) => self.set("dir", |raw| unsafe { sys::aeron_driver_context_set_dir(raw, text.as_ptr()) }),
            Err(error) => self.refuse(error),
        }
    }

    /// Which receivers a multicast or multi-destination publication waits for, if its channel does not say. Default: none, so as fast as the fastest.
    #[must_use]
    pub fn multicast_flow_control(self, strategy: MulticastFlowControl) -> Self {
        let name = match strategy {
            MulticastFlowControl::Max => c"multicast_max",
            MulticastFlowControl::Min => c"multicast_min",
            MulticastFlowControl::Tagged => c"multicast_tagged",
        };
        // SAFETY: the name is a string, and what C finds for it a function of its own.
        self.set("multicast_flow_control", |raw| unsafe {
            let supplier = sys::aeron_flow_control_strategy_supplier_by_name(name.as_ptr());
            sys::aeron_driver_context_set_multicast_flowcontrol_supplier(raw, supplier)
        })
    }

    /// Called with the token when somebody asks the driver to terminate
    /// ([`request_driver_termination`](crate::aeron::request_driver_termination)). The driver does not terminate by itself: the handler can tell another
    /// thread to close it. (The handler cannot, since closing waits for its thread.) Default: nothing.
    ///
    /// Runs on the thread of the driver's conductor; a panic in it is caught and logged. Mirrors `terminationValidator` and
    /// `terminationHook`.
    #[must_use]
    pub fn on_termination_request(self, handler: impl FnMut(&[u8]) + Send + 'static) -> Self {
        let native = self.native.map(|mut native| {
            native.keep(Mutex::new(Box::new(handler)));
            native
        });
        let context = DriverContext { native };
        let handler = context.native.as_ref().ok().and_then(|native| native.on_termination_request);
        let state = handler.map_or(std::ptr::null_mut(), |handler| handler.as_ptr().cast());
        // SAFETY: the context is live, and keeps the handler where it is until the driver has ended.
        context.set("on_termination_request", |raw| unsafe {
            sys::aeron_driver_context_set_driver_termination_validator(raw, Some(on_termination_request), state)
        })
    }

    /// The C context, for settings that have no method here; null after a setting was refused. It lives as long as this value, and C
    /// keeps pointers to some of the strings that it is given.
    pub fn as_ptr(&self) -> *mut sys::aeron_driver_context_t {
        self.native.as_ref().map_or(std::ptr::null_mut(), NativeContext::ptr)
    }

    pub(super) fn into_native(self) -> Result<NativeContext> {
        self.native
    }

    pub(super) fn set(self, name: &str, call: impl FnOnce(*mut sys::aeron_driver_context_t) -> c_int) -> Self {
        let native = self.native.and_then(|native| {
            check(call(native.ptr()), format_args!("cannot set the driver's {name}"))?;
            Ok(native)
        });
        DriverContext { native }
    }

    /// Records a value that we refuse ourselves. The first refusal is the one that is reported.
    fn refuse(self, error: Error) -> Self {
        DriverContext { native: self.native.and(Err(error)) }
    }

    /// A range of ports, which C does not check.
    pub(super) fn set_ports(self, name: &str, ports: RangeInclusive<u16>, set: PortsSetter) -> Self {
        if ports.is_empty() || *ports.start() == 0 {
            let message = format!("cannot set the driver's {name}: {ports:?} is no range of ports from 1");
            return self.refuse(Error::new(ErrorKind::InvalidArgument, message));
        }
        // SAFETY: the context is live, and C copies the numbers.
        self.set(name, |raw| unsafe { set(raw, *ports.start(), *ports.end()) })
    }

    /// The idle strategy of a thread of the driver: its argument, then its name.
    pub(super) fn set_idle(self, name: &str, strategy: ConductorIdleStrategy, set: [IdleSetter; 2]) -> Self {
        // Made of a number: there is no NUL in it.
        let args = strategy.args().and_then(|args| CString::new(args).ok());
        let args = args.as_ref().map_or(std::ptr::null(), |args| args.as_ptr());
        // SAFETY: the context is live; C copies both, and looks the name up in a table that has it.
        self.set(name, |raw| unsafe { set[0](raw, args) })
            .set(name, |raw| unsafe { set[1](raw, strategy.name().as_ptr()) })
    }
}

type PortsSetter = unsafe extern "C" fn(*mut sys::aeron_driver_context_t, u16, u16) -> c_int;
pub(super) type IdleSetter = unsafe extern "C" fn(*mut sys::aeron_driver_context_t, *const std::ffi::c_char) -> c_int;

impl Default for DriverContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DriverContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.native.as_ref().err();
        f.debug_struct("DriverContext").field("refused", &refused).finish_non_exhaustive()
    }
}

/// # Safety
///
/// For C to call in the driver's conductor, with the handler of its context and a token in the driver's queue of commands.
unsafe extern "C" fn on_termination_request(state: *mut c_void, token: *mut u8, length: i32) -> bool {
    // SAFETY: by this function's contract.
    let handler = unsafe { &*state.cast::<TerminationHandler>() };
    let length = if token.is_null() { 0 } else { usize::try_from(length).unwrap_or(0) };
    // C passes on what another process wrote.
    if length > MAX_TOKEN_LENGTH {
        tracing::warn!(length, "a request to end with a longer token than clients send is ignored");
        return false;
    }
    // SAFETY: the token lies in the queue of commands, and the file goes on behind that for more than the longest token.
    let token = if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(token, length) } };
    let call = || (handler.lock().unwrap_or_else(std::sync::PoisonError::into_inner))(token);
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!("a handler panicked in the media driver's conductor; the driver goes on");
    }
    true
}

/// An `aeron_driver_context_t`, closed when dropped, and what it points to.
pub(super) struct NativeContext {
    raw: NonNull<sys::aeron_driver_context_t>,
    /// C has its address too, which a box would claim for itself wherever it is moved.
    on_termination_request: Option<NonNull<TerminationHandler>>,
}

// SAFETY: a context is plain memory with no ties to a thread, and this owns it.
unsafe impl Send for NativeContext {}

impl NativeContext {
    fn new() -> Result<Self> {
        let doing = "cannot create a media driver context";
        let mut raw = std::ptr::null_mut();
        // SAFETY: aeron_driver_context_init (aeronmd.h) allocates a context into the out pointer.
        check(one_at_a_time(|| unsafe { sys::aeron_driver_context_init(&mut raw) }), doing)?;
        let raw = NonNull::new(raw).ok_or_else(|| last_error(doing))?;
        Ok(NativeContext { raw, on_termination_request: None })
    }

    pub(super) fn ptr(&self) -> *mut sys::aeron_driver_context_t {
        self.raw.as_ptr()
    }

    /// Keeps a handler for C, in place of the one before.
    fn keep(&mut self, handler: TerminationHandler) {
        self.drop_handler();
        self.on_termination_request = Some(NonNull::from(Box::leak(Box::new(handler))));
    }

    fn drop_handler(&mut self) {
        if let Some(handler) = self.on_termination_request.take() {
            // SAFETY: `keep` made it of a box; no driver uses this context yet, or any more.
            drop(unsafe { Box::from_raw(handler.as_ptr()) });
        }
    }

    /// Closes it, which deletes the driver's directory if it is to be deleted.
    pub(super) fn close(self, doing: &str) -> Result<()> {
        let mut context = ManuallyDrop::new(self);
        // SAFETY: no driver uses it any more: `shut_down` closed it before; and it is not dropped.
        let closed = check(unsafe { sys::aeron_driver_context_close(context.ptr()) }, doing);
        context.drop_handler();
        closed.map(|_| ())
    }
}

impl Drop for NativeContext {
    fn drop(&mut self) {
        // SAFETY: no driver uses it: none was made. So the directory is not its own, and stays even if its own were to be deleted.
        unsafe {
            sys::aeron_driver_context_set_dir_delete_on_shutdown(self.ptr(), false);
            sys::aeron_driver_context_close(self.ptr());
        }
        self.drop_handler();
    }
}
