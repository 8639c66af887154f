//! Joining a live stream, starting from its recording.

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

/// How long a merge may go without progress (`REPLAY_MERGE_PROGRESS_TIMEOUT_DEFAULT_MS`).
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often closing is tried. After each failure C has one thing less to wait for.
const CLOSE_ATTEMPTS: usize = 3;

/// The settings of a [`ReplayMerge`].
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
    /// Replays the recording from `start_position` on, and continues with the stream of `live_destination`. All are UDP channels. The archive
    /// replays to `replay_destination`, which has an endpoint of this machine; its port may be 0. `replay_channel` has the other parameters of
    /// the archive's publication, and the recording's session id, which must be that of the live stream: `aeron:udp?session-id=…`.
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

    /// How long the merge may go without progress before it fails. Default: 5 s.
    #[must_use]
    pub fn progress_timeout(mut self, timeout: Duration) -> Self {
        self.progress_timeout = timeout;
        self
    }
}

/// A subscription that catches up with a live stream from its recording, and then continues with the live stream, without a gap and without
/// duplicates. Mirrors `ReplayMerge` and `aeron_archive_replay_merge_t`.
///
/// It owns the connection to the archive and the subscription until [`finish`](Self::finish) returns them. Call [`poll`](Self::poll) in a loop;
/// once [`is_merged`](Self::is_merged) returns true, either poll on or finish.
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
/// Signals that the archive sends during the merge are lost, as in Java and C. Dropping it ends the replay and removes the destination of the
/// replay. That blocks until the driver answers, for about a millisecond, or until the client finds the driver dead.
pub struct ReplayMerge {
    // In the order in which they must end.
    merging: Merging,
    subscription: Subscription,
    archive: Archive,
}

impl ReplayMerge {
    /// Starts to merge. `subscription` must have a channel with `control-mode=manual`, without destinations or a session id, and the recording's
    /// stream.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for channels that cannot be merged, a negative id or position, or a channel that is
    /// too long; [`Closed`](ErrorKind::Closed) if the client has ended. Connection and subscription are closed after an error.
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

    /// Does the next step of the merge, without taking messages. Does not block. Returns the amount of work done.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) without progress; [`Archive`](ErrorKind::Archive) and others if the archive refuses;
    /// [`Registration`](ErrorKind::Registration) for a destination that the driver refuses. The merge has then failed
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

    /// Does the next step of the merge, and passes at most `fragment_limit` fragments, of the replay or of the live stream, to `handler`.
    /// Returns the number of fragments. Does not block.
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

    /// As [`poll`](Self::poll), with a handler that returns an action after each fragment.
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

    /// The session id of the stream, once the replay is connected; pass it to [`Subscription::into_image`] after
    /// [`finish`](Self::finish).
    pub fn session_id(&self) -> Option<i32> {
        self.merging.session_id()
    }

    /// Whether messages come from the live stream only.
    pub fn is_merged(&self) -> bool {
        // SAFETY: the merge is live.
        unsafe { sys::aeron_archive_replay_merge_is_merged(self.merging.ptr()) }
    }

    /// Whether the merge has failed for good.
    pub fn has_failed(&self) -> bool {
        // SAFETY: the merge is live.
        unsafe { sys::aeron_archive_replay_merge_has_failed(self.merging.ptr()) }
    }

    /// Whether the live stream is being received, with or without the replay.
    pub fn is_live_added(&self) -> bool {
        // SAFETY: the merge is live.
        unsafe { sys::aeron_archive_replay_merge_is_live_added(self.merging.ptr()) }
    }

    /// Ends the merge, and returns the connection to the archive and the subscription, which has the merged image. Blocks
    /// as dropping does.
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

/// Converts the archive's code, which C does not do here.
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

    /// Blocks until the driver has answered a request, or the client has ended. To close a merge, C asks the driver to remove a destination and waits
    /// for the answer, for ever if the client ends meanwhile, as it does when the driver has died unnoticed. If the client has already
    /// ended, C makes no request.
    fn await_driver(&self) {
        while !self.aeron.is_closed() {
            match self.aeron.next_session_id(0) {
                Err(error) if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::DriverDead) => {}
                _ => break,
            }
        }
    }

    /// Blocks until the driver has removed the destination of the replay. After an error the merge is still there, with one thing less to
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
