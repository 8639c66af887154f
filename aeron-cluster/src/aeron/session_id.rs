//! Asking the driver for an unused session id.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Patience, Registering, Unawaited, closed};
use super::handle::ClientInner;
use super::native_error::last_error;
use crate::error::{Error, ErrorKind, Result};

/// A pending request for an unused session id. Mirrors `aeron_async_get_next_available_session_id_t`.
#[must_use = "it has the answer"]
pub struct AsyncSessionId {
    registering: Option<NonNull<Registering>>,
    client: Arc<ClientInner>,
    name: String,
}

// SAFETY: the C struct is a command that the conductor answers through an atomic status; polling is not bound to a thread
// (aeronc.h), and only `&mut self` reaches it.
unsafe impl Send for AsyncSessionId {}

impl AsyncSessionId {
    pub(super) fn start(client: &Arc<ClientInner>, stream_id: i32) -> Result<Self> {
        client.check_process()?;
        client.settle_unawaited();
        let name = format!("a session id for stream {stream_id}");
        let mut raw = std::ptr::null_mut();
        // SAFETY: the client is live as long as `client`.
        if unsafe { sys::aeron_async_next_session_id(&mut raw, client.ptr(), stream_id) } < 0 {
            return Err(last_error(format!("cannot ask for {name}")));
        }
        Ok(AsyncSessionId { registering: NonNull::new(raw), client: Arc::clone(client), name })
    }

    /// The answer, once it is there. Does not block.
    ///
    /// # Errors
    ///
    /// The driver's error, or that the client has ended. After an error or an answer, polling again is an error.
    pub fn poll(&mut self) -> Result<Option<i32>> {
        let Some(registering) = self.registering else {
            return Err(Error::new(ErrorKind::State, format!("{} was answered already", self.name)));
        };
        let mut id = 0;
        // SAFETY: it had no answer yet: it would be None. C writes the id if the result is positive.
        match unsafe { sys::aeron_async_next_session_id_poll(&mut id, registering.as_ptr()) } {
            0 if self.client.is_closed() => Err(closed(&self.client, format_args!("cannot get {}", self.name))),
            0 => Ok(None),
            result => {
                self.registering = None;
                if result < 0 { Err(last_error(format!("cannot get {}", self.name))) } else { Ok(Some(id)) }
            }
        }
    }

    pub(super) fn wait(mut self) -> Result<i32> {
        let mut patience = Patience::new(&self.client, &self.name)?;
        loop {
            if let Some(id) = self.poll()? {
                return Ok(id);
            }
            patience.wait(&self.client, &self.name)?;
        }
    }
}

impl Drop for AsyncSessionId {
    fn drop(&mut self) {
        if let Some(registering) = self.registering {
            // C frees it once its answer has been fetched.
            self.client.keep_until_answered(Unawaited::new(registering, settle, None));
        }
    }
}

/// # Safety
///
/// `registering` must be a session id's that had no answer yet.
unsafe fn settle(registering: *mut Registering) -> bool {
    let mut id = MaybeUninit::uninit();
    // SAFETY: by this function's contract.
    unsafe { sys::aeron_async_next_session_id_poll(id.as_mut_ptr(), registering) != 0 }
}

impl std::fmt::Debug for AsyncSessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AsyncSessionId({}, answered: {})", self.name, self.registering.is_none())
    }
}
