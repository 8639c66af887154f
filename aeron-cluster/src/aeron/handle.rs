//! Ownership: the C client with its context, and the handles that keep it alive.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aeron_sys as sys;

use super::async_add::Unawaited;
use super::callback::{in_callback, is_in_callback};
use super::conductor_handlers::Handlers;
use super::image_handlers::{self, Notify};
use super::invoker::{Turn, Turns};
use super::native_error::{check, kind_of, last_error};
use crate::error::{Error, ErrorKind, Result};

/// A handler of the errors that the conductor reports.
pub(crate) type ErrorHandler = Box<dyn FnMut(&Error) + Send>;

/// The state that the conductor's callbacks use: one per client, freed after `aeron_close` has returned.
///
/// It is in an `Arc` because C has a pointer to it: moving a `Box` would assert that nothing else reads its contents.
pub(crate) struct Callbacks {
    error_handler: Mutex<Option<ErrorHandler>>,
    last_error: Mutex<Option<Error>>,
    pub(super) handlers: Handlers,
    pub(super) image_handlers: image_handlers::Retained,
}

impl Callbacks {
    pub(super) fn new(error_handler: Option<ErrorHandler>, handlers: Handlers) -> Self {
        Callbacks {
            error_handler: Mutex::new(error_handler),
            last_error: Mutex::new(None),
            handlers,
            image_handlers: Mutex::default(),
        }
    }

    pub(crate) fn last_error(&self) -> Option<Error> {
        lock(&self.last_error).clone()
    }

    /// Whether this thread is in a callback of this client's conductor. Only in callbacks does our code run on the conductor.
    pub(super) fn is_conductor_thread(&self) -> bool {
        is_in_callback(self)
    }
}

/// Ignores poisoning, which only means that a handler panicked: the data is still consistent.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For C to call on the conductor thread (`aeron_context_set_error_handler`). C's default would end the process.
pub(crate) unsafe extern "C" fn on_error(clientd: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: `clientd` is the client's Callbacks, which outlive the conductor: aeron_close joins it before they go. The
    // message is a NUL-terminated string for the length of the call.
    let (callbacks, message) = unsafe { (&*clientd.cast::<Callbacks>(), CStr::from_ptr(message)) };
    // The conductor reports only Aeron's own codes, and without the minus sign that they have elsewhere.
    let code = -code.abs();
    let error = Error::with_code(kind_of(code), code, message.to_string_lossy().trim());
    tracing::error!(code, "aeron client: {error}");
    *lock(&callbacks.last_error) = Some(error.clone());
    in_callback(callbacks, || {
        if let Some(handler) = lock(&callbacks.error_handler).as_mut() {
            handler(&error);
        }
    });
}

/// The C client and its context. Every handle holds it in an `Arc`; `aeron_close` runs when the last one is dropped.
pub(crate) struct ClientInner {
    pub(crate) aeron: NonNull<sys::aeron_t>,
    context: NonNull<sys::aeron_context_t>,
    pub(crate) callbacks: Arc<Callbacks>,
    pub(crate) dir: PathBuf,
    pub(crate) driver_timeout: Duration,
    /// Whose turn it is to run the conductor, for a client without a conductor thread.
    turns: Option<Turns>,
    /// Commands that nobody waits for any more and that C has not answered.
    unawaited: Mutex<Vec<Unawaited>>,
    /// Whether dropping this closes the client; false if C code made it.
    owned: bool,
    /// The process that made it. A forked child has no conductor, and shares the parent's log buffers.
    process: u32,
}

// SAFETY: aeron_t's functions are thread-safe (aeronc.h; the conductor takes commands through a concurrent ring
// buffer), and what is not thread-safe is reached through handles that say so in their own types.
unsafe impl Send for ClientInner {}
// SAFETY: as above.
unsafe impl Sync for ClientInner {}

impl ClientInner {
    pub(crate) fn new(
        aeron: NonNull<sys::aeron_t>,
        context: NonNull<sys::aeron_context_t>,
        callbacks: Arc<Callbacks>,
        dir: PathBuf,
        driver_timeout: Duration,
        invoker: bool,
    ) -> Self {
        ClientInner {
            aeron,
            context,
            callbacks,
            dir,
            driver_timeout,
            turns: invoker.then(Turns::default),
            unawaited: Mutex::default(),
            owned: true,
            process: std::process::id(),
        }
    }

    /// Wraps a client that C code has made and will close.
    ///
    /// # Safety
    ///
    /// `aeron` must be live as long as the result, with a conductor thread.
    pub(super) unsafe fn borrowed(aeron: NonNull<sys::aeron_t>) -> Result<Self> {
        // SAFETY: by this function's contract; the context belongs to the client, and its directory to the context.
        let (context, dir, timeout, invoker) = unsafe {
            let context = sys::aeron_context(aeron.as_ptr());
            (
                NonNull::new(context).ok_or_else(|| last_error("cannot read the context of an Aeron client"))?,
                CStr::from_ptr(sys::aeron_context_get_dir(context)).to_string_lossy().into_owned(),
                Duration::from_millis(sys::aeron_context_get_driver_timeout_ms(context)),
                sys::aeron_context_get_use_conductor_agent_invoker(context),
            )
        };
        if invoker {
            let message =
                "the Aeron client has no conductor thread: what C does on the thread that asks cannot be shared";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let callbacks = Arc::new(Callbacks::new(None, Handlers::default()));
        let mut client = ClientInner::new(aeron, context, callbacks, dir.into(), timeout, false);
        client.owned = false;
        Ok(client)
    }

    pub(crate) fn ptr(&self) -> *mut sys::aeron_t {
        self.aeron.as_ptr()
    }

    pub(super) fn context(&self) -> *mut sys::aeron_context_t {
        self.context.as_ptr()
    }

    /// Whether the client has ended by itself, as it does when the driver dies.
    pub(crate) fn is_closed(&self) -> bool {
        // SAFETY: the client is closed by `drop` alone, so it is still allocated here (aeronc.h, aeron_is_closed).
        unsafe { sys::aeron_is_closed(self.ptr()) }
    }

    /// Whether it has no conductor thread.
    pub(super) fn is_invoker(&self) -> bool {
        self.turns.is_some()
    }

    /// Runs one duty cycle of the conductor, unless it has a thread or another thread is running it. Returns the amount of work done.
    pub(crate) fn drive(&self) -> Result<usize> {
        let Some(_turn) = self.turns.as_ref().and_then(Turns::try_take) else { return Ok(0) };
        self.check_process()?;
        // SAFETY: the client is live and was started with an invoker; only this thread runs the conductor, and not recursively,
        // since the turn is not given twice.
        let result = unsafe { sys::aeron_main_do_work(self.ptr()) };
        let worked = check(result, "the conductor of the Aeron client failed");
        worked.map(|work| work as usize).map_err(|error| {
            if !self.is_closed() {
                return error;
            }
            // The error that ended the client.
            let kind = if error.kind() == ErrorKind::DriverDead { ErrorKind::DriverDead } else { ErrorKind::Closed };
            let message = format!("{}; the client is closed: connect another", error.message());
            Error::with_code(kind, error.code(), message)
        })
    }

    /// Gives this thread the exclusive right to run the conductor, for calls of C that run it if the client has no conductor thread. Blocks
    /// while another thread has the turn. `None` if this thread has it already, or the conductor has a thread.
    ///
    /// # Errors
    ///
    /// [`State`](ErrorKind::State) in a handler of the conductor, for which such a call would wait, and in a forked child.
    pub(crate) fn turn(&self) -> Result<Option<Turn<'_>>> {
        self.check_may_wait("call the archive")?;
        let Some(turns) = &self.turns else { return Ok(None) };
        // In a forked child, a turn held by a thread of the parent would never be released.
        self.check_process()?;
        Ok(turns.take())
    }

    /// Takes over a command that nobody waits for any more.
    pub(super) fn keep_until_answered(&self, command: Unawaited) {
        lock(&self.unawaited).push(command);
        self.settle_unawaited();
    }

    /// Polls for the answers that nobody waits for, since C keeps each until it is polled.
    pub(super) fn settle_unawaited(&self) {
        // SAFETY: this client is live, and these commands are its own.
        lock(&self.unawaited).retain(|command| unsafe { !command.settle() });
    }

    /// An error in a forked child, which would never get an answer.
    pub(super) fn check_process(&self) -> Result<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let message = "the Aeron client belongs to the process that this one was forked from: connect another";
        Err(Error::new(ErrorKind::State, message))
    }

    /// An error in a handler of the conductor, where waiting would be waiting for itself.
    pub(super) fn check_may_wait(&self, doing: impl std::fmt::Display) -> Result<()> {
        if self.callbacks.is_conductor_thread() {
            return Err(Error::new(
                ErrorKind::State,
                format!("cannot {doing} in a handler of the client's conductor, which is awaited: use another thread"),
            ));
        }
        Ok(())
    }
}

/// What `aeron_close` needs, movable to another thread. Dropping it without closing it leaks the whole client.
struct Remains {
    aeron: NonNull<sys::aeron_t>,
    context: NonNull<sys::aeron_context_t>,
    callbacks: ManuallyDrop<Arc<Callbacks>>,
}

// SAFETY: after the last handle is gone nothing else refers to these; closing is allowed on any thread but the
// conductor's.
unsafe impl Send for Remains {}

impl Remains {
    fn close(self) {
        // SAFETY: the last handle has been dropped, so nothing uses the client.
        if unsafe { sys::aeron_close(self.aeron.as_ptr()) } < 0 {
            // The conductor could not be joined and may still use the rest.
            tracing::error!("{}; it leaks", last_error("cannot close the Aeron client"));
            return;
        }
        // SAFETY: the client that read it is closed (c-client: command_rb and the CnC map belong to the context).
        unsafe { sys::aeron_context_close(self.context.as_ptr()) };
        drop(ManuallyDrop::into_inner(self.callbacks));
    }
}

impl Drop for ClientInner {
    fn drop(&mut self) {
        // In a forked child it is leaked: closing it would tell the driver that the parent's client is closed.
        if !self.owned || self.process != std::process::id() {
            return;
        }
        // Closes what they keep open before the client.
        lock(&self.unawaited).clear();
        let on_conductor = self.callbacks.is_conductor_thread();
        let remains = Remains {
            aeron: self.aeron,
            context: self.context,
            callbacks: ManuallyDrop::new(Arc::clone(&self.callbacks)),
        };
        if !on_conductor {
            remains.close();
        } else if std::thread::Builder::new().name("aeron-close".into()).spawn(move || remains.close()).is_err() {
            // aeron_close would join the thread that it runs on. All that is safe is to leak the client.
            tracing::error!("cannot start a thread to close the Aeron client from its own conductor: it leaks");
        }
    }
}

/// A C object that belongs to a client.
pub(crate) trait Native {
    /// Closes and frees it, now or soon; then `notify` is called, unless the client has ended.
    ///
    /// # Safety
    ///
    /// `raw` must be live, of a client that is not closed, and not used again.
    unsafe fn close(raw: *mut Self, notify: Notify);
}

/// A C object, closed once neither its handle nor a pending command about it needs it.
struct Owned<T: Native> {
    raw: NonNull<T>,
    notify: Notify,
}

// SAFETY: the object is reached through its handle alone, which says itself what threads may do; here it is only closed, which is not
// bound to a thread (aeronc.h).
unsafe impl<T: Native> Send for Owned<T> {}
// SAFETY: as above; a shared reference gives nothing.
unsafe impl<T: Native> Sync for Owned<T> {}

impl<T: Native> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: by `Handle::new` the object is live and ours, and its client is there: handles let go of it after this, and it lets go
        // of its unawaited commands before it closes.
        unsafe { T::close(self.raw.as_ptr(), self.notify) };
    }
}

/// What keeps a C object from being closed.
pub(super) type KeptOpen = Arc<dyn Send + Sync>;

/// Owns a C object and keeps its client alive. The object is closed before the client is let go.
pub(crate) struct Handle<T: Native> {
    // A copy of the pointer in `owned`, which saves an indirection.
    raw: NonNull<T>,
    owned: Arc<Owned<T>>,
    // The client outlives the object.
    client: Arc<ClientInner>,
}

impl<T: Native> Handle<T> {
    /// # Safety
    ///
    /// `raw` must be a live object of `client` that nothing else closes; what `notify` calls lives until it was called, or as long as
    /// the client.
    pub(super) unsafe fn new(raw: NonNull<T>, client: Arc<ClientInner>, notify: Notify) -> Self {
        Handle { raw, owned: Arc::new(Owned { raw, notify }), client }
    }

    pub(super) fn client(&self) -> &Arc<ClientInner> {
        &self.client
    }

    /// Keeps the object from being closed, even after the handle is dropped.
    pub(super) fn keep_open(&self) -> KeptOpen
    where
        T: 'static,
    {
        Arc::<Owned<T>>::clone(&self.owned)
    }

    pub(crate) fn ptr(&self) -> *mut T {
        self.raw.as_ptr()
    }
}
