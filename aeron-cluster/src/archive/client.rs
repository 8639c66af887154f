//! A connection to an archive.

use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

use aeron_sys as sys;

use super::callbacks::Callbacks;
use super::connect::AsyncConnect;
use super::context::Context;
use super::native_context::NativeContext;
use super::response::decode_signal;
use super::{check, failure};
use crate::Result;
use crate::aeron::{Action, Aeron, FragmentAssembler, poll_native};

/// How often a blocking call checks again.
pub(super) const POLL_INTERVAL: Duration = Duration::from_micros(200);

/// Where the publication to be recorded is. Mirrors `SourceLocation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceLocation {
    /// On the archive's own media driver; the archive records it as a spy.
    Local,
    /// Anywhere on the network.
    Remote,
}

impl SourceLocation {
    pub(super) fn native(self) -> sys::aeron_archive_source_location_t {
        match self {
            SourceLocation::Local => sys::aeron_archive_source_location_en_AERON_ARCHIVE_SOURCE_LOCATION_LOCAL,
            SourceLocation::Remote => sys::aeron_archive_source_location_en_AERON_ARCHIVE_SOURCE_LOCATION_REMOTE,
        }
    }
}

/// A connection to an archive. Mirrors `AeronArchive` and `aeron_archive_t`.
///
/// Requests block until the archive answers, at most for the context's message timeout. All of them can fail with:
///
/// - [`NotConnected`](crate::ErrorKind::NotConnected): the archive went away, and this connection cannot be used any more: connect again;
/// - [`Timeout`](crate::ErrorKind::Timeout): no answer in time;
/// - [`StorageSpace`](crate::ErrorKind::StorageSpace): the archive's disk is full;
/// - [`Archive`](crate::ErrorKind::Archive): the archive refused; the message says why.
///
/// Later failures, such as a disk that fills up, are reported as errors without a request: see
/// [`check_for_error_response`](Self::check_for_error_response). A recording that ends this way blocks its publisher until it is stopped.
///
/// # Threads
///
/// It can be moved to another thread but not shared: requests borrow it mutably. If the client's conductor has no thread, they run it while they
/// wait.
///
/// # Blocking
///
/// Each request, for at most the message timeout; those that add a publication or a subscription also for that. Reading counters, ids and
/// settings does not block.
///
/// Dropping it ends the session with the archive. Recordings go on, unless `auto_stop` ends them.
pub struct Archive {
    raw: NonNull<sys::aeron_archive_t>,
    // After `raw`, which works with it until it is closed.
    context: NativeContext,
    /// Of the answers that are polled for here, apart from C's own.
    assembler: FragmentAssembler,
}

// SAFETY: the C object is not bound to a thread: it locks a mutex within each call (aeron_archive_client.c), and only one
// owner calls it here.
unsafe impl Send for Archive {}

impl Archive {
    /// # Safety
    ///
    /// `raw` must be live and owned by nobody else, and connected with `context`.
    pub(super) unsafe fn new(raw: NonNull<sys::aeron_archive_t>, context: NativeContext) -> Self {
        Archive { raw, context, assembler: FragmentAssembler::new() }
    }

    /// Connects to the archive.
    ///
    /// # Blocking
    ///
    /// Up to the context's message timeout.
    ///
    /// # Errors
    ///
    /// As [`AsyncConnect::start`] and [`AsyncConnect::poll`].
    pub fn connect(context: &Context) -> Result<Archive> {
        let mut connect = AsyncConnect::start(context)?;
        loop {
            if let Some(archive) = connect.poll()? {
                return Ok(archive);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Ends the session with the archive, as dropping it does.
    pub fn close(self) {}

    /// The Aeron client of the connection.
    pub fn aeron(&self) -> &Aeron {
        &self.context.aeron
    }

    /// The archive's id, which distinguishes its counters from those of other archives on the same media driver.
    pub fn archive_id(&self) -> i64 {
        // SAFETY: the connection is live as long as `self`.
        unsafe { sys::aeron_archive_get_archive_id(self.ptr()) }
    }

    /// The id of this session with the archive.
    pub fn control_session_id(&self) -> i64 {
        // SAFETY: as in `archive_id`.
        unsafe { sys::aeron_archive_control_session_id(self.ptr()) }
    }

    /// Lets C make a request and wait for its answer, holding the conductor's lock; then resumes panics and returns errors of handlers that C
    /// called meanwhile.
    pub(super) fn request(
        &mut self,
        doing: impl fmt::Display,
        call: impl FnOnce(*mut sys::aeron_archive_t) -> i32,
    ) -> Result<()> {
        self.context.aeron.check_process()?;
        let turn = self.context.aeron.turn()?;
        let result = check(call(self.ptr()), doing);
        drop(turn);
        self.context.callbacks().finish()?;
        result
    }

    /// Whether the archive can answer. Once it cannot, the connection cannot be used any more. Over IPC this stays true for an archive that has
    /// ended until a request or poll has consumed everything that it had sent.
    pub fn is_connected(&self) -> bool {
        // SAFETY: the connection is live, and its subscription as long.
        unsafe { sys::aeron_subscription_is_connected(self.responses()) }
    }

    /// How long an answer may take.
    pub(super) fn message_timeout(&self) -> Duration {
        self.context.message_timeout()
    }

    /// Passes whole messages of the archive to `handler`, which returns an action after each; signals go to their consumer instead.
    pub(super) fn poll_responses(&mut self, limit: usize, mut handler: impl FnMut(&[u8]) -> Action) -> Result<()> {
        let (subscription, control_session_id) = (self.responses(), self.control_session_id());
        let (assembler, callbacks) = (&mut self.assembler, self.context.callbacks());
        let mut take = |message: &[u8]| match decode_signal(message) {
            Some(signal) if signal.control_session_id == control_session_id => {
                callbacks.signal(&signal);
                Action::Continue
            }
            _ => handler(message),
        };
        // SAFETY: the subscription is live as long as the connection, and polled through `&mut self` alone.
        let polled = unsafe {
            poll_native(subscription, limit, |fragment, header| {
                assembler.on_fragment(fragment, header, |message, _| take(message))
            })
        };
        polled.map(drop)
    }

    fn responses(&self) -> *mut sys::aeron_subscription_t {
        // SAFETY: the connection is live as long as `self`; C hands out its subscription and keeps owning it.
        unsafe { sys::aeron_archive_get_control_response_subscription(self.ptr()) }
    }

    pub(super) fn callbacks(&self) -> &Callbacks {
        self.context.callbacks()
    }

    pub(super) fn native_context(&self) -> *mut sys::aeron_archive_context_t {
        // SAFETY: the connection is live as long as `self`; C hands out its context and keeps owning it.
        unsafe { sys::aeron_archive_get_archive_context(self.ptr()) }
    }

    /// The C archive client, for C code in the same process. It lives as long as this value; never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_archive_t {
        self.ptr()
    }

    fn ptr(&self) -> *mut sys::aeron_archive_t {
        self.raw.as_ptr()
    }

    pub(super) fn counters(&self) -> *mut sys::aeron_counters_reader_t {
        // SAFETY: the client is live as long as `self`.
        unsafe { sys::aeron_counters_reader(self.context.aeron.as_ptr()) }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // In a child that was forked it leaks: closing it would end the parent's session.
        if self.context.aeron.is_forked() {
            return;
        }
        // SAFETY: the connection is live and closed here alone; its client and context go after it.
        if unsafe { sys::aeron_archive_close(self.ptr()) } < 0 {
            tracing::warn!("{}", failure("cannot close the connection to the archive"));
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("archive_id", &self.archive_id())
            .field("control_session_id", &self.control_session_id())
            .finish()
    }
}
