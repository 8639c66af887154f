//! Starting and stopping replays.

use std::time::Instant;

use aeron_sys as sys;

use super::client::{Archive, POLL_INTERVAL};
use super::guard::{self, id, session_channel};
use super::replay_params::ReplayParams;
use crate::aeron::{NULL_VALUE, Subscription, native_channel};
use crate::{Error, ErrorKind, Result};

impl Archive {
    /// Starts to replay a recording onto a channel and stream. With `control-mode=response` in the channel,
    /// [`ReplayParams::subscription_registration_id`] names the subscription that was added for it.
    ///
    /// Returns the id of the replay; its low 32 bits, as an `i32`, are the session id of the archive's publication.
    /// Mirrors `AeronArchive.startReplay` and `startBoundedReplay`, and `aeron_archive_start_replay`.
    ///
    /// # Errors
    ///
    /// As every request ([`Archive`]), and [`InvalidArgument`](ErrorKind::InvalidArgument) for a channel that cannot be sent, and for one
    /// with `control-mode=response` without that id, or of another media than the archive's control channel.
    pub fn start_replay(
        &mut self,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        params: &ReplayParams,
    ) -> Result<i64> {
        let doing = format!("cannot start to replay the recording {recording_id} on {channel} stream {stream_id}");
        if self.is_response_channel(channel)? {
            params.response_subscription(&doing)?;
        }
        let (recording_id, native) = (id("recording", recording_id)?, native_channel(channel, "replay channel")?);
        let mut params = params.native(&doing)?;
        let mut replay_session_id = NULL_VALUE;
        // SAFETY: C writes the id, copies the string and reads the parameters within the call.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_start_replay(
                &mut replay_session_id,
                archive,
                recording_id,
                native.as_ptr(),
                stream_id,
                &mut params,
            )
        })?;
        Ok(replay_session_id)
    }

    /// Whether a replay on this channel goes over a response channel.
    pub(super) fn is_response_channel(&self, channel: &str) -> Result<bool> {
        guard::is_response_channel(channel, &self.settings().control_request_channel)
    }

    /// Replays a recording to a new subscription, which receives nothing else. With `control-mode=response` in the channel, the
    /// replay comes back on the path of the request, through firewalls and NAT. Mirrors `AeronArchive.replay`.
    ///
    /// # Blocking
    ///
    /// As a request and [`Aeron::add_subscription`](crate::aeron::Aeron::add_subscription) together. The latter is retried up to the message timeout
    /// while the address is still being released.
    ///
    /// # Errors
    ///
    /// Those of both, and [`Timeout`](ErrorKind::Timeout) if a replay over a response channel does not come. After an error no subscription is left
    /// behind.
    pub fn replay(
        &mut self,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        params: &ReplayParams,
    ) -> Result<Subscription> {
        if self.is_response_channel(channel)? {
            return self.replay_by_response(recording_id, channel, stream_id, params);
        }
        let replay_session_id = self.start_replay(recording_id, channel, stream_id, params)?;
        let added =
            session_channel(channel, replay_session_id as i32).and_then(|channel| self.subscribe(&channel, stream_id));
        if added.is_err()
            && let Err(error) = self.stop_replay(replay_session_id)
        {
            tracing::warn!("{error}: it goes on without a subscription");
        }
        added
    }

    fn replay_by_response(
        &mut self,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        params: &ReplayParams,
    ) -> Result<Subscription> {
        let subscription = self.subscribe(channel, stream_id)?;
        let params = params.subscription_registration_id(subscription.registration_id());
        let replay_session_id = self.start_replay(recording_id, channel, stream_id, &params)?;
        let deadline = Instant::now() + self.message_timeout();
        while !subscription.is_connected() {
            let is_closed = self.aeron().is_closed();
            if Instant::now() > deadline || is_closed {
                let message = format!("the replay {replay_session_id} of {recording_id} did not come on {channel}");
                return Err(Error::new(if is_closed { ErrorKind::Closed } else { ErrorKind::Timeout }, message));
            }
            self.idle();
        }
        Ok(subscription)
    }

    /// Adds a subscription, and retries while the driver is still releasing the address of an earlier one.
    fn subscribe(&self, channel: &str, stream_id: i32) -> Result<Subscription> {
        let deadline = Instant::now() + self.message_timeout();
        loop {
            match self.aeron().add_subscription(channel, stream_id) {
                Err(error)
                    if error.kind() == ErrorKind::ResourceTemporarilyUnavailable && Instant::now() < deadline =>
                {
                    self.idle();
                }
                added => return added,
            }
        }
    }

    fn idle(&self) {
        if self.aeron().drive() == 0 {
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Ends a replay, by the id from [`start_replay`](Self::start_replay). It is no error if it has already ended. Mirrors
    /// `AeronArchive.stopReplay`.
    pub fn stop_replay(&mut self, replay_session_id: i64) -> Result<()> {
        // SAFETY: numbers alone.
        self.request(format_args!("cannot stop the replay {replay_session_id}"), |archive| unsafe {
            sys::aeron_archive_stop_replay(archive, replay_session_id)
        })
    }

    /// Ends all replays of a recording, or with `None` all of the archive, whoever started them. Mirrors `AeronArchive.stopAllReplays`.
    pub fn stop_all_replays(&mut self, recording_id: Option<i64>) -> Result<()> {
        let recording_id = recording_id.map_or(Ok(NULL_VALUE), |recording_id| id("recording", recording_id))?;
        // SAFETY: numbers alone.
        self.request(format_args!("cannot stop all replays of the recording {recording_id}"), |archive| unsafe {
            sys::aeron_archive_stop_all_replays(archive, recording_id)
        })
    }
}
