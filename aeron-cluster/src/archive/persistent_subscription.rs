//! A subscription that falls back on a recording whenever it loses the live stream.

use std::fmt;
use std::ptr::NonNull;

use aeron_sys as sys;

use super::guard::{id, invalid, position};
use super::native_context::{NativeContext, text_of};
use super::persistent_context::{ListenerSlot, PersistentContext, error_of};
use super::persistent_settings::{PersistentSubscriptionSettings, StartFrom};
use super::{check, failure};
use crate::aeron::{Action, Header, Slot};
use crate::{Error, ErrorKind, Result};

/// A subscription to a live stream that is being recorded. It catches up from the recording when it starts and whenever it loses the live stream,
/// without a gap and without duplicates. Mirrors `PersistentSubscription` and `aeron_archive_persistent_subscription_t`.
///
/// It has its own connection to the archive, which polls make, and make again if it is lost. Four counters show its state. It can be
/// moved to another thread but not shared.
///
/// ```no_run
/// # use aeron_cluster::archive::{Context, PersistentSubscription, PersistentSubscriptionSettings, StartFrom};
/// # fn follow(archive: Context) -> aeron_cluster::Result<()> {
/// let (live, replay) = ("aeron:udp?control=publisher.example:20100|endpoint=localhost:0", "aeron:udp?endpoint=localhost:0");
/// let settings =
///     PersistentSubscriptionSettings::new(archive, 7, live, 1001, replay, 1002).start_from(StartFrom::Start);
/// let mut subscription = PersistentSubscription::start(settings)?;
/// loop {
///     subscription.poll(10, |message, header| println!("{} bytes up to {}", message.len(), header.position()))?;
/// }
/// # }
/// ```
///
/// If the client's conductor has no thread, a poll holds the conductor's lock, so handlers must not block on the client, for example by adding a
/// publication.
pub struct PersistentSubscription {
    // In the order in which they must end: C's context closes with the subscription.
    live: Live,
    listener: ListenerSlot,
    archive: NativeContext,
}

impl PersistentSubscription {
    /// Adds the counters and prepares the rest; polls do the work.
    ///
    /// # Blocking
    ///
    /// Until the media driver has added four counters: some milliseconds, and at most until the client finds the driver dead.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a channel, an id or a position that cannot be used;
    /// [`Closed`](ErrorKind::Closed) or [`DriverDead`](ErrorKind::DriverDead) when the client or the driver is gone.
    pub fn start(settings: PersistentSubscriptionSettings) -> Result<Self> {
        let doing = "cannot create a persistent subscription";
        id("recording", settings.recording_id)?;
        if let StartFrom::Position(start) = settings.start {
            position("start position", start)?;
        }
        if settings.live_stream_id == -1 || settings.replay_stream_id == -1 {
            return Err(invalid(format!("{doing}: C takes the stream id -1 for none")));
        }
        let archive = settings.archive.to_native()?;
        let listener = ListenerSlot::new(settings.listener);
        let context = PersistentContext::new(&archive, &listener)?;
        context.set_recording(settings.recording_id, settings.start)?;
        context.set_live(&settings.live_channel, settings.live_stream_id)?;
        context.set_replay(&settings.replay_channel, settings.replay_stream_id)?;
        let turn = archive.aeron.turn()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the context is live and complete, and what it points to outlives the subscription.
        let result = unsafe { sys::aeron_archive_persistent_subscription_create(&mut raw, context.ptr()) };
        let created = check(result, doing);
        drop(turn);
        created?;
        let raw = NonNull::new(raw).ok_or_else(|| failure(doing))?;
        context.owned_by_subscription();
        let live = Live { raw, aeron: archive.aeron.clone() };
        Ok(PersistentSubscription { live, listener, archive })
    }

    /// Does the next work, and passes whole messages, from at most `fragment_limit` fragments, to `handler`. Returns the amount of work done,
    /// messages included. Does not block, except for about a millisecond when it connects to the archive.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed) if the client has ended; once the subscription has failed, the error that it failed with. Errors after which it
    /// retries only go to the listener.
    pub fn poll(&mut self, fragment_limit: usize, mut handler: impl FnMut(&[u8], &Header<'_>)) -> Result<usize> {
        self.controlled_poll(fragment_limit, |message, header| {
            handler(message, header);
            Action::Continue
        })
    }

    /// As [`poll`](Self::poll), with a handler that returns an action after each message.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        self.archive.aeron.drive();
        if self.archive.aeron.is_closed() {
            return Err(Error::new(
                ErrorKind::Closed,
                "cannot poll a persistent subscription: the Aeron client is closed",
            ));
        }
        let turn = self.archive.aeron.turn()?;
        let mut slot = Slot::new(handler);
        // SAFETY: the subscription is live and polled by `&mut self` alone; the slot lives across the call.
        let work = unsafe {
            sys::aeron_archive_persistent_subscription_controlled_poll(
                self.live.ptr(),
                slot.controlled_message(),
                slot.clientd(),
                fragment_limit,
            )
        };
        drop(turn);
        slot.finish();
        self.listener.finish();
        self.archive.callbacks().finish()?;
        match self.failure() {
            Some(error) => Err(error),
            None => Ok(usize::try_from(work).unwrap_or(0)),
        }
    }

    /// Whether messages come from the live stream only.
    pub fn is_live(&self) -> bool {
        // SAFETY: the subscription is live.
        unsafe { sys::aeron_archive_persistent_subscription_is_live(self.live.ptr()) }
    }

    /// Whether messages come from the recording.
    pub fn is_replaying(&self) -> bool {
        // SAFETY: the subscription is live.
        unsafe { sys::aeron_archive_persistent_subscription_is_replaying(self.live.ptr()) }
    }

    /// Whether it failed for good.
    pub fn has_failed(&self) -> bool {
        // SAFETY: the subscription is live.
        unsafe { sys::aeron_archive_persistent_subscription_has_failed(self.live.ptr()) }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<Error> {
        let (mut code, mut message) = (0, std::ptr::null());
        // SAFETY: the subscription is live; the message is a string of its own, copied here.
        let failure = unsafe {
            sys::aeron_archive_persistent_subscription_failure_reason(self.live.ptr(), &mut code, &mut message)
                .then(|| error_of(code, &text_of(message).unwrap_or_default()))
        }?;
        // If the recording stopped before the position seen live, C tells only the listener.
        let is_untold = failure.message().is_empty();
        Some(is_untold.then(|| self.listener.last_error()).flatten().unwrap_or(failure))
    }

    /// How many bytes the replay was behind the live stream when it last tried to join; negative if it was ahead, `None` before the first attempt.
    pub fn join_difference(&self) -> Option<i64> {
        let difference =
            self.counter(sys::aeron_archive_persistent_subscription_context_get_join_difference_counter)?;
        (difference != i64::MIN).then_some(difference)
    }

    /// How often it joined the live stream.
    pub fn live_joined_count(&self) -> i64 {
        self.counter(sys::aeron_archive_persistent_subscription_context_get_live_joined_counter).unwrap_or(0)
    }

    /// How often it lost the live stream.
    pub fn live_left_count(&self) -> i64 {
        self.counter(sys::aeron_archive_persistent_subscription_context_get_live_left_counter).unwrap_or(0)
    }

    /// The state as its counter shows it, by `PersistentSubscription.State`.
    pub fn state(&self) -> Option<i64> {
        self.counter(sys::aeron_archive_persistent_subscription_context_get_state_counter)
    }

    fn counter(
        &self,
        getter: unsafe extern "C" fn(
            *mut sys::aeron_archive_persistent_subscription_context_t,
        ) -> *mut sys::aeron_counter_t,
    ) -> Option<i64> {
        // SAFETY: the subscription and the context that it owns are live, and so are its counters, whose cells stay mapped as long as the
        // client.
        unsafe {
            let context =
                sys::aeron_archive_persistent_subscription_get_persistent_subscription_context(self.live.ptr());
            let cell = NonNull::new(sys::aeron_counter_addr(getter(context)))?;
            Some(std::sync::atomic::AtomicI64::from_ptr(cell.as_ptr()).load(std::sync::atomic::Ordering::Acquire))
        }
    }

    /// The C subscription, for C code in the same process. It lives as long as this value; never close it, and never poll it from C while
    /// Rust polls.
    pub fn as_ptr(&self) -> *mut sys::aeron_archive_persistent_subscription_t {
        self.live.ptr()
    }
}

impl fmt::Debug for PersistentSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistentSubscription")
            .field("live", &self.is_live())
            .field("replaying", &self.is_replaying())
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}

/// An `aeron_archive_persistent_subscription_t`, which owns its context. What both point to must outlive it.
struct Live {
    raw: NonNull<sys::aeron_archive_persistent_subscription_t>,
    aeron: crate::aeron::Aeron,
}

// SAFETY: the subscription is not bound to a thread, and reached through `&mut` of its owner, but for what C reads without changing.
unsafe impl Send for Live {}

impl Live {
    fn ptr(&self) -> *mut sys::aeron_archive_persistent_subscription_t {
        self.raw.as_ptr()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // In a child that was forked it leaks: closing it would end the parent's session with the archive.
        if self.aeron.is_forked() {
            return;
        }
        // In a handler of the conductor there is none to be had, and closing waits for nothing.
        let _turn = self.aeron.turn();
        // SAFETY: the subscription is live and closed here alone.
        if unsafe { sys::aeron_archive_persistent_subscription_close(self.ptr()) } < 0 {
            tracing::warn!("{}", failure("cannot close a persistent subscription"));
        }
    }
}
