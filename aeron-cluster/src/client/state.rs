//! Where a session stands with its cluster; pure, so that it can be tested with made-up times.

use std::fmt;
use std::time::{Duration, Instant};

use crate::aeron::OfferError;

/// Where a client stands with its cluster. Mirrors `AeronCluster.State`, which Java does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The session is open and the leader takes messages.
    Connected,
    /// The leader is lost; the cluster is expected to name a new one.
    AwaitNewLeader,
    /// A new leader is named; nothing was sent to it yet.
    AwaitNewLeaderConnection,
    /// The session is over; the client closes at the end of this poll.
    PendingClose,
    /// The client is closed.
    Closed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "CONNECTED",
            Self::AwaitNewLeader => "AWAIT_NEW_LEADER",
            Self::AwaitNewLeaderConnection => "AWAIT_NEW_LEADER_CONNECTION",
            Self::PendingClose => "PENDING_CLOSE",
            Self::Closed => "CLOSED",
        })
    }
}

/// The state, until when it may last, and why it ended.
#[derive(Debug)]
pub(super) struct StateMachine {
    state: State,
    deadline: Instant,
    message_timeout: Duration,
    new_leader_timeout: Duration,
    end: Option<String>,
}

impl StateMachine {
    /// The state of a session that was just opened.
    pub(super) fn new(message_timeout: Duration, new_leader_timeout: Duration) -> Self {
        Self { state: State::Connected, deadline: Instant::now(), message_timeout, new_leader_timeout, end: None }
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether the publication to the leader is of use; if not, it is to be closed.
    #[inline]
    pub(super) fn uses_ingress(&self) -> bool {
        matches!(self.state, State::Connected | State::AwaitNewLeaderConnection)
    }

    /// Why the session ended.
    pub(super) fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Takes the outcome of a send to the leader. Mirrors `AeronCluster.trackIngressPublicationResult`.
    #[inline]
    pub(super) fn on_send<T>(&mut self, outcome: &Result<T, OfferError>, now: impl FnOnce() -> Instant) {
        match (self.state, outcome) {
            (State::AwaitNewLeaderConnection, Ok(_)) => self.state = State::Connected,
            (State::Connected, Err(OfferError::NotConnected | OfferError::Closed)) => self.on_disconnected(now()),
            (State::Connected, Err(OfferError::MaxPositionExceeded)) => {
                self.on_end("the ingress publication reached its maximum position".to_owned());
            }
            _ => {}
        }
    }

    /// The leader is lost: a publication or the egress image is gone.
    pub(super) fn on_disconnected(&mut self, now: Instant) {
        if self.uses_ingress() {
            self.state = State::AwaitNewLeader;
            self.deadline = now + self.new_leader_timeout;
        }
    }

    /// The cluster named a new leader.
    pub(super) fn on_new_leader(&mut self, now: Instant) {
        self.state = State::AwaitNewLeaderConnection;
        self.deadline = now + self.message_timeout;
    }

    /// The session is over.
    pub(super) fn on_end(&mut self, why: String) {
        if !matches!(self.state, State::PendingClose | State::Closed) {
            self.state = State::PendingClose;
            self.end = Some(why);
        }
    }

    /// The client is closed.
    pub(super) fn on_closed(&mut self) {
        self.state = State::Closed;
        self.end.get_or_insert_with(|| "it was closed by its owner".to_owned());
    }

    /// Whether the client is to close now. Mirrors `AeronCluster.pollStateChanges`.
    pub(super) fn is_to_close(&mut self, now: impl FnOnce() -> Instant) -> bool {
        match self.state {
            State::Connected | State::Closed => return false,
            State::PendingClose => return true,
            State::AwaitNewLeader | State::AwaitNewLeaderConnection => {}
        }
        if now() < self.deadline {
            return false;
        }
        self.on_end(match self.state {
            State::AwaitNewLeader => format!("no new leader was named within {:?}", self.new_leader_timeout),
            _ => format!("no message reached the new leader within {:?}", self.message_timeout),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);
    const NEW_LEADER_TIMEOUT: Duration = Duration::from_secs(20);
    const REFUSED: Result<i64, OfferError> = Err(OfferError::NotConnected);
    const TAKEN: Result<i64, OfferError> = Ok(64);

    fn connected() -> (StateMachine, Instant) {
        (StateMachine::new(MESSAGE_TIMEOUT, NEW_LEADER_TIMEOUT), Instant::now())
    }

    #[test]
    fn a_lost_leader_is_awaited_until_the_deadline() {
        let (mut machine, start) = connected();
        machine.on_send(&REFUSED, || start);
        assert_eq!(machine.state(), State::AwaitNewLeader);
        assert!(!machine.uses_ingress());
        let last_moment = start + NEW_LEADER_TIMEOUT - Duration::from_nanos(1);
        assert!(!machine.is_to_close(|| last_moment));
        machine.on_send(&TAKEN, || start);
        assert_eq!(machine.state(), State::AwaitNewLeader, "a send to nobody means nothing");
        assert!(machine.is_to_close(|| start + NEW_LEADER_TIMEOUT));
        assert_eq!(machine.end(), Some("no new leader was named within 20s"));
    }

    #[test]
    fn the_first_message_to_a_new_leader_connects() {
        let (mut machine, start) = connected();
        machine.on_send(&REFUSED, || start);
        machine.on_new_leader(start);
        machine.on_send(&REFUSED, || start);
        assert_eq!(machine.state(), State::AwaitNewLeaderConnection);
        machine.on_send(&TAKEN, || start);
        assert_eq!(machine.state(), State::Connected);
        assert!(!machine.is_to_close(|| start + NEW_LEADER_TIMEOUT));
    }

    #[test]
    fn a_new_leader_that_takes_nothing_ends_the_session() {
        let (mut machine, start) = connected();
        machine.on_new_leader(start);
        assert!(!machine.is_to_close(|| start));
        assert!(machine.is_to_close(|| start + MESSAGE_TIMEOUT));
        assert_eq!(machine.state(), State::PendingClose);
    }

    #[test]
    fn a_leader_lost_twice_is_awaited_anew() {
        let (mut machine, start) = connected();
        machine.on_new_leader(start);
        let later = start + MESSAGE_TIMEOUT / 2;
        machine.on_disconnected(later);
        assert_eq!(machine.state(), State::AwaitNewLeader);
        assert!(!machine.is_to_close(|| start + MESSAGE_TIMEOUT));
        assert!(machine.is_to_close(|| later + NEW_LEADER_TIMEOUT));
    }

    #[test]
    fn back_pressure_changes_nothing_and_the_last_position_ends_the_session() {
        let (mut machine, start) = connected();
        for error in [OfferError::BackPressured, OfferError::AdminAction, OfferError::InvalidArgument] {
            machine.on_send(&Err::<i64, _>(error), || start);
            assert_eq!(machine.state(), State::Connected);
        }
        machine.on_send(&Err::<i64, _>(OfferError::MaxPositionExceeded), || start);
        assert_eq!(machine.state(), State::PendingClose);
        assert!(machine.is_to_close(|| start));
        machine.on_closed();
        assert!(!machine.is_to_close(|| start));
    }
}
