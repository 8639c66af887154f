//! Handlers of events that the conductor reports: counters and registrations added and removed, errors of receivers, the client's end.
//!
//! C's own lists of handlers are set up once, with one function each: adding to them later would put a pointer to the caller's stack
//! into the conductor's queue, where it stays if the conductor does not answer in time (aeron_client_conductor.c,
//! `aeron_client_conductor_async_handler`). What a program adds is listed here.

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use aeron_sys as sys;

use super::callback::in_callback;
use super::counters::{CountersReader, Owner};
use super::handle::{Callbacks, lock};

const IPV4: i16 = 1;
const IPV6: i16 = 2;

/// Identifies a handler that was added to a client, in order to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// A counter that was added or removed.
#[derive(Debug)]
pub struct CounterEvent<'a> {
    /// A reader of all counters. It still describes a removed counter until its id is reused.
    pub counters: CountersReader<'a>,
    /// The counter's registration id.
    pub registration_id: i64,
    /// The counter's id.
    pub counter_id: i32,
}

/// A publication or subscription that the driver added for this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered<'a> {
    /// The kind of what was added.
    pub kind: RegisteredKind,
    /// The URI of the channel, as given when this was added.
    pub channel: &'a str,
    /// The id of the stream within the channel.
    pub stream_id: i32,
    /// The id of the session of a publication.
    pub session_id: Option<i32>,
    /// The id of its registration with the driver.
    pub registration_id: i64,
}

/// The kinds of what the driver adds for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisteredKind {
    /// A [`Publication`](super::Publication).
    Publication,
    /// An [`ExclusivePublication`](super::ExclusivePublication).
    ExclusivePublication,
    /// A [`Subscription`](super::Subscription).
    Subscription,
}

/// An error that a receiver sent to the publication of a stream: it has rejected the image. Mirrors `PublicationErrorFrame`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationError {
    /// The publication's first registration id ([`Publication::original_registration_id`](super::Publication::original_registration_id)).
    pub registration_id: i64,
    /// The registration id of the destination through which the receiver gets the stream; -1 if there is none.
    pub destination_registration_id: i64,
    /// The id of the session of the publication.
    pub session_id: i32,
    /// The id of the stream within the channel.
    pub stream_id: i32,
    /// The id of the receiver.
    pub receiver_id: i64,
    /// The group tag of the receiver; -1 if it has none.
    pub group_tag: i64,
    /// The address that it was sent from; `None` over IPC.
    pub source: Option<SocketAddr>,
    /// The code of the error (`io.aeron.ErrorCode`).
    pub error_code: i32,
    /// The receiver's reason.
    pub message: String,
}

type CloseHandler = Arc<Mutex<dyn FnMut() + Send>>;
type Registrations = Mutex<Box<dyn FnMut(&Registered<'_>) + Send>>;
type PublicationErrors = Mutex<Box<dyn FnMut(&PublicationError) + Send>>;
type CounterHandler = Arc<Mutex<dyn FnMut(&CounterEvent<'_>) + Send>>;

/// The handlers of a client.
#[derive(Default)]
pub(super) struct Handlers {
    next_id: AtomicU64,
    available_counter: Mutex<Vec<(HandlerId, CounterHandler)>>,
    unavailable_counter: Mutex<Vec<(HandlerId, CounterHandler)>>,
    close: Mutex<Vec<(HandlerId, CloseHandler)>>,
    pub(super) registered: Option<Registrations>,
    pub(super) publication_error: Option<PublicationErrors>,
    /// The client, through which counters are read, while it exists.
    pub(super) client: OnceLock<Weak<dyn Any + Send + Sync>>,
}

impl Handlers {
    fn next_id(&self) -> HandlerId {
        HandlerId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn on_available_counter(&self, handler: impl FnMut(&CounterEvent<'_>) + Send + 'static) -> HandlerId {
        let id = self.next_id();
        lock(&self.available_counter).push((id, Arc::new(Mutex::new(handler))));
        id
    }

    pub(super) fn on_unavailable_counter(&self, handler: impl FnMut(&CounterEvent<'_>) + Send + 'static) -> HandlerId {
        let id = self.next_id();
        lock(&self.unavailable_counter).push((id, Arc::new(Mutex::new(handler))));
        id
    }

    pub(super) fn on_close(&self, handler: impl FnMut() + Send + 'static) -> HandlerId {
        let id = self.next_id();
        lock(&self.close).push((id, Arc::new(Mutex::new(handler))));
        id
    }

    /// Removes a handler. Returns whether it was there.
    pub(super) fn remove(&self, id: HandlerId) -> bool {
        // Dropped after the lock is released, because dropping them runs user code.
        let available = take(&self.available_counter, id);
        let unavailable = take(&self.unavailable_counter, id);
        let close = take(&self.close, id);
        available.is_some() || unavailable.is_some() || close.is_some()
    }
}

fn take<H>(handlers: &Mutex<Vec<(HandlerId, H)>>, id: HandlerId) -> Option<H> {
    let mut handlers = lock(handlers);
    let index = handlers.iter().position(|(other, _)| *other == id)?;
    Some(handlers.remove(index).1)
}

/// Sets the functions for C to call. `clientd` is the client's callbacks.
///
/// # Safety
///
/// `context` must be live, not yet used by a client, and freed before the callbacks.
pub(super) unsafe fn install(context: *mut sys::aeron_context_t, clientd: *mut c_void) -> i32 {
    // SAFETY: by this function's contract.
    let results = unsafe {
        [
            sys::aeron_context_set_on_available_counter(context, Some(on_available_counter), clientd),
            sys::aeron_context_set_on_unavailable_counter(context, Some(on_unavailable_counter), clientd),
            sys::aeron_context_set_on_close_client(context, Some(on_close), clientd),
            sys::aeron_context_set_on_new_publication(context, Some(on_new_publication), clientd),
            sys::aeron_context_set_on_new_exclusive_publication(context, Some(on_new_exclusive_publication), clientd),
            sys::aeron_context_set_on_new_subscription(context, Some(on_new_subscription), clientd),
            sys::aeron_context_set_publication_error_frame_handler(context, Some(on_publication_error), clientd),
        ]
    };
    results.into_iter().min().unwrap_or(0)
}

/// # Safety
///
/// For C to call from its conductor, with the client's callbacks, which outlive it.
unsafe extern "C" fn on_available_counter(
    clientd: *mut c_void,
    reader: *mut sys::aeron_counters_reader_t,
    registration_id: i64,
    counter_id: i32,
) {
    // SAFETY: by this function's contract.
    let callbacks = unsafe { &*clientd.cast::<Callbacks>() };
    // SAFETY: the reader is the client's.
    unsafe { tell_of_counter(callbacks, &callbacks.handlers.available_counter, reader, registration_id, counter_id) };
}

/// # Safety
///
/// As [`on_available_counter`].
unsafe extern "C" fn on_unavailable_counter(
    clientd: *mut c_void,
    reader: *mut sys::aeron_counters_reader_t,
    registration_id: i64,
    counter_id: i32,
) {
    // SAFETY: by this function's contract.
    let callbacks = unsafe { &*clientd.cast::<Callbacks>() };
    // SAFETY: the reader is the client's.
    unsafe { tell_of_counter(callbacks, &callbacks.handlers.unavailable_counter, reader, registration_id, counter_id) };
}

/// # Safety
///
/// `reader` must be that of the client of `callbacks`.
unsafe fn tell_of_counter(
    callbacks: &Callbacks,
    handlers: &Mutex<Vec<(HandlerId, CounterHandler)>>,
    reader: *mut sys::aeron_counters_reader_t,
    registration_id: i64,
    counter_id: i32,
) {
    // A copy: a handler may add and remove handlers.
    let handlers: Vec<_> = lock(handlers).iter().map(|(_, handler)| Arc::clone(handler)).collect();
    for handler in handlers {
        // Moved in, so that it is dropped in the callback: this may be the last reference, since a handler may remove itself.
        in_callback(callbacks, move || {
            // In here, because it may be the last one. A client that is closing tells of nothing.
            let Some(owner): Option<Owner> = callbacks.handlers.client.get().and_then(Weak::upgrade) else { return };
            // SAFETY: the reader lives as long as the client, which `owner` is.
            let counters = unsafe { CountersReader::new(&owner, reader) };
            lock(&handler)(&CounterEvent { counters, registration_id, counter_id });
        });
    }
}

/// # Safety
///
/// For C to call in `aeron_close`, with the client's callbacks, which outlive it.
unsafe extern "C" fn on_close(clientd: *mut c_void) {
    // SAFETY: by this function's contract.
    let callbacks = unsafe { &*clientd.cast::<Callbacks>() };
    for (_, handler) in std::mem::take(&mut *lock(&callbacks.handlers.close)) {
        in_callback(callbacks, move || lock(&handler)());
    }
}

/// # Safety
///
/// For C to call from its conductor, with the client's callbacks and a channel that is a string for the length of the call.
unsafe extern "C" fn on_new_publication(
    clientd: *mut c_void,
    channel: *const c_char,
    stream_id: i32,
    session_id: i32,
    registration_id: i64,
) {
    // SAFETY: by this function's contract.
    unsafe {
        registered(clientd, RegisteredKind::Publication, channel, stream_id, Some(session_id), registration_id);
    }
}

/// # Safety
///
/// As [`on_new_publication`].
unsafe extern "C" fn on_new_exclusive_publication(
    clientd: *mut c_void,
    channel: *const c_char,
    stream_id: i32,
    session_id: i32,
    registration_id: i64,
) {
    // SAFETY: by this function's contract.
    unsafe {
        registered(
            clientd,
            RegisteredKind::ExclusivePublication,
            channel,
            stream_id,
            Some(session_id),
            registration_id,
        );
    }
}

/// # Safety
///
/// As [`on_new_publication`].
unsafe extern "C" fn on_new_subscription(
    clientd: *mut c_void,
    channel: *const c_char,
    stream_id: i32,
    registration_id: i64,
) {
    // SAFETY: by this function's contract.
    unsafe { registered(clientd, RegisteredKind::Subscription, channel, stream_id, None, registration_id) };
}

/// # Safety
///
/// As [`on_new_publication`].
unsafe fn registered(
    clientd: *mut c_void,
    kind: RegisteredKind,
    channel: *const c_char,
    stream_id: i32,
    session_id: Option<i32>,
    registration_id: i64,
) {
    // SAFETY: by this function's contract.
    let (callbacks, channel) = unsafe { (&*clientd.cast::<Callbacks>(), CStr::from_ptr(channel)) };
    let Some(handler) = &callbacks.handlers.registered else { return };
    let channel = channel.to_string_lossy();
    let registered = Registered { kind, channel: &channel, stream_id, session_id, registration_id };
    in_callback(callbacks, || lock(handler)(&registered));
}

/// # Safety
///
/// For C to call from its conductor, with the client's callbacks and an error whose message lies behind it.
unsafe extern "C" fn on_publication_error(clientd: *mut c_void, error: *mut sys::aeron_publication_error_values_t) {
    // SAFETY: by this function's contract.
    let callbacks = unsafe { &*clientd.cast::<Callbacks>() };
    let Some(handler) = &callbacks.handlers.publication_error else { return };
    // SAFETY: by this function's contract; the struct is packed, so it is read as a whole and never referred to.
    let error = unsafe {
        let values = error.read_unaligned();
        let length = usize::try_from(values.error_message_length).unwrap_or(0);
        let message = (&raw const (*error).error_message).cast::<u8>();
        publication_error(&values, std::slice::from_raw_parts(message, length))
    };
    in_callback(callbacks, || lock(handler)(&error));
}

fn publication_error(values: &sys::aeron_publication_error_values_t, message: &[u8]) -> PublicationError {
    let (address, port) = (values.source_address, values.source_port);
    let source = match values.address_type {
        IPV4 => Some(IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3]))),
        IPV6 => Some(IpAddr::V6(Ipv6Addr::from(address))),
        _ => None,
    };
    PublicationError {
        registration_id: values.registration_id,
        destination_registration_id: values.destination_registration_id,
        session_id: values.session_id,
        stream_id: values.stream_id,
        receiver_id: values.receiver_id,
        group_tag: values.group_tag,
        source: source.map(|address| SocketAddr::new(address, port)),
        error_code: values.error_code,
        message: String::from_utf8_lossy(message).trim_end_matches('\0').to_owned(),
    }
}
