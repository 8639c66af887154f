//! The state machine of a session. Reads no clock, so that tests can pass any times.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::change::{Reason, StateChange};
use crate::aeron::OfferError;

/// The state of a cluster client. Mirrors `AeronCluster.State`, which is private in Java.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The session is open and the leader accepts messages.
    Connected,
    /// The leader is lost; the client waits for the cluster to name a new one.
    AwaitNewLeader,
    /// There is a new leader; nothing has been sent to it yet.
    AwaitNewLeaderConnection,
    /// The session has ended; the next poll closes the client or makes it reconnect. This change is not reported separately, only the one that
    /// follows.
    PendingClose,
    /// The session is lost, and the client is opening a new one. See [`Context::reconnect`](super::Context::reconnect).
    Reconnecting,
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
            Self::Reconnecting => "RECONNECTING",
            Self::Closed => "CLOSED",
        })
    }
}

/// The state, its deadline, why the session ended, and the changes that have not been reported yet.
#[derive(Debug)]
pub(super) struct StateMachine {
    state: State,
    deadline: Instant,
    message_timeout: Duration,
    new_leader_timeout: Duration,
    end: Option<Reason>,
    /// The last state in `changes`, which skips `PendingClose`.
    told: State,
    changes: VecDeque<StateChange>,
}

impl StateMachine {
    /// A session that was opened at `now`.
    pub(super) fn new(message_timeout: Duration, new_leader_timeout: Duration, now: Instant) -> Self {
        Self {
            state: State::Connected,
            deadline: now,
            message_timeout,
            new_leader_timeout,
            end: None,
            told: State::Connected,
            changes: VecDeque::new(),
        }
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether the publication to the leader is needed; if not, it should be closed.
    #[inline]
    pub(super) fn uses_ingress(&self) -> bool {
        matches!(self.state, State::Connected | State::AwaitNewLeaderConnection)
    }

    /// Why the session ended.
    pub(super) fn end(&self) -> Option<&Reason> {
        self.end.as_ref()
    }

    /// The next change to report.
    #[inline]
    pub(super) fn next_change(&mut self) -> Option<StateChange> {
        self.changes.pop_front()
    }

    fn change(&mut self, state: State, reason: &Reason) {
        self.state = state;
        if state != State::PendingClose {
            let change = StateChange { previous: self.told, current: state, reason: reason.clone() };
            tracing::info!("cluster client: {change}");
            self.told = state;
            self.changes.push_back(change);
        }
    }

    /// Updates the state by the outcome of a send to the leader. Mirrors `AeronCluster.trackIngressPublicationResult`.
    #[inline]
    pub(super) fn on_send<T>(&mut self, outcome: &Result<T, OfferError>, now: impl FnOnce() -> Instant) {
        match (self.state, outcome) {
            (State::AwaitNewLeaderConnection, Ok(_)) => self.change(State::Connected, &Reason::LeaderReached),
            (State::Connected, Err(error @ (OfferError::NotConnected | OfferError::Closed))) => {
                self.on_disconnected(now(), &Reason::IngressLost(*error));
            }
            (State::Connected, Err(OfferError::MaxPositionExceeded)) => self.on_end(Reason::MaxPositionExceeded),
            _ => {}
        }
    }

    /// To be called when the leader is lost: the ingress is not connected, or the egress image is gone.
    pub(super) fn on_disconnected(&mut self, now: Instant, reason: &Reason) {
        if self.uses_ingress() {
            self.deadline = now + self.new_leader_timeout;
            self.change(State::AwaitNewLeader, reason);
        }
    }

    /// To be called when the cluster has named a new leader.
    pub(super) fn on_new_leader(&mut self, leader_member_id: i32, leadership_term_id: i64, now: Instant) {
        self.deadline = now + self.message_timeout;
        self.change(State::AwaitNewLeaderConnection, &Reason::NewLeader { leader_member_id, leadership_term_id });
    }

    /// To be called when the session has ended.
    pub(super) fn on_end(&mut self, why: Reason) {
        if !matches!(self.state, State::PendingClose | State::Closed) {
            self.change(State::PendingClose, &why);
            self.end = Some(why);
        }
    }

    /// To be called when the session is lost and a new one will be opened.
    pub(super) fn on_reconnecting(&mut self) {
        if let Some(why) = self.end.take() {
            self.change(State::Reconnecting, &why);
        }
    }

    /// To be called when a new session has replaced the lost one.
    pub(super) fn on_new_session(&mut self, new_leader_timeout: Duration, cluster_session_id: i64, previous: i64) {
        self.new_leader_timeout = new_leader_timeout;
        self.change(State::Connected, &Reason::NewSession { cluster_session_id, previous });
    }

    /// To be called when the client is closed.
    pub(super) fn on_closed(&mut self) {
        if self.state != State::Closed {
            let why = self.end.take().unwrap_or(Reason::ClosedByOwner);
            self.change(State::Closed, &why);
            self.end = Some(why);
        }
    }

    /// Whether the session has ended; checks the deadline too. Mirrors `AeronCluster.pollStateChanges`.
    pub(super) fn is_over(&mut self, now: impl FnOnce() -> Instant) -> bool {
        match self.state {
            State::Connected | State::Reconnecting | State::Closed => return false,
            State::PendingClose => return true,
            State::AwaitNewLeader | State::AwaitNewLeaderConnection => {}
        }
        if now() < self.deadline {
            return false;
        }
        self.on_end(match self.state {
            State::AwaitNewLeader => Reason::NoNewLeader(self.new_leader_timeout),
            _ => Reason::LeaderNotReached(self.message_timeout),
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
        let now = Instant::now();
        (StateMachine::new(MESSAGE_TIMEOUT, NEW_LEADER_TIMEOUT, now), now)
    }

    #[test]
    fn a_lost_leader_is_awaited_until_the_deadline() {
        let (mut machine, start) = connected();
        machine.on_send(&REFUSED, || start);
        assert_eq!(machine.state(), State::AwaitNewLeader);
        assert!(!machine.uses_ingress());
        let last_moment = start + NEW_LEADER_TIMEOUT - Duration::from_nanos(1);
        assert!(!machine.is_over(|| last_moment));
        machine.on_send(&TAKEN, || start);
        assert_eq!(machine.state(), State::AwaitNewLeader, "a send to nobody means nothing");
        assert!(machine.is_over(|| start + NEW_LEADER_TIMEOUT));
        assert_eq!(machine.end(), Some(&Reason::NoNewLeader(NEW_LEADER_TIMEOUT)));
    }

    #[test]
    fn the_first_message_to_a_new_leader_connects() {
        let (mut machine, start) = connected();
        machine.on_send(&REFUSED, || start);
        machine.on_new_leader(2, 9, start);
        machine.on_send(&REFUSED, || start);
        assert_eq!(machine.state(), State::AwaitNewLeaderConnection);
        machine.on_send(&TAKEN, || start);
        assert_eq!(machine.state(), State::Connected);
        assert!(!machine.is_over(|| start + NEW_LEADER_TIMEOUT));
    }

    #[test]
    fn a_new_leader_that_takes_nothing_ends_the_session() {
        let (mut machine, start) = connected();
        machine.on_new_leader(2, 9, start);
        assert!(!machine.is_over(|| start));
        assert!(machine.is_over(|| start + MESSAGE_TIMEOUT));
        assert_eq!(machine.state(), State::PendingClose);
    }

    #[test]
    fn a_leader_lost_twice_is_awaited_anew() {
        let (mut machine, start) = connected();
        machine.on_new_leader(2, 9, start);
        let later = start + MESSAGE_TIMEOUT / 2;
        machine.on_disconnected(later, &Reason::EgressLost);
        assert_eq!(machine.state(), State::AwaitNewLeader);
        assert!(!machine.is_over(|| start + MESSAGE_TIMEOUT));
        assert!(machine.is_over(|| later + NEW_LEADER_TIMEOUT));
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
        assert!(machine.is_over(|| start));
        machine.on_closed();
        assert!(!machine.is_over(|| start));
    }

    fn told(machine: &mut StateMachine) -> Vec<String> {
        std::iter::from_fn(|| machine.next_change()).map(|change| change.to_string()).collect()
    }

    #[test]
    fn every_change_is_told_with_its_reason_and_none_to_the_state_that_only_waits_for_the_next_poll() {
        let (mut machine, start) = connected();
        machine.on_send(&REFUSED, || start);
        machine.on_new_leader(2, 9, start);
        machine.on_send(&TAKEN, || start);
        machine.on_end(Reason::ClosedByCluster("TIMEOUT".to_owned()));
        machine.on_closed();
        let expected = [
            "CONNECTED -> AWAIT_NEW_LEADER: a send to the leader found the ingress not connected",
            "AWAIT_NEW_LEADER -> AWAIT_NEW_LEADER_CONNECTION: member 2 leads in term 9",
            "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED: the new leader took a message",
            "CONNECTED -> CLOSED: the cluster closed the session: \"TIMEOUT\"",
        ];
        assert_eq!(told(&mut machine), expected);
        assert_eq!(told(&mut machine), Vec::<String>::new());
    }

    #[test]
    fn a_lost_session_is_replaced_and_has_no_end() {
        let (mut machine, start) = connected();
        machine.on_end(Reason::MaxPositionExceeded);
        machine.on_reconnecting();
        assert!(!machine.is_over(|| start + 1000 * NEW_LEADER_TIMEOUT), "reconnecting has limits of its own");
        assert_eq!((machine.end(), machine.uses_ingress()), (None, false));
        machine.on_new_session(MESSAGE_TIMEOUT, 8, 7);
        machine.on_send(&REFUSED, || start);
        assert!(machine.is_over(|| start + MESSAGE_TIMEOUT), "the new session has a time-out of its own");
        machine.on_closed();
        let expected = [
            "CONNECTED -> RECONNECTING: the ingress publication reached its maximum position",
            "RECONNECTING -> CONNECTED: session 8 was opened in place of session 7",
            "CONNECTED -> AWAIT_NEW_LEADER: a send to the leader found the ingress not connected",
            "AWAIT_NEW_LEADER -> CLOSED: no new leader was named within 5s",
        ];
        assert_eq!(told(&mut machine), expected);
    }
}
