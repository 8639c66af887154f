//! Connecting to an archive without blocking.

use std::fmt;
use std::ptr::NonNull;

use aeron_sys as sys;

use super::client::Archive;
use super::context::Context;
use super::native_context::{NativeContext, text_of};
use super::{check, failure};
use crate::{Error, ErrorKind, Result};

/// The C client's code for a time-out here. As an error code of the driver it would mean something else.
const CONNECT_TIMEOUT_CODE: i32 = -1;

/// An archive's message when it rejects the credentials (`ControlSession.SESSION_REJECTED_MSG`).
pub(super) const REJECTED: &str = "authentication rejected";

unsafe extern "C" {
    /// Of the C archive client's `aeron_archive_async_connect.h`, which is not installed: gives an attempt up and frees it.
    fn aeron_archive_async_connect_delete(connect: *mut sys::aeron_archive_async_connect_t) -> i32;
}

/// A connection to an archive that is being made.
///
/// Poll it until it returns the archive or an error. Dropping it before that abandons the attempt and leaves nothing behind. Mirrors
/// `AeronArchive.AsyncConnect` and `aeron_archive_async_connect_t`. It can be moved to another thread but not shared.
///
/// ```no_run
/// # use aeron_cluster::archive::{Archive, AsyncConnect, Context};
/// # fn connect(context: &Context, mut do_something_else: impl FnMut()) -> aeron_cluster::Result<Archive> {
/// let mut connecting = AsyncConnect::start(context)?;
/// loop {
///     if let Some(archive) = connecting.poll()? {
///         return Ok(archive);
///     }
///     do_something_else();
/// }
/// # }
/// ```
#[must_use = "dropping it gives the connection up"]
pub struct AsyncConnect {
    raw: Option<NonNull<sys::aeron_archive_async_connect_t>>,
    // Declared after `raw`, which works with it.
    context: Option<NativeContext>,
    name: String,
}

// SAFETY: the attempt is plain memory and handles that are not bound to a thread, reached through `&mut self` alone.
unsafe impl Send for AsyncConnect {}

impl AsyncConnect {
    /// Starts to connect.
    ///
    /// # Blocking
    ///
    /// Until the media driver has given a session id: about a millisecond, and at most until the client finds the driver
    /// dead.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a missing or bad channel; [`Closed`](ErrorKind::Closed) or
    /// [`DriverDead`](ErrorKind::DriverDead) when the client or the driver is gone.
    pub fn start(context: &Context) -> Result<Self> {
        let native = context.to_native()?;
        let _turn = context.aeron().turn()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the context is live, has a client, and is used by this attempt alone.
        let result = unsafe { sys::aeron_archive_async_connect(&mut raw, native.ptr()) };
        check(result, "cannot connect to the archive").map_err(|error| unless_closed(&native, error))?;
        let raw = NonNull::new(raw).ok_or_else(|| failure("cannot connect to the archive"))?;
        // SAFETY: the context is live, and its channel a string of its own.
        let (channel, stream_id) = unsafe {
            (
                text_of(sys::aeron_archive_context_get_control_request_channel(native.ptr())).unwrap_or_default(),
                sys::aeron_archive_context_get_control_request_stream_id(native.ptr()),
            )
        };
        let name = format!("archive at {channel} stream {stream_id}");
        let connect = AsyncConnect { raw: Some(raw), context: Some(native), name };
        connect.finish_callbacks()?;
        Ok(connect)
    }

    /// Does the next step. `None` means not yet. Does not block; runs the client's conductor if that has no thread.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) when nobody answered within the message timeout; [`Archive`](ErrorKind::Archive) when
    /// the archive refused; [`Authentication`](ErrorKind::Authentication) when it rejected the credentials;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for credentials that are too long; [`Closed`](ErrorKind::Closed) when the client
    /// has ended. After an error or an archive, polling again is an error.
    pub fn poll(&mut self) -> Result<Option<Archive>> {
        let (Some(raw), Some(context)) = (self.raw, &self.context) else {
            return Err(Error::new(ErrorKind::State, format!("connecting is over: {}", self.name)));
        };
        context.aeron.check_process()?;
        if context.aeron.is_closed() {
            return Err(closed(context, &format!("cannot connect to {}", self.name)));
        }
        context.aeron.drive();
        let turn = context.aeron.turn()?;
        let mut archive = std::ptr::null_mut();
        // SAFETY: the attempt is live; C frees it when the result is not 0, and then it is forgotten here.
        let result = unsafe { sys::aeron_archive_async_connect_poll(&mut archive, raw.as_ptr()) };
        drop(turn);
        if result != 0 {
            self.raw = None;
        }
        let failed = (result < 0).then(|| self.refused(failure(format_args!("cannot connect to {}", self.name))));
        if let Err(error) = self.finish_callbacks() {
            self.give_up();
            return Err(error.context(format_args!("cannot connect to {}", self.name)));
        }
        match (failed, result, NonNull::new(archive)) {
            (Some(error), _, _) => Err(error),
            (None, 0, _) => Ok(None),
            (None, _, archive) => self.connected(archive).map(Some),
        }
    }

    fn connected(&mut self, archive: Option<NonNull<sys::aeron_archive_t>>) -> Result<Archive> {
        match (archive, self.context.take()) {
            // SAFETY: C hands the connection out once, here, and the context is the one it was made with.
            (Some(archive), Some(context)) => Ok(unsafe { Archive::new(archive, context) }),
            _ => Err(Error::new(ErrorKind::Native, format!("the C archive client gave nothing for {}", self.name))),
        }
    }

    /// Resumes a panic, or returns an error, of a callback during the last call of C.
    fn finish_callbacks(&self) -> Result<()> {
        self.context.as_ref().map_or(Ok(()), |context| context.callbacks().finish())
    }

    fn refused(&self, error: Error) -> Error {
        let kind = match error.code() {
            CONNECT_TIMEOUT_CODE => ErrorKind::Timeout,
            // C passes on the archive's message but drops its code.
            libc::EINVAL if error.message().contains(REJECTED) => ErrorKind::Authentication,
            libc::EINVAL => ErrorKind::Archive,
            _ => return error,
        };
        Error::with_code(kind, error.code(), error.message())
    }
}

fn unless_closed(context: &NativeContext, error: Error) -> Error {
    if context.aeron.is_closed() { closed(context, "cannot connect to the archive") } else { error }
}

fn closed(context: &NativeContext, doing: &str) -> Error {
    let why = context.aeron.last_error().map_or_else(String::new, |error| format!(": {error}"));
    Error::new(ErrorKind::Closed, format!("{doing}, the Aeron client is closed{why}"))
}

impl Drop for AsyncConnect {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl AsyncConnect {
    fn give_up(&mut self) {
        if let Some(raw) = self.raw.take() {
            // SAFETY: no poll ended the attempt, so it is live; its client and context still are.
            unsafe { aeron_archive_async_connect_delete(raw.as_ptr()) };
        }
    }
}

impl fmt::Debug for AsyncConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncConnect({}, over: {})", self.name, self.raw.is_none())
    }
}
