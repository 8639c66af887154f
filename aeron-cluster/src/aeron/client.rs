//! The client itself.

use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::AsyncAdd;
use super::conductor_handlers::{CounterEvent, HandlerId};
use super::context::Context;
use super::counter::{Counter, CounterSpec};
use super::counters::{CountersReader, Owner};
use super::exclusive_publication::ExclusivePublication;
use super::handle::ClientInner;
use super::image_handlers::ImageHandlers;
use super::invoker::Turn;
use super::publication::Publication;
use super::session_id::AsyncSessionId;
use super::subscription::Subscription;
use crate::error::{Error, ErrorKind, Result};

/// A client of a media driver.
///
/// Cheap to clone: clones are the same client. Its conductor has a thread, or else the program runs it
/// ([`do_work`](Self::do_work)). All methods can be called from any thread. In handlers, which the conductor calls, methods that block
/// would wait for themselves and return an error of kind [`State`](crate::ErrorKind::State). Mirrors `io.aeron.Aeron` and `aeron_t`.
///
/// The client closes when the last clone and the last handle that came from it are dropped. A forked child cannot use it: adding
/// is an error there, closing does nothing, and sending would write into the parent's logs.
#[derive(Clone)]
pub struct Aeron {
    inner: Arc<ClientInner>,
    /// The same, for readers of counters.
    owner: Owner,
}

impl Aeron {
    /// Connects to the media driver.
    ///
    /// # Blocking
    ///
    /// Until the driver answers, up to the driver time-out.
    ///
    /// # Errors
    ///
    /// [`DriverDead`](crate::ErrorKind::DriverDead) if no driver answers, naming its directory;
    /// [`Protocol`](crate::ErrorKind::Protocol) if the driver's file is damaged or of another version;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an invalid setting.
    pub fn connect(context: Context) -> Result<Self> {
        context.connect()
    }

    pub(super) fn from_inner(inner: Arc<ClientInner>) -> Self {
        let owner: Owner = Arc::<ClientInner>::clone(&inner);
        Aeron { inner, owner }
    }

    /// Wraps a client that C code has made and will close, to add to it from Rust.
    ///
    /// Handlers added to it are never called, since C knows none of ours. Its error handler should not be C's default, which exits the
    /// process when the driver dies.
    ///
    /// # Safety
    ///
    /// `raw` must be a live client, which C code must not close before all clones and handles of the result are gone.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a client without a conductor thread.
    pub unsafe fn from_raw(raw: NonNull<sys::aeron_t>) -> Result<Self> {
        // SAFETY: by this function's contract.
        Ok(Self::from_inner(Arc::new(unsafe { ClientInner::borrowed(raw) }?)))
    }

    /// The driver's directory.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// How long the driver may be silent, and the longest that adding something blocks.
    pub fn driver_timeout(&self) -> std::time::Duration {
        self.inner.driver_timeout
    }

    /// The id by which the driver knows this client (`Aeron.clientId`).
    pub fn client_id(&self) -> i64 {
        // SAFETY: the client is live as long as `inner`.
        unsafe { sys::aeron_client_id(self.inner.ptr()) }
    }

    /// An id that is unique among all clients of the driver (`Aeron.nextCorrelationId`).
    pub fn next_correlation_id(&self) -> i64 {
        // SAFETY: as in `client_id`; the counter behind it is atomic.
        unsafe { sys::aeron_next_correlation_id(self.inner.ptr()) }
    }

    /// Whether the client has ended by itself, as it does when the driver dies or takes the client for dead. Final.
    ///
    /// C sets this first, then closes one handle after the other, and then reports the error. So a handle may report that it
    /// is closed a moment later, but not later than [`last_error`](Self::last_error) has the error that ended the client
    /// (`aeron_client_conductor_force_close_resources`).
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// The last error that the conductor reported, such as the one that ended the client.
    pub fn last_error(&self) -> Option<Error> {
        self.inner.callbacks.last_error()
    }

    /// Runs one duty cycle of the conductor, and returns the amount of work done. Only for a client whose conductor has no thread
    /// ([`Context::use_conductor_agent_invoker`]). Does not block.
    ///
    /// Any thread may call it. While one thread is in it, other threads, and handlers that it calls, get 0 and do nothing. It carries out adds and
    /// closes that any thread has requested since. Mirrors `AgentInvoker.invoke` of `Aeron.conductorAgentInvoker` and
    /// `aeron_main_do_work`.
    ///
    /// # Errors
    ///
    /// [`State`](crate::ErrorKind::State) for a client with a conductor thread;
    /// [`DriverDead`](crate::ErrorKind::DriverDead) or [`Closed`](crate::ErrorKind::Closed) once the client has ended.
    pub fn do_work(&self) -> Result<usize> {
        if !self.is_invoker() {
            return Err(Error::new(
                ErrorKind::State,
                "the client's conductor has a thread of its own: set use_conductor_agent_invoker to work it yourself",
            ));
        }
        self.inner.drive()
    }

    /// Whether the program runs the conductor with [`do_work`](Self::do_work).
    pub fn is_invoker(&self) -> bool {
        self.inner.is_invoker()
    }

    pub(super) fn native_context(&self) -> *mut sys::aeron_context_t {
        self.inner.context()
    }

    /// Runs the conductor if it has no thread; called by everything that waits. 0 if it has a thread, or the client has ended.
    pub(crate) fn drive(&self) -> usize {
        self.inner.drive().unwrap_or(0)
    }

    /// Whether this process is a forked child of the one that made the client.
    pub(crate) fn is_forked(&self) -> bool {
        self.check_process().is_err()
    }

    /// See [`ClientInner::check_process`].
    pub(crate) fn check_process(&self) -> Result<()> {
        self.inner.check_process()
    }

    /// See [`ClientInner::turn`].
    pub(crate) fn turn(&self) -> Result<Option<Turn<'_>>> {
        self.inner.turn()
    }

    /// Adds a publication that may be shared between threads, and waits for the driver's answer.
    ///
    /// # Blocking
    ///
    /// Up to the driver time-out; usually one millisecond.
    ///
    /// # Errors
    ///
    /// [`Registration`](crate::ErrorKind::Registration), or a more specific kind, if the driver refuses the channel, with its reason;
    /// [`Closed`](crate::ErrorKind::Closed) or [`DriverDead`](crate::ErrorKind::DriverDead) if the client or the driver is gone.
    pub fn add_publication(&self, channel: &str, stream_id: i32) -> Result<Publication> {
        self.async_add_publication(channel, stream_id)?.wait()
    }

    /// As [`add_publication`](Self::add_publication), without waiting.
    pub fn async_add_publication(&self, channel: &str, stream_id: i32) -> Result<AsyncAdd<Publication>> {
        AsyncAdd::start(&self.inner, Publication::describe(channel, stream_id)?)
    }

    /// Adds a publication for one thread, with a session of its own, and waits for the driver's answer.
    ///
    /// # Blocking and errors
    ///
    /// As [`add_publication`](Self::add_publication).
    pub fn add_exclusive_publication(&self, channel: &str, stream_id: i32) -> Result<ExclusivePublication> {
        self.async_add_exclusive_publication(channel, stream_id)?.wait()
    }

    /// As [`add_exclusive_publication`](Self::add_exclusive_publication), without waiting.
    pub fn async_add_exclusive_publication(
        &self,
        channel: &str,
        stream_id: i32,
    ) -> Result<AsyncAdd<ExclusivePublication>> {
        AsyncAdd::start(&self.inner, ExclusivePublication::describe(channel, stream_id)?)
    }

    /// Asks the driver for a session id that none of its publications on the stream has, and waits for the answer. Mirrors
    /// `Aeron.nextSessionId`.
    ///
    /// # Blocking and errors
    ///
    /// As [`add_publication`](Self::add_publication).
    pub fn next_session_id(&self, stream_id: i32) -> Result<i32> {
        self.async_next_session_id(stream_id)?.wait()
    }

    /// As [`next_session_id`](Self::next_session_id), without waiting.
    pub fn async_next_session_id(&self, stream_id: i32) -> Result<AsyncSessionId> {
        AsyncSessionId::start(&self.inner, stream_id)
    }

    /// Adds a subscription and waits for the driver's answer.
    ///
    /// # Blocking and errors
    ///
    /// As [`add_publication`](Self::add_publication).
    pub fn add_subscription(&self, channel: &str, stream_id: i32) -> Result<Subscription> {
        self.async_add_subscription(channel, stream_id)?.wait()
    }

    /// As [`add_subscription`](Self::add_subscription), without waiting.
    pub fn async_add_subscription(&self, channel: &str, stream_id: i32) -> Result<AsyncAdd<Subscription>> {
        AsyncAdd::start(&self.inner, Subscription::describe(channel, stream_id)?)
    }

    /// As [`add_subscription`](Self::add_subscription), with handlers that are called when its images become available or unavailable.
    ///
    /// # Blocking and errors
    ///
    /// As [`add_publication`](Self::add_publication).
    pub fn add_subscription_with(
        &self,
        channel: &str,
        stream_id: i32,
        handlers: ImageHandlers,
    ) -> Result<Subscription> {
        self.async_add_subscription_with(channel, stream_id, handlers)?.wait()
    }

    /// As [`add_subscription_with`](Self::add_subscription_with), without waiting.
    pub fn async_add_subscription_with(
        &self,
        channel: &str,
        stream_id: i32,
        handlers: ImageHandlers,
    ) -> Result<AsyncAdd<Subscription>> {
        let spec = Subscription::describe(channel, stream_id)?.with_handlers(&self.inner, handlers);
        AsyncAdd::start(&self.inner, spec)
    }

    /// Calls `handler` for every counter that is added from now on. It runs on the conductor: it must be quick and must not wait for the client; a
    /// panic in it is logged. It may be called once more while it is being removed. Mirrors `Aeron.addAvailableCounterHandler`.
    pub fn add_available_counter_handler(&self, handler: impl FnMut(&CounterEvent<'_>) + Send + 'static) -> HandlerId {
        self.inner.callbacks.handlers.on_available_counter(handler)
    }

    /// Calls `handler` for every counter that is removed from now on. Otherwise as
    /// [`add_available_counter_handler`](Self::add_available_counter_handler).
    pub fn add_unavailable_counter_handler(
        &self,
        handler: impl FnMut(&CounterEvent<'_>) + Send + 'static,
    ) -> HandlerId {
        self.inner.callbacks.handlers.on_unavailable_counter(handler)
    }

    /// Calls `handler` when the client closes, on the thread that drops its last handle. A client that ends by itself calls
    /// the error handler before that. Mirrors `Aeron.addCloseHandler`.
    pub fn add_close_handler(&self, handler: impl FnMut() + Send + 'static) -> HandlerId {
        self.inner.callbacks.handlers.on_close(handler)
    }

    /// Removes a handler. Returns whether it was there.
    pub fn remove_handler(&self, id: HandlerId) -> bool {
        self.inner.callbacks.handlers.remove(id)
    }

    /// Adds a counter of this client and waits for the driver's answer.
    ///
    /// `key` may have up to 112 bytes and `label` up to 380; longer ones are refused.
    ///
    /// # Blocking and errors
    ///
    /// As [`add_publication`](Self::add_publication).
    pub fn add_counter(&self, type_id: i32, key: &[u8], label: &str) -> Result<Counter> {
        self.async_add_counter(type_id, key, label)?.wait()
    }

    /// As [`add_counter`](Self::add_counter), without waiting.
    pub fn async_add_counter(&self, type_id: i32, key: &[u8], label: &str) -> Result<AsyncAdd<Counter>> {
        AsyncAdd::start(&self.inner, CounterSpec::new(type_id, key, label, None)?)
    }

    /// Adds a counter that has no owner and is never removed, or finds the one with this type and registration id, and waits for the
    /// driver's answer. Mirrors `Aeron.addStaticCounter`.
    ///
    /// # Blocking and errors
    ///
    /// As [`add_counter`](Self::add_counter).
    pub fn add_static_counter(&self, type_id: i32, key: &[u8], label: &str, registration_id: i64) -> Result<Counter> {
        self.async_add_static_counter(type_id, key, label, registration_id)?.wait()
    }

    /// As [`add_static_counter`](Self::add_static_counter), without waiting.
    pub fn async_add_static_counter(
        &self,
        type_id: i32,
        key: &[u8],
        label: &str,
        registration_id: i64,
    ) -> Result<AsyncAdd<Counter>> {
        AsyncAdd::start(&self.inner, CounterSpec::new(type_id, key, label, Some(registration_id))?)
    }

    /// A reader of all counters of the driver and its clients.
    pub fn counters(&self) -> CountersReader<'_> {
        // SAFETY: the client is live; its reader belongs to it and lives as long (aeronc.h), as does the mapped CnC file.
        unsafe { CountersReader::new(&self.owner, sys::aeron_counters_reader(self.inner.ptr())) }
    }

    pub(super) fn share(&self) -> Arc<ClientInner> {
        Arc::clone(&self.inner)
    }

    /// The C client, for C code in the same process. It lives as long as this value or any handle; never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_t {
        self.inner.ptr()
    }
}

impl std::fmt::Debug for Aeron {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aeron").field("dir", &self.inner.dir).field("closed", &self.is_closed()).finish()
    }
}
