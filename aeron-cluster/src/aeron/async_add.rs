//! Adding something to a client without waiting for the driver.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aeron_sys as sys;

use super::handle::ClientInner;
use super::native_error::last_error;
use crate::error::{Error, ErrorKind, Result};

/// All `aeron_async_add_*_t` are one C struct under several names (aeronc.h).
pub(crate) type Registering = sys::aeron_client_registering_resource_stct;

/// How often a waiting add looks for the driver's answer.
const POLL_INTERVAL: Duration = Duration::from_micros(200);
/// How much longer than the client itself a waiting add waits: the client's own verdict says more.
const GRACE: Duration = Duration::from_secs(1);

/// How C adds one kind of thing: the four functions of `aeron_async_add_*`.
pub(crate) trait Registration {
    /// What C hands out.
    type Native;
    /// What the user gets for it.
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

    /// Gives the registration up; what was added by then is removed.
    ///
    /// # Safety
    ///
    /// As `poll`, and `registering` is C's if the result is 0.
    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering) -> i32;

    /// Wraps what C handed out.
    ///
    /// # Safety
    ///
    /// `native` must be live, of `client`, and owned by nobody else.
    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>) -> Result<Self::Added>;

    /// What is being added, for messages: `publication aeron:ipc stream 1`.
    fn name(&self) -> String;
}

type Poll<T> = unsafe fn(*mut Registering, &Arc<ClientInner>, &str) -> Option<Result<T>>;
type Cancel = unsafe fn(*mut sys::aeron_t, *mut Registering) -> i32;

/// A registration under way.
///
/// Poll it until it gives the thing or an error. Dropped before that, it is cancelled and leaves nothing behind in the
/// driver. Mirrors `aeron_async_add_*_t`.
#[must_use = "dropping it cancels the registration"]
pub struct AsyncAdd<T> {
    registering: Option<NonNull<Registering>>,
    client: Arc<ClientInner>,
    name: String,
    registration_id: i64,
    poll: Poll<T>,
    cancel: Cancel,
    added: PhantomData<fn() -> T>,
}

// SAFETY: the C struct is a command that the conductor answers through an atomic status; polling and cancelling are
// not bound to a thread (aeronc.h), and only `&mut self` reaches them.
unsafe impl<T> Send for AsyncAdd<T> {}

impl<T> AsyncAdd<T> {
    pub(crate) fn start<R: Registration<Added = T>>(client: &Arc<ClientInner>, registration: R) -> Result<Self> {
        let name = registration.name();
        let mut raw = std::ptr::null_mut();
        // SAFETY: the client is live as long as `client`.
        if unsafe { registration.start(&mut raw, client.ptr()) } < 0 {
            let error = last_error(format!("cannot add {name}"));
            return Err(if client.is_closed() { closed(client, &name) } else { error });
        }
        // SAFETY: it was started and had no answer yet.
        let registration_id = unsafe { R::registration_id(raw) };
        Ok(AsyncAdd {
            registering: NonNull::new(raw),
            client: Arc::clone(client),
            name,
            registration_id,
            poll: poll_as::<R>,
            cancel: R::cancel,
            added: PhantomData,
        })
    }

    /// The id of the registration with the driver, which what is added has too.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// Asks whether the driver has answered. Does not block.
    ///
    /// # Errors
    ///
    /// What the driver said, naming the channel. After an error or a result the registration is over, and polling again
    /// is an error.
    pub fn poll(&mut self) -> Result<Option<T>> {
        let Some(registering) = self.registering else {
            return Err(Error::new(ErrorKind::State, format!("{} was answered already", self.name)));
        };
        // SAFETY: `registering` came from `start` of the same kind, and had no answer: it would be None.
        match unsafe { (self.poll)(registering.as_ptr(), &self.client, &self.name) } {
            Some(answer) => {
                self.registering = None;
                answer.map(Some)
            }
            None if self.client.is_closed() => Err(closed(&self.client, &self.name)),
            None => Ok(None),
        }
    }

    /// Waits for the driver's answer, working the conductor meanwhile if it has no thread of its own.
    pub(crate) fn wait(mut self) -> Result<T> {
        self.client.check_may_wait(format_args!("wait for {}", self.name))?;
        let deadline = Instant::now() + self.client.driver_timeout + GRACE;
        loop {
            if let Some(added) = self.poll()? {
                return Ok(added);
            }
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!("the media driver did not answer within {:?}: {}", self.client.driver_timeout, self.name),
                ));
            }
            // What goes wrong there ends the client, and the next poll says so.
            if self.client.drive().unwrap_or(0) == 0 {
                std::thread::sleep(POLL_INTERVAL);
            }
        }
    }
}

/// # Safety
///
/// As [`Registration::poll`].
unsafe fn poll_as<R: Registration>(
    registering: *mut Registering,
    client: &Arc<ClientInner>,
    name: &str,
) -> Option<Result<R::Added>> {
    let mut native = std::ptr::null_mut();
    // SAFETY: by this function's contract.
    match unsafe { R::poll(&mut native, registering) } {
        0 => None,
        result if result < 0 => Some(Err(last_error(format!("cannot add {name}")))),
        _ => Some(match NonNull::new(native) {
            // SAFETY: C hands the thing out once, here.
            Some(native) => unsafe { R::wrap(native, Arc::clone(client)) },
            None => Err(Error::new(ErrorKind::Native, format!("the C client gave nothing for {name}"))),
        }),
    }
}

fn closed(client: &ClientInner, name: &str) -> Error {
    let why = client.callbacks.last_error().map_or_else(String::new, |error| format!(": {error}"));
    Error::new(ErrorKind::Closed, format!("cannot add {name}, the Aeron client is closed{why}"))
}

impl<T> Drop for AsyncAdd<T> {
    fn drop(&mut self) {
        if let Some(registering) = self.registering {
            // SAFETY: the registration had no answer. If cancelling fails (the client is closed, or its conductor behind),
            // C frees it when the client goes (aeron_client_conductor_on_close).
            let result = unsafe { (self.cancel)(self.client.ptr(), registering.as_ptr()) };
            if result < 0 && !self.client.is_closed() {
                let error = last_error(format_args!("cannot give up adding {}", self.name));
                tracing::warn!("{error}; it stays until the client closes");
            }
        }
    }
}

impl<T> std::fmt::Debug for AsyncAdd<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AsyncAdd({}, answered: {})", self.name, self.registering.is_none())
    }
}
