//! Destinations of multi-destination publications and subscriptions.

use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Patience, Registering, Unawaited, closed};
use super::channel_uri::native_channel;
use super::exclusive_publication::ExclusivePublication;
use super::handle::{ClientInner, KeptOpen};
use super::native_error::last_error;
use super::publication::Publication;
use super::subscription::Subscription;
use crate::error::{Error, ErrorKind, Result};

/// A destination that is being added or removed.
///
/// Poll it until it returns true or an error. If it is dropped before that, the command is still carried out. Mirrors
/// `aeron_async_destination_t`.
#[must_use = "it says whether the driver did it"]
pub struct AsyncDestination {
    registering: Option<NonNull<Registering>>,
    /// The publication or subscription: the conductor looks at it when it gets to the command, and of a queue that is full closes
    /// overtake it (`pending_close_action`).
    about: KeptOpen,
    client: Arc<ClientInner>,
    registration_id: i64,
    name: String,
}

// SAFETY: the C struct is a command that the conductor answers through an atomic status; polling is not bound to a thread
// (aeronc.h), and only `&mut self` reaches it.
unsafe impl Send for AsyncDestination {}

impl AsyncDestination {
    /// `start` calls C, which gives out a command if the result is not negative.
    fn start(
        client: &Arc<ClientInner>,
        about: KeptOpen,
        name: String,
        start: impl FnOnce(*mut *mut Registering, *mut sys::aeron_t) -> i32,
    ) -> Result<Self> {
        client.check_process()?;
        client.settle_unawaited();
        let mut raw = std::ptr::null_mut();
        if start(&mut raw, client.ptr()) < 0 {
            return Err(last_error(format!("cannot {name}")));
        }
        let Some(registering) = NonNull::new(raw) else { return Err(last_error(format!("cannot {name}"))) };
        // SAFETY: it was started and had no answer yet.
        let registration_id = unsafe { sys::aeron_async_destination_get_registration_id(raw) };
        Ok(AsyncDestination {
            registering: Some(registering),
            about,
            client: Arc::clone(client),
            registration_id,
            name,
        })
    }

    /// The id of the command, by which an added destination can be removed.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// Whether the driver has carried out the command. Does not block.
    ///
    /// # Errors
    ///
    /// The driver's error, with the destination. After an error or true, polling again is an error.
    pub fn poll(&mut self) -> Result<bool> {
        let Some(registering) = self.registering else {
            return Err(Error::new(ErrorKind::State, format!("{} was answered already", self.name)));
        };
        // SAFETY: it had no answer yet: it would be None. The poll functions of all kinds of destinations are one.
        match unsafe { sys::aeron_publication_async_destination_poll(registering.as_ptr()) } {
            0 if self.client.is_closed() => Err(closed(&self.client, format_args!("cannot {}", self.name))),
            0 => Ok(false),
            result => {
                self.registering = None;
                if result < 0 { Err(last_error(format!("cannot {}", self.name))) } else { Ok(true) }
            }
        }
    }

    /// Blocks until the driver has carried out the command, and returns its id.
    pub(crate) fn wait(mut self) -> Result<i64> {
        let mut patience = Patience::new(&self.client, &self.name)?;
        while !self.poll()? {
            patience.wait(&self.client, &self.name)?;
        }
        Ok(self.registration_id)
    }
}

impl Drop for AsyncDestination {
    fn drop(&mut self) {
        if let Some(registering) = self.registering {
            // C frees it once its answer has been fetched.
            self.client.keep_until_answered(Unawaited::new(registering, settle, Some(Arc::clone(&self.about))));
        }
    }
}

/// # Safety
///
/// `registering` must be a destination's that had no answer yet.
unsafe fn settle(registering: *mut Registering) -> bool {
    // SAFETY: by this function's contract.
    unsafe { sys::aeron_publication_async_destination_poll(registering) != 0 }
}

impl std::fmt::Debug for AsyncDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AsyncDestination({}, answered: {})", self.name, self.registering.is_none())
    }
}

/// The methods of one kind: with the functions of C that add and remove, and what they are for.
macro_rules! destinations {
    ($handle:ty, $add:ident, $remove:ident, $purpose:literal) => {
        impl $handle {
            #[doc = concat!("Adds a destination ", $purpose, ", and waits for the driver. Returns the id of the destination.")]
            ///
            /// # Blocking and errors
            ///
            /// As [`Aeron::add_publication`](super::Aeron::add_publication).
            pub fn add_destination(&self, channel: &str) -> Result<i64> {
                self.async_add_destination(channel)?.wait()
            }

            /// As [`add_destination`](Self::add_destination), without waiting.
            pub fn async_add_destination(&self, channel: &str) -> Result<AsyncDestination> {
                let native = native_channel(channel, "destination")?;
                let name = format!("add the destination {channel} to {}", self.channel());
                // SAFETY: the client and the handle are live; C copies the channel.
                AsyncDestination::start(self.client(), self.keep_open(), name, |out, client| unsafe {
                    sys::$add(out, client, self.as_ptr(), native.as_ptr())
                })
            }

            /// Removes a destination by its channel, and waits for the driver.
            ///
            /// # Blocking and errors
            ///
            /// As [`add_destination`](Self::add_destination).
            pub fn remove_destination(&self, channel: &str) -> Result<()> {
                self.async_remove_destination(channel)?.wait().map(|_| ())
            }

            /// As [`remove_destination`](Self::remove_destination), without waiting.
            pub fn async_remove_destination(&self, channel: &str) -> Result<AsyncDestination> {
                let native = native_channel(channel, "destination")?;
                let name = format!("remove the destination {channel} from {}", self.channel());
                // SAFETY: the client and the handle are live; C copies the channel.
                AsyncDestination::start(self.client(), self.keep_open(), name, |out, client| unsafe {
                    sys::$remove(out, client, self.as_ptr(), native.as_ptr())
                })
            }
        }
    };
}

/// The same, by id.
macro_rules! destinations_by_id {
    ($handle:ty, $remove:ident) => {
        impl $handle {
            /// Removes a destination by the id that adding it gave, and waits for the driver.
            ///
            /// # Blocking and errors
            ///
            /// As [`add_destination`](Self::add_destination).
            pub fn remove_destination_by_id(&self, id: i64) -> Result<()> {
                self.async_remove_destination_by_id(id)?.wait().map(|_| ())
            }

            /// As [`remove_destination_by_id`](Self::remove_destination_by_id), without waiting.
            pub fn async_remove_destination_by_id(&self, id: i64) -> Result<AsyncDestination> {
                let name = format!("remove the destination {id} from {}", self.channel());
                // SAFETY: the client and the handle are live.
                AsyncDestination::start(self.client(), self.keep_open(), name, |out, client| unsafe {
                    sys::$remove(out, client, self.as_ptr(), id)
                })
            }
        }
    };
}

destinations!(
    Publication,
    aeron_publication_async_add_destination,
    aeron_publication_async_remove_destination,
    "to a publication with `control-mode=manual`"
);
destinations_by_id!(Publication, aeron_publication_async_remove_destination_by_id);
destinations!(
    ExclusivePublication,
    aeron_exclusive_publication_async_add_destination,
    aeron_exclusive_publication_async_remove_destination,
    "to a publication with `control-mode=manual`"
);
destinations_by_id!(ExclusivePublication, aeron_exclusive_publication_async_remove_destination_by_id);
destinations!(
    Subscription,
    aeron_subscription_async_add_destination,
    aeron_subscription_async_remove_destination,
    "to a subscription with `control-mode=manual`, which receives at it"
);
