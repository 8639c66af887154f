//! How the agent joins a log: step by step, so that it obeys other requests of the consensus module in between.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::stop::{Fault, Outcome, Stop};
use super::{ClusteredService, Role};
use crate::aeron::{AsyncAdd, ChannelUri, Image, NULL_VALUE, Subscription};
use crate::codec::{ActionFlags, JoinLog};
use crate::error::{Error, ErrorKind, Result};

/// The pauses before a log that could not be joined is tried again: each twice as long as the one before it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A log that the consensus module wants to be joined.
#[derive(Debug)]
struct ActiveLog {
    log_position: i64,
    max_log_position: i64,
    member_id: i32,
    session_id: i32,
    stream_id: i32,
    is_startup: bool,
    role: Role,
    is_standby: bool,
    channel: String,
}

impl From<JoinLog<'_>> for ActiveLog {
    fn from(event: JoinLog<'_>) -> Self {
        ActiveLog {
            log_position: event.log_position,
            max_log_position: event.max_log_position,
            member_id: event.member_id,
            session_id: event.log_session_id,
            stream_id: event.log_stream_id,
            is_startup: event.is_startup,
            role: event.role,
            is_standby: event.is_standby == Some(true),
            channel: event.log_channel.to_owned(),
        }
    }
}

/// How far the joining of a log has come.
#[derive(Debug)]
enum Step {
    /// Nothing has been done, or it was undone after a failure.
    Begin,
    /// The driver has been asked for the subscription.
    Adding(AsyncAdd<Subscription>),
    /// The subscription is there, the log's image is not.
    Awaiting(Subscription),
}

/// A log that is being joined. Dropping it abandons the attempt, as when a newer request to join replaces it.
#[derive(Debug)]
pub(super) struct Joining {
    log: ActiveLog,
    step: Step,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Joining {
    pub(super) fn new(event: JoinLog<'_>) -> Self {
        Joining { log: event.into(), step: Step::Begin, pause: FIRST_PAUSE, not_before: None }
    }

    /// Begins again after a pause.
    fn put_off(&mut self) {
        self.step = Step::Begin;
        self.not_before = Instant::now().checked_add(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

impl<S: ClusteredService> Agent<S> {
    /// Whether a log is being joined now. False while one that is still being read has to end first.
    pub(super) fn is_joining(&self) -> bool {
        self.joining.is_some() && !self.log.is_joined()
    }

    /// Takes the joining of a log as far as it goes without blocking. A failed attempt is retried later, unless the agent ends or
    /// another log is asked for. Mirrors `joinActiveLog`.
    pub(super) fn join(&mut self) -> Outcome<usize> {
        if self.log.is_joined() {
            return Ok(0);
        }
        let Some(mut joining) =
            self.joining.take_if(|joining| joining.not_before.is_none_or(|at| Instant::now() >= at))
        else {
            return Ok(0);
        };
        match self.advance(&mut joining) {
            Ok(true) => Ok(1),
            Ok(false) => {
                self.joining = Some(joining);
                Ok(0)
            }
            // A failure after the log was joined is no reason to join it again.
            Err(fault) if self.log.is_joined() => Err(fault),
            Err(fault) => {
                joining.put_off();
                self.joining = Some(joining);
                match fault {
                    Fault::Error(error) if is_registration(&error) => {
                        self.core.count(&error.context("failed to join active log, will retry"));
                        Ok(0)
                    }
                    fault => Err(fault),
                }
            }
        }
    }

    /// Goes through the steps until one has to wait. True once the last is done.
    fn advance(&mut self, joining: &mut Joining) -> Outcome<bool> {
        loop {
            // After an error the next attempt starts at the first step.
            match std::mem::replace(&mut joining.step, Step::Begin) {
                Step::Begin => joining.step = Step::Adding(self.subscribe(&joining.log)?),
                Step::Adding(mut add) => match add.poll()? {
                    Some(subscription) => joining.step = Step::Awaiting(subscription),
                    None => {
                        joining.step = Step::Adding(add);
                        return Ok(false);
                    }
                },
                Step::Awaiting(subscription) => match subscription.into_image(joining.log.session_id) {
                    Ok(image) => return self.enter(image, &joining.log).map(|()| true),
                    Err(subscription) => {
                        joining.step = Step::Awaiting(subscription);
                        return Ok(false);
                    }
                },
            }
        }
    }

    fn subscribe(&mut self, log: &ActiveLog) -> Outcome<AsyncAdd<Subscription>> {
        if log.role != Role::Leader {
            self.core.cluster.sessions.disconnect();
        }
        self.core.standby_snapshot_flags =
            if log.is_standby { ActionFlags::STANDBY_SNAPSHOT.0 } else { ActionFlags::DEFAULT.0 };
        let mut channel = ChannelUri::parse(&log.channel)?;
        channel.put("alias", format!("log-sc-{}", self.state().settings.service_id));
        Ok(self.state().aeron.async_add_subscription(&channel.to_string(), log.stream_id)?)
    }

    /// Starts to read a log whose image is there.
    fn enter(&mut self, image: Image, log: &ActiveLog) -> Outcome<()> {
        self.check_contiguous(image.join_position(), log.log_position)?;
        // Before anything changes, because a log whose acknowledgement fails is joined again from the start.
        self.core.ack(log.log_position, NULL_VALUE)?;
        self.log.join(image, log.max_log_position);
        self.state().member_id.set(log.member_id);
        self.mark_file.set_member_id(log.member_id);
        if log.role == Role::Leader {
            self.connect_sessions(log.is_startup);
        }
        self.core.set_role(log.role)
    }

    /// Refuses a log that does not start where the last one ended: it would lose or repeat messages.
    fn check_contiguous(&self, join_position: i64, event_position: i64) -> Result<(), Stop> {
        let expected = self.core.cluster.log_position();
        let refuse = |message: String| Err(Stop::Failed(Error::new(ErrorKind::Protocol, message)));
        if join_position != expected {
            return refuse(format!(
                "Cluster log must be contiguous for joining image: expectedPosition={expected} \
                 joinPosition={join_position}"
            ));
        }
        if event_position != expected {
            return refuse(format!(
                "Cluster log must be contiguous for active log event: expectedPosition={expected} \
                 eventPosition={event_position}"
            ));
        }
        Ok(())
    }

    fn connect_sessions(&self, is_startup: bool) {
        for session in self.core.cluster.client_sessions() {
            if self.state().settings.is_responding_service && !is_startup {
                session.connect();
            }
            session.reset_closing();
        }
    }
}

/// Whether the driver refused a registration, which in Java is a `RegistrationException`.
fn is_registration(error: &Error) -> bool {
    use ErrorKind::{Registration, ResourceTemporarilyUnavailable, StorageSpace};
    matches!(error.kind(), Registration | ResourceTemporarilyUnavailable | StorageSpace)
}
