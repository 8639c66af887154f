//! Replaces a lost session by a new one.

use std::time::Instant;

use super::change::Reason;
use super::connecting::{Connected, Connecting};
use super::reconnect::{Backoff, Reconnect};
use super::settings::Settings;
use crate::error::{Error, ErrorKind};

/// How far the replacement has come.
enum Phase {
    /// Nothing to do: the session is open, or the client is closed.
    Idle,
    /// The session is lost; the next attempt is due at this time.
    Waiting(Instant),
    Connecting(Box<Connecting>),
}

/// The outcome of a poll.
pub(super) enum Progress {
    /// Nothing to report; the amount of work done.
    Work(usize),
    Opened(Box<Connected>),
    /// There will be no further attempt.
    GaveUp(Reason),
}

/// Opens a new session whenever the session is lost, as the [`Reconnect`] policy allows.
pub(super) struct Reconnecting {
    backoff: Backoff,
    phase: Phase,
}

impl Reconnecting {
    /// Starts with a session that was opened at `now`.
    pub(super) fn new(policy: Reconnect, now: Instant) -> Self {
        Self { backoff: Backoff::new(policy, now), phase: Phase::Idle }
    }

    /// To be called when the session is lost. `Err` with the number of attempts so far if there will be no further one.
    pub(super) fn on_loss(&mut self, now: Instant) -> Result<(), u32> {
        let delay = self.backoff.on_loss(now).ok_or(self.backoff.attempts())?;
        self.phase = Phase::Waiting(now + delay);
        Ok(())
    }

    /// Abandons an attempt in progress.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Does the next step. Does not block, except to make a new Aeron client if the old one is closed.
    pub(super) fn poll(&mut self, settings: &mut Settings) -> Progress {
        let outcome = match &mut self.phase {
            Phase::Idle => return Progress::Work(0),
            Phase::Waiting(due) if settings.now() < *due => return Progress::Work(0),
            Phase::Waiting(_) => {
                self.backoff.on_attempt();
                settings.renew_aeron().map(|()| {
                    self.phase = Phase::Connecting(Box::new(Connecting::new(settings)));
                    None
                })
            }
            Phase::Connecting(connecting) => {
                let before = connecting.state();
                let outcome = connecting.poll(settings);
                if matches!(outcome, Ok(None)) && connecting.state() == before {
                    return Progress::Work(0);
                }
                outcome
            }
        };
        match outcome {
            Ok(None) => Progress::Work(1),
            Ok(Some(connected)) => {
                self.phase = Phase::Idle;
                self.backoff.on_opened(settings.now());
                Progress::Opened(Box::new(connected))
            }
            Err(error) => self.on_failure(error, settings),
        }
    }

    fn on_failure(&mut self, error: Error, settings: &Settings) -> Progress {
        let (attempts, now) = (self.backoff.attempts(), settings.now());
        tracing::warn!(attempts, "cannot open a new session with the cluster: {error}");
        self.phase = Phase::Idle;
        let is_final =
            error.kind() == ErrorKind::Authentication || (settings.aeron.is_closed() && !settings.owns_aeron());
        match if is_final { None } else { self.backoff.on_failure(now) } {
            Some(delay) => {
                self.phase = Phase::Waiting(now + delay);
                Progress::Work(1)
            }
            None => Progress::GaveUp(Reason::GaveUp { attempts, error }),
        }
    }
}
