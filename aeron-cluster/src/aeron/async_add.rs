//! Adding something to a client without blocking for the driver.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aeron_sys as sys;

use super::handle::{ClientInner, KeptOpen, Native};
use super::image_handlers::Notify;
use super::native_error::last_error;
use crate::error::{Error, ErrorKind, Result};

/// All `aeron_async_add_*_t` are one C struct under several names (aeronc.h).
pub(crate) type Registering = sys::aeron_client_registering_resource_stct;

/// How often a blocking add checks for the driver's answer.
const POLL_INTERVAL: Duration = Duration::from_micros(200);
/// How much longer than the client's own time-out a blocking add waits, since the client's error says more.
const GRACE: Duration = Duration::from_secs(1);

/// How C adds one kind of thing: the four functions of `aeron_async_add_*`.
pub(crate) trait Registration {
    /// What C returns.
    type Native: Native;
    /// What the user gets.
    type Added;

    /// Starts the registration.
    ///
    /// # Safety
    ///
    /// `client` must be live; `out` receives the registration if the result is not negative.
    unsafe fn start(&self, out: *mut *mut Registering, client: *mut sys::aeron_t) -> i32;

    /// Asks for the answer: 0 not yet, 1 there, negative refused.
    ///
    /// # Safety
    ///
    /// `registering` must come from `start` of the same kind and have had no answer yet; after an answer it is C's.
    unsafe fn poll(out: *mut *mut Self::Native, registering: *mut Registering) -> i32;

    /// The id under which it is registered.
    ///
    /// # Safety
    ///
    /// As `poll`.
    unsafe fn registration_id(registering: *mut Registering) -> i64;

    /// What C calls once it no longer uses what it was given.
    fn notify(&self) -> Notify {
        Notify::NOBODY
    }

    /// Gives the registration up; what was added by then is removed.
    ///
    /// # Safety
    ///
    /// As `poll`, and `registering` is C's if the result is 0.
    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering, notify: Notify) -> i32;

    /// Wraps what C handed out.
    ///
    /// # Safety
    ///
    /// `native` must be live, of `client`, and owned by nobody else; what `notify` calls lives until it was called or the client is gone.
    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>, notify: Notify) -> Result<Self::Added>;

    /// What is being added, for messages: `publication aeron:ipc stream 1`.
    fn name(&self) -> String;
}

type Poll<T> = unsafe fn(*mut Registering, &Arc<ClientInner>, Notify, &str) -> Option<Result<T>>;
type Cancel = unsafe fn(*mut sys::aeron_t, *mut Registering, Notify) -> i32;
type Settle = unsafe fn(*mut Registering) -> bool;

/// A command that nobody waits for any more and that could not be cancelled: C frees it only after its answer was asked for.
pub(super) struct Unawaited {
    registering: NonNull<Registering>,
    /// Asks for the answer, closes what was added, and says whether that is done.
    settle: Settle,
    /// What the conductor looks at to carry it out.
    _about: Option<KeptOpen>,
}

// SAFETY: as `AsyncAdd`; the client settles it under a lock.
unsafe impl Send for Unawaited {}

impl Unawaited {
    pub(super) fn new(registering: NonNull<Registering>, settle: Settle, about: Option<KeptOpen>) -> Self {
        Unawaited { registering, settle, _about: about }
    }

    /// # Safety
    ///
    /// The client must be live, and the answer not have been given.
    pub(super) unsafe fn settle(&self) -> bool {
        // SAFETY: by this function's contract.
        unsafe { (self.settle)(self.registering.as_ptr()) }
    }
}

/// Waits for the driver, up to a deadline.
pub(super) struct Patience {
    deadline: Instant,
}

impl Patience {
    pub(super) fn new(client: &ClientInner, name: &str) -> Result<Self> {
        client.check_may_wait(format_args!("wait for {name}"))?;
        Ok(Patience { deadline: Instant::now() + client.driver_timeout + GRACE })
    }

    /// Blocks for a short time, and runs the conductor if it has no thread of its own.
    pub(super) fn wait(&mut self, client: &ClientInner, name: &str) -> Result<()> {
        if Instant::now() > self.deadline {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("the media driver did not answer within {:?}: {name}", client.driver_timeout),
            ));
        }
        // An error there ends the client, and the next poll reports it.
        if client.drive().unwrap_or(0) == 0 {
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

/// A publication, subscription or counter that is being added.
///
/// Poll it until it returns the result or an error. Dropping it before that cancels it, and leaves nothing behind in the
/// driver. Mirrors `aeron_async_add_*_t`.
#[must_use = "dropping it cancels the registration"]
pub struct AsyncAdd<T> {
    registering: Option<NonNull<Registering>>,
    client: Arc<ClientInner>,
    name: String,
    registration_id: i64,
    notify: Notify,
    poll: Poll<T>,
    cancel: Cancel,
    settle: Settle,
    added: PhantomData<fn() -> T>,
}

// SAFETY: the C struct is a command that the conductor answers through an atomic status; polling and cancelling are
// not bound to a thread (aeronc.h), and only `&mut self` reaches them.
unsafe impl<T> Send for AsyncAdd<T> {}

impl<T> AsyncAdd<T> {
    pub(crate) fn start<R: Registration<Added = T>>(client: &Arc<ClientInner>, registration: R) -> Result<Self> {
        client.check_process()?;
        client.settle_unawaited();
        let (name, notify) = (registration.name(), registration.notify());
        let mut raw = std::ptr::null_mut();
        // SAFETY: the client is live as long as `client`.
        if unsafe { registration.start(&mut raw, client.ptr()) } < 0 {
            let doing = format!("cannot add {name}");
            let error = last_error(&doing);
            // SAFETY: C refused it, and keeps nothing of it.
            unsafe { notify.call() };
            return Err(if client.is_closed() { closed(client, doing) } else { error });
        }
        // SAFETY: it was started and had no answer yet.
        let registration_id = unsafe { R::registration_id(raw) };
        Ok(AsyncAdd {
            registering: NonNull::new(raw),
            client: Arc::clone(client),
            name,
            registration_id,
            notify,
            poll: poll_as::<R>,
            cancel: R::cancel,
            settle: settle_as::<R>,
            added: PhantomData,
        })
    }

    /// The registration id, which the result will have too.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// Checks whether the driver has answered. Does not block.
    ///
    /// # Errors
    ///
    /// The driver's error, with the channel. After an error or a result, polling again is an error.
    pub fn poll(&mut self) -> Result<Option<T>> {
        let Some(registering) = self.registering else {
            return Err(Error::new(ErrorKind::State, format!("{} was answered already", self.name)));
        };
        // SAFETY: `registering` came from `start` of the same kind, and had no answer: it would be None.
        match unsafe { (self.poll)(registering.as_ptr(), &self.client, self.notify, &self.name) } {
            Some(answer) => {
                self.registering = None;
                answer.map(Some)
            }
            None if self.client.is_closed() => Err(closed(&self.client, format_args!("cannot add {}", self.name))),
            None => Ok(None),
        }
    }

    /// Blocks until the driver answers, and runs the conductor meanwhile if it has no thread of its own.
    pub(crate) fn wait(mut self) -> Result<T> {
        let mut patience = Patience::new(&self.client, &self.name)?;
        loop {
            if let Some(added) = self.poll()? {
                return Ok(added);
            }
            patience.wait(&self.client, &self.name)?;
        }
    }
}

/// # Safety
///
/// As [`Registration::poll`].
unsafe fn poll_as<R: Registration>(
    registering: *mut Registering,
    client: &Arc<ClientInner>,
    notify: Notify,
    name: &str,
) -> Option<Result<R::Added>> {
    let mut native = std::ptr::null_mut();
    // SAFETY: by this function's contract.
    match unsafe { R::poll(&mut native, registering) } {
        0 => None,
        result if result < 0 => {
            let error = last_error(format!("cannot add {name}"));
            // SAFETY: nothing was added: C keeps what it was given for the next check of its registrations at most, and uses none of it.
            unsafe { notify.call() };
            Some(Err(error))
        }
        _ => Some(match NonNull::new(native) {
            // SAFETY: C hands the thing out once, here.
            Some(native) => unsafe { R::wrap(native, Arc::clone(client), notify) },
            None => Err(Error::new(ErrorKind::Native, format!("the C client gave nothing for {name}"))),
        }),
    }
}

/// # Safety
///
/// As [`Registration::poll`].
unsafe fn settle_as<R: Registration>(registering: *mut Registering) -> bool {
    let mut native: *mut R::Native = std::ptr::null_mut();
    // SAFETY: by this function's contract.
    let result = unsafe { R::poll(&mut native, registering) };
    if result > 0 && !native.is_null() {
        // SAFETY: C hands the thing out once, here. Handlers that it has go with the client.
        unsafe { R::Native::close(native, Notify::NOBODY) };
    }
    result != 0
}

/// The error of a client that has ended, with the reason.
pub(super) fn closed(client: &ClientInner, doing: impl std::fmt::Display) -> Error {
    let why = client.callbacks.last_error().map_or_else(String::new, |error| format!(": {error}"));
    Error::new(ErrorKind::Closed, format!("{doing}, the Aeron client is closed{why}"))
}

impl<T> Drop for AsyncAdd<T> {
    fn drop(&mut self) {
        if let Some(registering) = self.registering {
            // SAFETY: the registration had no answer. If cancelling fails because the client is closed, C frees it when the
            // client goes (aeron_client_conductor_on_close).
            let result = unsafe { (self.cancel)(self.client.ptr(), registering.as_ptr(), self.notify) };
            if result < 0 && !self.client.is_closed() {
                // C cannot cancel it: a static counter, or the conductor's queue is full.
                self.client.keep_until_answered(Unawaited::new(registering, self.settle, None));
            }
        }
    }
}

impl<T> std::fmt::Debug for AsyncAdd<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AsyncAdd({}, answered: {})", self.name, self.registering.is_none())
    }
}
