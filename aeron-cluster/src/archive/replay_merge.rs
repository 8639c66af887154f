//! Joining a live stream by way of its recording.

use std::fmt;
use std::ptr::NonNull;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aeron_sys as sys;

use super::client::Archive;
use super::error_code::native_code;
use super::guard::{id, invalid, position};
use super::{check, failure};
use crate::aeron::{
    Action, Aeron, ChannelUri, Header, ImageRef, Subscription, kind_of, native_channel, poll_native_image,
};
use crate::{Error, ErrorKind, Result};

/// How long a merge may come no further (`REPLAY_MERGE_PROGRESS_TIMEOUT_DEFAULT_MS`).
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often closing is tried: each failure leaves C one thing less to wait for.
const CLOSE_ATTEMPTS: usize = 3;

/// What is merged, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayMergeSettings {
    replay_channel: String,
    replay_destination: String,
    live_destination: String,
    recording_id: i64,
    start_position: i64,
    progress_timeout: Duration,
}

impl ReplayMergeSettings {
    /// Replays the recording from `start_position` on, and goes on with the stream of `live_destination`. All are UDP channels. The archive
    /// replays to `replay_destination`, which has an endpoint of this machine, whose port may be 0. `replay_channel` is what the
    /// archive's publication has beyond that, and names the recording's session, which both streams must share: `aeron:udp?session-id=…`.
    pub fn new(
        recording_id: i64,
        start_position: i64,
        replay_channel: impl Into<String>,
        replay_destination: impl Into<String>,
        live_destination: impl Into<String>,
    ) -> Self {
        ReplayMergeSettings {
            replay_channel: replay_channel.into(),
            replay_destination: replay_destination.into(),
            live_destination: live_destination.into(),
            recording_id,
            start_position,
            progress_timeout: PROGRESS_TIMEOUT,
        }
    }

    /// How long the merge may come no further. Default: 5 s.
    #[must_use]
    pub fn progress_timeout(mut self, timeout: Duration) -> Self {
        self.progress_timeout = timeout;
        self
    }
}

/// A subscription that catches up with a live stream from its recording, and then goes on with the live stream, without a gap and without
/// a message twice. Mirrors `ReplayMerge` and `aeron_archive_replay_merge_t`.
///
/// It owns the connection to the archive and the subscription: both are busy until the merge is over, and [`finish`](Self::finish) gives them
/// back. Call [`poll`](Self::poll) again and again; once [`is_merged`](Self::is_merged), poll on or finish.
///
/// ```no_run
/// # use aeron_cluster::aeron::Image;
/// # use aeron_cluster::archive::{Archive, ReplayMerge, ReplayMergeSettings};
/// # fn join(archive: Archive, session_id: i32) -> aeron_cluster::Result<Option<Image>> {
/// let live = "aeron:udp?endpoint=localhost:0|control=publisher.example:20100";
/// let settings =
///     ReplayMergeSettings::new(7, 0, format!("aeron:udp?session-id={session_id}"), "aeron:udp?endpoint=localhost:0", live);
/// let subscription = archive.aeron().add_subscription("aeron:udp?control-mode=manual", 1001)?;
/// let mut merge = ReplayMerge::start(archive, subscription, &settings)?;
/// while !merge.is_merged() {
///     merge.poll(10, |fragment, header| println!("{} bytes up to {}", fragment.len(), header.position()))?;
/// }
/// let (_archive, subscription) = merge.finish();
/// Ok(subscription.into_image(session_id).ok())
/// # }
/// ```
///
/// Signals that the archive sends meanwhile are lost, as in Java and C. Dropping it ends the replay, removes the destination of the
/// replay and waits for the driver's answers to that, about a millisecond, or until the client finds that the driver is dead.
pub struct ReplayMerge {
    // In the order in which they must end.
    merging: Merging,
    subscription: Subscription,
    archive: Archive,
}

impl ReplayMerge {
    /// Starts to merge. `subscription` has a channel with `control-mode=manual`, no destinations and no session id, and the recording's stream.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for channels that cannot be merged, a negative id or position, or a channel that is
    /// too long; [`Closed`](ErrorKind::Closed) when the client ended. The connection and the subscription end then.
    pub fn start(archive: Archive, subscription: Subscription, settings: &ReplayMergeSettings) -> Result<ReplayMerge> {
        let recording_id = id("recording", settings.recording_id)?;
        let doing = format!("cannot merge a replay of the recording {recording_id}");
        let start_position = position("start position", settings.start_position)?;
        for channel in [&settings.replay_channel, &settings.replay_destination, &settings.live_destination] {
            ChannelUri::parse(channel)?;
        }
        let replay_channel = native_channel(&settings.replay_channel, "replay channel")?;
        let replay_destination = native_channel(&settings.replay_destination, "replay destination")?;
        let live_destination = native_channel(&settings.live_destination, "live destination")?;
        let timeout_ms = i64::try_from(settings.progress_timeout.as_millis())
            .ok()
            .filter(|timeout| (1..=i64::from(i32::MAX)).contains(timeout))
            .ok_or_else(|| {
                invalid(format!("progress timeout of a merge is out of range: {:?}", settings.progress_timeout))
            })?;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let turn = archive.aeron().turn()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: archive and subscription are live, and stay so until the merge is closed: it is the first field. C copies the strings.
        let result = unsafe {
            sys::aeron_archive_replay_merge_init(
                &mut raw,
                subscription.as_ptr(),
                archive.as_ptr(),
                replay_channel.as_ptr(),
                replay_destination.as_ptr(),
                live_destination.as_ptr(),
                recording_id,
                start_position,
                now_ms as i64,
                timeout_ms,
            )
        };
        let started = check(result, &doing);
        drop(turn);
        started?;
        let raw = NonNull::new(raw).ok_or_else(|| failure(doing))?;
        let merging = Merging { raw, aeron: archive.aeron().clone() };
        Ok(ReplayMerge { merging, subscription, archive })
    }

    /// Takes the merge a step further, without taking messages. Does not block. Returns how much there was to do.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) when it comes no further; [`Archive`](ErrorKind::Archive) and what else the archive says;
    /// [`Registration`](ErrorKind::Registration) for a destination that the driver refuses. The merge has failed then
    /// ([`has_failed`](Self::has_failed)) and does nothing more.
    pub fn do_work(&mut self) -> Result<usize> {
        self.merging.aeron.check_process()?;
        self.merging.aeron.drive();
        if self.merging.aeron.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "cannot go on merging: the Aeron client is closed"));
        }
        let turn = self.merging.aeron.turn()?;
        let mut work = 0;
        // SAFETY: the merge is live, and reached through `&mut self` alone; C adds to the count.
        let result = unsafe { sys::aeron_archive_replay_merge_do_work(&mut work, self.merging.ptr()) };
        let done = check(result, "cannot go on merging").map_err(of_archive);
        drop(turn);
        self.archive.callbacks().finish()?;
        done.map(|()| usize::try_from(work).unwrap_or(0))
    }

    /// Takes the merge a step further, and gives at most `fragment_limit` fragments to `handler`, of the replay or of the live stream.
    /// Returns how many. Does not block.
    ///
    /// # Errors
    ///
    /// As [`do_work`](Self::do_work).
    pub fn poll(&mut self, fragment_limit: usize, mut handler: impl FnMut(&[u8], &Header<'_>)) -> Result<usize> {
        self.controlled_poll(fragment_limit, |message, header| {
            handler(message, header);
            Action::Continue
        })
    }

    /// As [`poll`](Self::poll), with a handler that says after each fragment how to go on.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        self.do_work()?;
        let Some(image) = self.merging.image() else { return Ok(0) };
        // SAFETY: the image is retained by the merge, and polled here alone: the subscription is owned.
        unsafe { poll_native_image(image.as_ptr(), fragment_limit, handler) }
    }

    /// The image that the messages come from, once the replay is connected.
    pub fn image(&mut self) -> Option<ImageRef<'_>> {
        let session_id = self.merging.session_id()?;
        self.subscription.image_by_session_id(session_id)
    }

    /// The session of the stream, once the replay is connected: what [`Subscription::into_image`] wants after
    /// [`finish`](Self::finish).
    pub fn session_id(&self) -> Option<i32> {
        self.merging.session_id()
    }

    /// Whether messages come from the live stream alone.
    pub fn is_merged(&self) -> bool {
        // SAFETY: the merge is live.
        unsafe { sys::aeron_archive_replay_merge_is_merged(self.merging.ptr()) }
    }

    /// Whether it failed, and will not be merged.
    pub fn has_failed(&self) -> bool {
        // SAFETY: the merge is live.
        unsafe { sys::aeron_archive_replay_merge_has_failed(self.merging.ptr()) }
    }

    /// Whether the live stream is being received, beside the replay or alone.
    pub fn is_live_added(&self) -> bool {
        // SAFETY: the merge is live.
        unsafe { sys::aeron_archive_replay_merge_is_live_added(self.merging.ptr()) }
    }

    /// Ends the merge, and gives back the connection to the archive and the subscription; after a merge, the image goes on in that. Blocks
    /// as dropping it does.
    pub fn finish(self) -> (Archive, Subscription) {
        let ReplayMerge { merging, subscription, archive } = self;
        drop(merging);
        (archive, subscription)
    }
}

impl fmt::Debug for ReplayMerge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayMerge")
            .field("merged", &self.is_merged())
            .field("failed", &self.has_failed())
            .field("live_added", &self.is_live_added())
            .finish_non_exhaustive()
    }
}

/// Here C gives the archive's codes as they are.
fn of_archive(error: Error) -> Error {
    match native_code(i64::from(error.code())) {
        Some(code) if error.code() > 0 => Error::with_code(kind_of(code), code, error.message()),
        _ => error,
    }
}

/// An `aeron_archive_replay_merge_t`. The archive and the subscription that it works with must outlive it.
struct Merging {
    raw: NonNull<sys::aeron_archive_replay_merge_t>,
    aeron: Aeron,
}

// SAFETY: the merge is plain memory and handles that are not bound to a thread, reached through `&mut` of its owner alone.
unsafe impl Send for Merging {}

impl Merging {
    fn ptr(&self) -> *mut sys::aeron_archive_replay_merge_t {
        self.raw.as_ptr()
    }

    /// Its image, which it retains once it has it.
    fn image(&self) -> Option<NonNull<sys::aeron_image_t>> {
        // SAFETY: the merge is live.
        NonNull::new(unsafe { sys::aeron_archive_replay_merge_image(self.ptr()) })
    }

    fn session_id(&self) -> Option<i32> {
        let image = self.image()?;
        let mut constants = std::mem::MaybeUninit::<sys::aeron_image_constants_t>::zeroed();
        // SAFETY: the image is retained; the struct is plain C data for which zero is a value.
        let constants = unsafe {
            sys::aeron_image_constants(image.as_ptr(), constants.as_mut_ptr());
            constants.assume_init()
        };
        Some(constants.session_id)
    }

    /// Waits until the driver answers something, or the client has ended. C asks the driver to remove a destination and waits for the
    /// answer: for ever if the client ends meanwhile, as it does when the driver is dead and nobody has noticed. Of a client that has
    /// ended it asks nothing.
    fn await_driver(&self) {
        while !self.aeron.is_closed() {
            match self.aeron.next_session_id(0) {
                Err(error) if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::DriverDead) => {}
                _ => break,
            }
        }
    }

    /// Waits for the driver to remove the destination of the replay. An error along the way leaves the merge alive, with one thing less to
    /// wait for.
    fn close(&self) -> Result<()> {
        self.await_driver();
        let _turn = self.aeron.turn()?;
        let mut closed = Ok(());
        for _ in 0..CLOSE_ATTEMPTS {
            // SAFETY: the merge is live until this gives 0, and not used after that.
            closed = check(unsafe { sys::aeron_archive_replay_merge_close(self.ptr()) }, "cannot close a merge");
            if closed.is_ok() {
                break;
            }
        }
        closed
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        // In a child that was forked it leaks: closing it would end the parent's replay.
        if self.aeron.is_forked() {
            return;
        }
        let image = self.image();
        if let Err(error) = self.close() {
            tracing::warn!("{error}; it stays until the process ends");
        }
        if let Some(image) = image {
            // SAFETY: C retained the image for the merge and forgets to release it; the subscription is closed after this.
            unsafe { sys::aeron_image_release(image.as_ptr()) };
        }
    }
}
