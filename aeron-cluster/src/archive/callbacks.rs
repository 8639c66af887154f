//! What C calls of ours while it waits for the archive.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use aeron_sys as sys;

use super::error_code::native_code;
use super::guard;
use super::signal::RecordingSignal;
use crate::aeron::{IdleStrategy, kind_of};
use crate::security::CredentialsSupplier;
use crate::{Error, ErrorKind, Result};

pub(super) type SignalConsumer = dyn Fn(&RecordingSignal) + Send + Sync;
pub(super) type ErrorHandler = dyn Fn(&Error) + Send + Sync;
pub(super) type Invoker = dyn Fn() + Send + Sync;
pub(super) type MakeIdleStrategy = dyn Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync;

/// A credentials supplier of all connections that are made with the same settings.
pub(crate) type SharedSupplier = Arc<Mutex<dyn CredentialsSupplier + Send>>;

/// What the user gave, shared by all connections of a context.
#[derive(Clone, Default)]
pub(super) struct Handlers {
    pub(super) credentials: Option<SharedSupplier>,
    pub(super) signal: Option<Arc<SignalConsumer>>,
    pub(super) error: Option<Arc<ErrorHandler>>,
    pub(super) invoker: Option<Arc<Invoker>>,
    pub(super) idle: Option<Arc<MakeIdleStrategy>>,
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers")
            .field("credentials", &self.credentials.is_some())
            .field("signal", &self.signal.is_some())
            .field("error", &self.error.is_some())
            .field("invoker", &self.invoker.is_some())
            .field("idle", &self.idle.is_some())
            .finish()
    }
}

/// The handlers of one connection, and what went wrong in them. C has its address; it is reached on the thread that calls C, within
/// the call.
pub(super) struct Callbacks {
    handlers: Handlers,
    idle: RefCell<Option<Box<dyn IdleStrategy + Send>>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
    has_panicked: Cell<bool>,
    error: RefCell<Option<Error>>,
}

impl Callbacks {
    pub(super) fn new(handlers: Handlers) -> Self {
        let idle = RefCell::new(handlers.idle.as_ref().map(|make| make()));
        let (panic, has_panicked, error) = (Cell::new(None), Cell::new(false), RefCell::new(None));
        Callbacks { handlers, idle, panic, has_panicked, error }
    }

    pub(super) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    /// Calls a handler, unless one panicked: C is on its way back then, and the payload is resumed after it.
    fn guarded<R>(&self, otherwise: R, call: impl FnOnce() -> R) -> R {
        if self.has_panicked.get() {
            return otherwise;
        }
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
            self.has_panicked.set(true);
            self.panic.set(Some(payload));
            otherwise
        })
    }

    /// To be called after C returned: resumes a panic of a handler, and gives the error of one.
    pub(super) fn finish(&self) -> Result<()> {
        self.has_panicked.set(false);
        if let Some(payload) = self.panic.take() {
            resume_unwind(payload);
        }
        self.error.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Gives a signal to the consumer, outside of C.
    pub(super) fn signal(&self, signal: &RecordingSignal) {
        if let Some(consumer) = &self.handlers.signal {
            consumer(signal);
        }
    }

    fn credentials(
        &self,
        give: impl FnOnce(&mut dyn CredentialsSupplier) -> Vec<u8>,
    ) -> *mut sys::aeron_archive_encoded_credentials_t {
        let Some(supplier) = &self.handlers.credentials else { return std::ptr::null_mut() };
        let given = self.guarded(Vec::new(), || {
            // A supplier that panicked before is asked again.
            give(&mut *supplier.lock().unwrap_or_else(PoisonError::into_inner))
        });
        if let Err(error) = guard::credentials(&given) {
            *self.error.borrow_mut() = Some(error);
            return std::ptr::null_mut();
        }
        Credentials::into_native(given)
    }
}

/// Credentials as C sees them, with the bytes behind them.
#[repr(C)]
struct Credentials {
    // First, so that the address of one is that of the other.
    native: sys::aeron_archive_encoded_credentials_t,
    bytes: Vec<u8>,
}

impl Credentials {
    fn into_native(bytes: Vec<u8>) -> *mut sys::aeron_archive_encoded_credentials_t {
        let native = sys::aeron_archive_encoded_credentials_t {
            data: bytes.as_ptr().cast(),
            length: bytes.len() as u32, // at most MAX_CREDENTIALS_LENGTH
        };
        Box::into_raw(Box::new(Credentials { native, bytes })).cast()
    }
}

/// For C to call: `aeron_archive_credentials_encoded_credentials_supplier_func_t`.
///
/// # Safety
///
/// Here and below: `clientd` must be the live `Callbacks` of the connection that this thread calls C for.
pub(super) unsafe extern "C" fn encoded_credentials(
    clientd: *mut c_void,
) -> *mut sys::aeron_archive_encoded_credentials_t {
    // SAFETY: by this function's contract.
    let callbacks = unsafe { &*clientd.cast::<Callbacks>() };
    callbacks.credentials(|supplier| supplier.encoded_credentials())
}

/// For C to call: `aeron_archive_credentials_challenge_supplier_func_t`.
pub(super) unsafe extern "C" fn on_challenge(
    challenge: *mut sys::aeron_archive_encoded_credentials_t,
    clientd: *mut c_void,
) -> *mut sys::aeron_archive_encoded_credentials_t {
    // SAFETY: as above; the challenge lies in the poller's buffer of the length it says, or is null and empty.
    let (callbacks, challenge) = unsafe {
        let challenge = &*challenge;
        let bytes = if challenge.data.is_null() {
            &[][..]
        } else {
            std::slice::from_raw_parts(challenge.data.cast::<u8>(), challenge.length as usize)
        };
        (&*clientd.cast::<Callbacks>(), bytes)
    };
    callbacks.credentials(|supplier| supplier.on_challenge(challenge))
}

/// For C to call: `aeron_archive_credentials_free_func_t`.
pub(super) unsafe extern "C" fn free_credentials(
    credentials: *mut sys::aeron_archive_encoded_credentials_t,
    _clientd: *mut c_void,
) {
    if !credentials.is_null() {
        // SAFETY: C gives back, once, what `Credentials::into_native` gave it.
        let credentials = unsafe { Box::from_raw(credentials.cast::<Credentials>()) };
        drop(credentials.bytes);
    }
}

/// For C to call: `aeron_archive_recording_signal_consumer_func_t`.
pub(super) unsafe extern "C" fn on_signal(signal: *mut sys::aeron_archive_recording_signal_t, clientd: *mut c_void) {
    // SAFETY: as above; the signal lives as long as the call.
    let (callbacks, signal) = unsafe { (&*clientd.cast::<Callbacks>(), RecordingSignal::from_native(&*signal)) };
    callbacks.guarded((), || callbacks.signal(&signal));
}

/// For C to call: `aeron_error_handler_t`.
pub(super) unsafe extern "C" fn on_error(clientd: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: as above; the message is a NUL-terminated string for the length of the call.
    let (callbacks, message) = unsafe { (&*clientd.cast::<Callbacks>(), CStr::from_ptr(message)) };
    // C has made the archive's code its own, but for the sign.
    let known = native_code(i64::from(code) - 200);
    let kind = known.map_or(ErrorKind::Archive, kind_of);
    let error = Error::with_code(kind, known.unwrap_or(code), message.to_string_lossy().trim());
    if let Some(handler) = &callbacks.handlers.error {
        callbacks.guarded((), || handler(&error));
    }
}

/// For C to call: `aeron_archive_delegating_invoker_func_t`.
pub(super) unsafe extern "C" fn invoke(clientd: *mut c_void) {
    // SAFETY: as above.
    let callbacks = unsafe { &*clientd.cast::<Callbacks>() };
    if let Some(invoker) = &callbacks.handlers.invoker {
        callbacks.guarded((), || invoker());
    }
}

/// For C to call: `aeron_idle_strategy_func_t`.
pub(super) unsafe extern "C" fn idle(state: *mut c_void, work_count: c_int) {
    // SAFETY: as above.
    let callbacks = unsafe { &*state.cast::<Callbacks>() };
    let was_idle = callbacks.guarded(false, || {
        let Ok(mut strategy) = callbacks.idle.try_borrow_mut() else { return false };
        let Some(strategy) = strategy.as_mut() else { return false };
        strategy.idle(usize::try_from(work_count).unwrap_or(0));
        true
    });
    if !was_idle {
        std::thread::yield_now();
    }
}
