//! Changes of a client's state, and why they happened.

use std::fmt;
use std::time::Duration;

use super::state::State;
use crate::aeron::OfferError;
use crate::error::Error;

/// The detail of a session event if the service closed the session. Java's `CloseReason.SERVICE_ACTION`.
const SERVICE_ACTION: &str = "SERVICE_ACTION";

/// A change of a client's state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// The state before the change.
    pub previous: State,
    /// The state after the change.
    pub current: State,
    /// Why it happened.
    pub reason: Reason,
}

impl fmt::Display for StateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.previous, self.current, self.reason)
    }
}

/// Why a client's state changed, or why its session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A send found the ingress not connected, or closed.
    IngressLost(OfferError),
    /// The image of the leader's egress is gone.
    EgressLost,
    /// The cluster named a new leader.
    NewLeader {
        /// The leader.
        leader_member_id: i32,
        /// Its leadership term.
        leadership_term_id: i64,
    },
    /// The new leader's publication accepted a message.
    LeaderReached,
    /// The cluster named no new leader in time.
    NoNewLeader(
        /// How long the client waited for it.
        Duration,
    ),
    /// No message could be sent to the new leader in time.
    LeaderNotReached(
        /// How long the client tried.
        Duration,
    ),
    /// The ingress publication is used up: it reached the largest position that its term length allows.
    MaxPositionExceeded,
    /// The cluster closed the session.
    ClosedByCluster(
        /// The cluster's reason: `TIMEOUT`, `SERVICE_ACTION` or `CLIENT_ACTION`.
        String,
    ),
    /// The Aeron client is closed, as it is when the media driver died.
    AeronClosed(
        /// The error that closed it, if there was one.
        Option<Error>,
    ),
    /// The client was closed by its owner.
    ClosedByOwner,
    /// A new session replaces a lost one. To the service it is another client.
    NewSession {
        /// The new session.
        cluster_session_id: i64,
        /// The lost one.
        previous: i64,
    },
    /// No new session could be opened within the limits of [`Reconnect`](super::Reconnect).
    GaveUp {
        /// The number of attempts.
        attempts: u32,
        /// Why the last attempt failed.
        error: Error,
    },
}

impl Reason {
    /// Whether a client with a [`Reconnect`](super::Reconnect) policy opens a new session after this: not if the session was closed on purpose.
    pub(super) fn is_loss(&self) -> bool {
        match self {
            Self::ClosedByOwner | Self::GaveUp { .. } => false,
            Self::ClosedByCluster(detail) => detail != SERVICE_ACTION,
            _ => true,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IngressLost(outcome) => write!(f, "a send to the leader found the ingress {outcome}"),
            Self::EgressLost => write!(f, "the leader's egress is gone"),
            Self::NewLeader { leader_member_id, leadership_term_id } => {
                write!(f, "member {leader_member_id} leads in term {leadership_term_id}")
            }
            Self::LeaderReached => write!(f, "the new leader took a message"),
            Self::NoNewLeader(timeout) => write!(f, "no new leader was named within {timeout:?}"),
            Self::LeaderNotReached(timeout) => write!(f, "no message reached the new leader within {timeout:?}"),
            Self::MaxPositionExceeded => write!(f, "the ingress publication reached its maximum position"),
            Self::ClosedByCluster(detail) => write!(f, "the cluster closed the session: {detail:?}"),
            Self::AeronClosed(None) => write!(f, "the Aeron client is closed"),
            Self::AeronClosed(Some(error)) => write!(f, "the Aeron client is closed: {error}"),
            Self::ClosedByOwner => write!(f, "it was closed by its owner"),
            Self::NewSession { cluster_session_id, previous } => {
                write!(f, "session {cluster_session_id} was opened in place of session {previous}")
            }
            Self::GaveUp { attempts, error } => {
                write!(f, "no new session after {attempts} attempts, the last one: {error}")
            }
        }
    }
}
