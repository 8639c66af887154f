//! The settings of a persistent subscription.

use std::fmt;

use super::context::Context;
use crate::Error;

/// Where a persistent subscription starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// At the start of the recording.
    Start,
    /// With the live stream from now on.
    Live,
    /// At a position of the recording.
    Position(i64),
}

/// Listens to a persistent subscription. Called within its polls, on their thread.
pub trait PersistentSubscriptionListener {
    /// From now on messages come from the live stream only.
    fn on_live_joined(&mut self) {}

    /// The live stream is lost, and a replay starts.
    fn on_live_left(&mut self) {}

    /// An error. Either the subscription has failed ([`has_failed`](super::PersistentSubscription::has_failed)), or it retries, for ever. It
    /// retries connecting to the archive even after [`Authentication`](crate::ErrorKind::Authentication), which will not succeed by itself.
    fn on_error(&mut self, _error: &Error) {}
}

/// Ignores everything.
impl PersistentSubscriptionListener for () {}

/// The settings of a [`PersistentSubscription`](super::PersistentSubscription). Mirrors `PersistentSubscription.Context` and
/// `aeron_archive_persistent_subscription_context_t`.
pub struct PersistentSubscriptionSettings {
    pub(super) archive: Context,
    pub(super) recording_id: i64,
    pub(super) live_channel: String,
    pub(super) live_stream_id: i32,
    pub(super) replay_channel: String,
    pub(super) replay_stream_id: i32,
    pub(super) start: StartFrom,
    pub(super) listener: Box<dyn PersistentSubscriptionListener + Send>,
}

impl PersistentSubscriptionSettings {
    /// Receives the stream of `live_channel`, and catches up with it from the recording over `replay_channel`. It makes its own connection to the
    /// archive, with the settings of `archive`. The replay channel may have an endpoint with port 0, or
    /// `control-mode=response`. Starts with the live stream; see [`start_from`](Self::start_from).
    pub fn new(
        archive: Context,
        recording_id: i64,
        live_channel: impl Into<String>,
        live_stream_id: i32,
        replay_channel: impl Into<String>,
        replay_stream_id: i32,
    ) -> Self {
        PersistentSubscriptionSettings {
            archive,
            recording_id,
            live_channel: live_channel.into(),
            live_stream_id,
            replay_channel: replay_channel.into(),
            replay_stream_id,
            start: StartFrom::Live,
            listener: Box::new(()),
        }
    }

    /// Where to start. Default: live.
    #[must_use]
    pub fn start_from(mut self, start: StartFrom) -> Self {
        self.start = start;
        self
    }

    /// Called when the live stream is joined and left, and with errors. Default: none.
    #[must_use]
    pub fn listener(mut self, listener: impl PersistentSubscriptionListener + Send + 'static) -> Self {
        self.listener = Box::new(listener);
        self
    }
}

impl fmt::Debug for PersistentSubscriptionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistentSubscriptionSettings")
            .field("recording_id", &self.recording_id)
            .field("live_channel", &self.live_channel)
            .field("live_stream_id", &self.live_stream_id)
            .field("replay_channel", &self.replay_channel)
            .field("replay_stream_id", &self.replay_stream_id)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
