//! The settings of a persistent subscription.

use std::fmt;

use super::context::Context;
use crate::Error;

/// Where a persistent subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// Where the recording does.
    Start,
    /// With what is sent live from now on.
    Live,
    /// At a position of the recording.
    Position(i64),
}

/// What a persistent subscription tells, within its polls, on their thread.
pub trait PersistentSubscriptionListener {
    /// Messages come from the live stream alone from now on.
    fn on_live_joined(&mut self) {}

    /// The live stream is lost, and a replay begins.
    fn on_live_left(&mut self) {}

    /// Something went wrong. The subscription has failed ([`has_failed`](super::PersistentSubscription::has_failed)), or tries again, for ever:
    /// connecting to the archive too, also after [`Authentication`](crate::ErrorKind::Authentication), which does not pass by itself.
    fn on_error(&mut self, _error: &Error) {}
}

/// Hears nothing.
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
    /// Receives the stream of `live_channel`, and catches up with it from the recording over `replay_channel`, over a connection to the archive of its
    /// own with the settings of `archive`. The replay channel may have an endpoint whose port is 0, or
    /// `control-mode=response`. Begins with what is sent live.
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

    /// Where it begins. Default: live.
    #[must_use]
    pub fn start_from(mut self, start: StartFrom) -> Self {
        self.start = start;
        self
    }

    /// Who hears of joining and leaving the live stream, and of errors.
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
