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
/// Cheap to clone: clones are the same client. It has one thread of its own, the conductor, or else the program works the
/// conductor ([`do_work`](Self::do_work)). All methods can be called from any thread, also from handlers, where those that wait
/// would wait for themselves and are errors of the kind [`State`](crate::ErrorKind::State). Mirrors `io.aeron.Aeron` and `aeron_t`.
///
/// The client closes when the last clone and the last handle that came from it are gone. It is of no use to a child that is forked: adding
/// is an error there, closing does nothing, and sending would write into the parent's logs.
#[derive(Clone)]
pub struct Aeron {
    inner: Arc<ClientInner>,
    /// The same, for those who read its counters.
    owner: Owner,
}

impl Aeron {
    /// Connects to the media driver.
    ///
    /// # Blocking
    ///
    /// Up to the driver time-out when no driver is there.
    ///
    /// # Errors
    ///
    /// [`DriverDead`](crate::ErrorKind::DriverDead) when no driver answers, naming its directory;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a setting that cannot be used.
    pub fn connect(context: Context) -> Result<Self> {
        context.connect()
    }

    pub(super) fn from_inner(inner: Arc<ClientInner>) -> Self {
        let owner: Owner = Arc::<ClientInner>::clone(&inner);
        Aeron { inner, owner }
    }

    /// A client that C code made and closes, to add to it from Rust.
    ///
    /// Handlers that are added here are never called: C has none of ours. Its error handler should not be C's default, which ends the
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

    /// How long the driver may be silent, and how long adding something may take.
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

    /// Whether the client ended by itself, as it does when the driver dies or lost touch with it. Final.
    ///
    /// C says so first, then closes one handle after the other, and then reports the error: a handle may say a moment later that it
    /// is closed, and says so once [`last_error`](Self::last_error) has what ended the client
    /// (`aeron_client_conductor_force_close_resources`).
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// The last error the conductor reported, the one that ended the client among them.
    pub fn last_error(&self) -> Option<Error> {
        self.inner.callbacks.last_error()
    }

    /// Works the conductor once, and returns how much there was to do. For a client that has no thread for it
    /// ([`Context::use_conductor_agent_invoker`]); does not wait.
    ///
    /// Any thread may do it, one at a time: to others, and in handlers that it calls, the answer is 0 and nothing is done. What was
    /// added or dropped on any thread since is done here. Mirrors `AgentInvoker.invoke` of `Aeron.conductorAgentInvoker` and
    /// `aeron_main_do_work`.
    ///
    /// # Errors
    ///
    /// [`State`](crate::ErrorKind::State) for a client with a conductor thread;
    /// [`DriverDead`](crate::ErrorKind::DriverDead) or [`Closed`](crate::ErrorKind::Closed) when the client ends, and from then on.
    pub fn do_work(&self) -> Result<usize> {
        if !self.is_invoker() {
            return Err(Error::new(
                ErrorKind::State,
                "the client's conductor has a thread of its own: set use_conductor_agent_invoker to work it yourself",
            ));
        }
        self.inner.drive()
    }

    /// Whether the program works the conductor with [`do_work`](Self::do_work).
    pub fn is_invoker(&self) -> bool {
        self.inner.is_invoker()
    }

    pub(super) fn native_context(&self) -> *mut sys::aeron_context_t {
        self.inner.context()
    }

    /// What works the client where something waits: nothing if it has a thread, or ended.
    pub(crate) fn drive(&self) -> usize {
        self.inner.drive().unwrap_or(0)
    }

    /// Whether this process is a child that was forked from the client's.
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
    /// What the driver says against the channel; [`Closed`](crate::ErrorKind::Closed) or
    /// [`DriverDead`](crate::ErrorKind::DriverDead) when the client or the driver is gone.
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

    /// A session id that no publication of the stream has on this driver, and waits for the driver's answer. Mirrors
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

    /// As [`add_subscription`](Self::add_subscription), with handlers that are told of its images.
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

    /// Calls `handler` for every counter that comes from now on, on the conductor: it must be quick, must not wait for the client, and a
    /// panic in it is logged. It may be called once more while it is being removed. Mirrors `Aeron.addAvailableCounterHandler`.
    pub fn add_available_counter_handler(&self, handler: impl FnMut(&CounterEvent<'_>) + Send + 'static) -> HandlerId {
        self.inner.callbacks.handlers.on_available_counter(handler)
    }

    /// Calls `handler` for every counter that goes from now on. Otherwise as
    /// [`add_available_counter_handler`](Self::add_available_counter_handler).
    pub fn add_unavailable_counter_handler(
        &self,
        handler: impl FnMut(&CounterEvent<'_>) + Send + 'static,
    ) -> HandlerId {
        self.inner.callbacks.handlers.on_unavailable_counter(handler)
    }

    /// Calls `handler` when the client closes: when its last handle has gone, on the thread that let it go. A client that ends by itself
    /// tells the error handler first. Mirrors `Aeron.addCloseHandler`.
    pub fn add_close_handler(&self, handler: impl FnMut() + Send + 'static) -> HandlerId {
        self.inner.callbacks.handlers.on_close(handler)
    }

    /// Removes a handler, and says whether it was there.
    pub fn remove_handler(&self, id: HandlerId) -> bool {
        self.inner.callbacks.handlers.remove(id)
    }

    /// Adds a counter of this client and waits for the driver's answer.
    ///
    /// `key` may be up to 112 bytes and `label` up to 380: what is longer is refused.
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

    /// Adds a counter that nobody owns and nobody can remove, or finds the one of this type and registration id, and waits for the
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

    /// All counters of the driver and its clients, to read.
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
