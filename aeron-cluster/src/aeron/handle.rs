//! Who owns what: the C client with its context, and the handles that keep it alive.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aeron_sys as sys;

use super::async_add::Orphan;
use super::callback::{in_callback, is_in_callback};
use super::conductor_handlers::Handlers;
use super::image_handlers::{self, Notify};
use super::invoker::{Turn, Turns};
use super::native_error::{check, kind_of, last_error};
use crate::error::{Error, ErrorKind, Result};

/// A handler of errors that the conductor reports.
pub(crate) type ErrorHandler = Box<dyn FnMut(&Error) + Send>;

/// What the conductor's callbacks reach: one per client, freed after `aeron_close` returned.
///
/// It is shared with C, so it lives in an `Arc`: a `Box` that moves claims that nobody else reads what it holds.
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

    /// Whether this thread is in a callback of this client's conductor: our code runs there in callbacks alone.
    pub(super) fn is_conductor_thread(&self) -> bool {
        is_in_callback(self)
    }
}

/// A poisoned lock only means that some handler panicked: the data behind it is still whole.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For C to call on the conductor thread (`aeron_context_set_error_handler`). C's default would end the process.
pub(crate) unsafe extern "C" fn on_error(clientd: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: `clientd` is the client's Callbacks, which outlive the conductor: aeron_close joins it before they go. The
    // message is a NUL-terminated string for the length of the call.
    let (callbacks, message) = unsafe { (&*clientd.cast::<Callbacks>(), CStr::from_ptr(message)) };
    // The conductor reports Aeron's codes alone, without the sign that they have everywhere else.
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

/// The C client and its context. Every handle holds one in an `Arc`; `aeron_close` runs when the last one is gone.
pub(crate) struct ClientInner {
    pub(crate) aeron: NonNull<sys::aeron_t>,
    context: NonNull<sys::aeron_context_t>,
    pub(crate) callbacks: Arc<Callbacks>,
    pub(crate) dir: PathBuf,
    pub(crate) driver_timeout: Duration,
    /// Of a client without a conductor thread.
    turns: Option<Turns>,
    /// What was given up and C has not answered.
    orphans: Mutex<Vec<Orphan>>,
    /// Whether it is closed here: not one that C code made.
    owned: bool,
    /// Where it was made. A child that was forked has no conductor, and shares its memory with the parent's.
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
            orphans: Mutex::default(),
            owned: true,
            process: std::process::id(),
        }
    }

    /// A client that C code made, and closes.
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

    /// Whether the client ended by itself, as it does when the driver dies.
    pub(crate) fn is_closed(&self) -> bool {
        // SAFETY: the client is closed by `drop` alone, so it is still allocated here (aeronc.h, aeron_is_closed).
        unsafe { sys::aeron_is_closed(self.ptr()) }
    }

    /// Whether it has no conductor thread.
    pub(super) fn is_invoker(&self) -> bool {
        self.turns.is_some()
    }

    /// Works the conductor once, if it has no thread of its own and nobody is at it. Returns the work done.
    pub(crate) fn drive(&self) -> Result<usize> {
        let Some(_turn) = self.turns.as_ref().and_then(Turns::try_take) else { return Ok(0) };
        self.check_process()?;
        // SAFETY: the client is live and was started with an invoker; this thread alone works the conductor, and not from
        // within: the turn is not given twice.
        let result = unsafe { sys::aeron_main_do_work(self.ptr()) };
        let worked = check(result, "cannot work the Aeron client's conductor");
        worked.map(|work| work as usize).map_err(|error| match error.kind() {
            ErrorKind::DriverDead => error,
            // Whatever ended the client.
            _ if self.is_closed() => Error::with_code(ErrorKind::Closed, error.code(), error.message()),
            _ => error,
        })
    }

    /// Lets this thread alone work the conductor, for calls of C that work it themselves, of a client without a conductor thread.
    /// `None` if this thread has the turn already, or there is nothing to take turns at.
    ///
    /// # Errors
    ///
    /// [`State`](ErrorKind::State) in a handler of the conductor, which such a call would wait for, and in a child that was forked.
    pub(crate) fn turn(&self) -> Result<Option<Turn<'_>>> {
        self.check_may_wait("call the archive")?;
        let Some(turns) = &self.turns else { return Ok(None) };
        // A thread that the parent has and a child has not would never give it back.
        self.check_process()?;
        Ok(turns.take())
    }

    /// Takes over what nobody waits for any more.
    pub(super) fn adopt(&self, orphan: Orphan) {
        lock(&self.orphans).push(orphan);
        self.settle_orphans();
    }

    /// Asks for the answers that nobody waits for: C keeps each until then.
    pub(super) fn settle_orphans(&self) {
        // SAFETY: this client is live, and its orphans are its own.
        lock(&self.orphans).retain(|orphan| unsafe { !orphan.settle() });
    }

    /// Refuses a child that was forked: nobody would answer it.
    pub(super) fn check_process(&self) -> Result<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let message = "the Aeron client belongs to the process that this one was forked from: connect another";
        Err(Error::new(ErrorKind::State, message))
    }

    /// Refuses to wait in a handler of the conductor, which would wait for itself.
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

/// What `aeron_close` needs, to be carried to another thread. Dropped without being closed, it leaks the client whole.
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
        // SAFETY: the last handle is gone, so nobody uses the client.
        if unsafe { sys::aeron_close(self.aeron.as_ptr()) } < 0 {
            // Its conductor could not be joined and may still read the rest.
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
        // In a child that was forked it leaks: closing it would tell the driver that the parent's is closed.
        if !self.owned || self.process != std::process::id() {
            return;
        }
        // What they keep open closes before the client.
        lock(&self.orphans).clear();
        let on_conductor = self.callbacks.is_conductor_thread();
        let remains = Remains {
            aeron: self.aeron,
            context: self.context,
            callbacks: ManuallyDrop::new(Arc::clone(&self.callbacks)),
        };
        if !on_conductor {
            remains.close();
        } else if std::thread::Builder::new().name("aeron-close".into()).spawn(move || remains.close()).is_err() {
            // aeron_close would join the thread it runs on. Leaking the client is the only safe thing left.
            tracing::error!("cannot start a thread to close the Aeron client from its own conductor: it leaks");
        }
    }
}

/// A C object that belongs to a client.
pub(crate) trait Native {
    /// Closes and frees it, now or soon, and has `notify` called then, unless the client has ended.
    ///
    /// # Safety
    ///
    /// `raw` must be live, of a client that is not closed, and not used again.
    unsafe fn close(raw: *mut Self, notify: Notify);
}

/// A C object, closed when nobody needs it any more: its handle, or a command about it that C has not carried out.
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
        // of its orphans before it closes.
        unsafe { T::close(self.raw.as_ptr(), self.notify) };
    }
}

/// What keeps a C object from being closed.
pub(super) type KeptOpen = Arc<dyn Send + Sync>;

/// Owns a C object and keeps its client alive. The object is closed before the client is let go.
pub(crate) struct Handle<T: Native> {
    // The same as in `owned`, without a way round.
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

    /// Keeps the object from being closed, also when the handle goes.
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

/// A string for C; one with a NUL inside is the caller's mistake.
pub(crate) fn c_string(value: &str, what: &str) -> Result<CString> {
    CString::new(value).map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, format!("{what} contains a NUL byte, which C cannot take: {value:?}"))
    })
}
