//! What a client is told while it polls its egress.

use super::change::StateChange;
use crate::aeron::{Action, Header};
use crate::codec::{AdminResponse, MessageHeader, NewLeaderEvent, SessionEvent};
use crate::error::{Error, ErrorKind, Result};

/// Takes what arrives on a session's egress. Mirrors `EgressListener` and `EgressListenerExtension`.
///
/// Everything is called on the thread that polls, and borrows from the poll. [`on_message`] makes a listener for messages
/// alone of a closure.
pub trait EgressListener {
    /// A message of the service to this session, at the cluster's time. The header is that of the whole message.
    fn on_message(&mut self, cluster_session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>);

    /// News about the session. After [`EventCode::Closed`](crate::codec::EventCode::Closed) the client closes itself.
    fn on_session_event(&mut self, _event: &SessionEvent<'_>) {}

    /// Another member leads; the client connects to it by itself.
    fn on_new_leader(&mut self, _event: &NewLeaderEvent<'_>) {}

    /// The answer to an administrative request.
    fn on_admin_response(&mut self, _response: &AdminResponse<'_>) {}

    /// The client's state has changed: told at the end of the poll that noticed it, change by change. Java has nothing like it.
    fn on_state_change(&mut self, _change: &StateChange) {}

    /// A message of another schema than the cluster's: its header, and the bytes after that. An error is returned by the poll;
    /// that is also what happens without this method.
    fn on_extension_message(&mut self, header: &MessageHeader, _body: &[u8], _aeron: &Header<'_>) -> Result<()> {
        Err(unexpected_schema(header))
    }
}

/// As [`EgressListener`], with a say in how the poll goes on. Mirrors `ControlledEgressListener`.
pub trait ControlledEgressListener {
    /// A message of the service to this session. After [`Action::Abort`] it is delivered again by the next poll.
    fn on_message(&mut self, cluster_session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>) -> Action;

    /// As [`EgressListener::on_session_event`].
    fn on_session_event(&mut self, _event: &SessionEvent<'_>) {}

    /// As [`EgressListener::on_new_leader`].
    fn on_new_leader(&mut self, _event: &NewLeaderEvent<'_>) {}

    /// As [`EgressListener::on_admin_response`].
    fn on_admin_response(&mut self, _response: &AdminResponse<'_>) {}

    /// As [`EgressListener::on_state_change`].
    fn on_state_change(&mut self, _change: &StateChange) {}

    /// As [`EgressListener::on_extension_message`].
    fn on_extension_message(&mut self, header: &MessageHeader, _body: &[u8], _aeron: &Header<'_>) -> Result<Action> {
        Err(unexpected_schema(header))
    }
}

fn unexpected_schema(header: &MessageHeader) -> Error {
    let expected = crate::codec::SCHEMA_ID;
    let message = format!("expected cluster egress schemaId={expected} actual={}", header.schema_id);
    Error::new(ErrorKind::Protocol, message)
}

/// A listener for messages alone: `on_message(|cluster_session_id, timestamp, message, header| …)`.
pub fn on_message(handler: impl FnMut(i64, i64, &[u8], &Header<'_>)) -> impl EgressListener {
    Closure(handler)
}

/// As [`on_message`], with a closure that says after each message how to go on.
pub fn on_controlled_message(
    handler: impl FnMut(i64, i64, &[u8], &Header<'_>) -> Action,
) -> impl ControlledEgressListener {
    Closure(handler)
}

struct Closure<F>(F);

impl<F: FnMut(i64, i64, &[u8], &Header<'_>)> EgressListener for Closure<F> {
    #[inline]
    fn on_message(&mut self, cluster_session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>) {
        self.0(cluster_session_id, timestamp, message, header);
    }
}

impl<F: FnMut(i64, i64, &[u8], &Header<'_>) -> Action> ControlledEgressListener for Closure<F> {
    #[inline]
    fn on_message(&mut self, cluster_session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>) -> Action {
        self.0(cluster_session_id, timestamp, message, header)
    }
}

/// A plain listener where a controlled one is asked for.
pub(super) struct Plain<'l, L: ?Sized>(pub(super) &'l mut L);

impl<L: EgressListener + ?Sized> ControlledEgressListener for Plain<'_, L> {
    #[inline]
    fn on_message(&mut self, cluster_session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>) -> Action {
        self.0.on_message(cluster_session_id, timestamp, message, header);
        Action::Continue
    }

    fn on_session_event(&mut self, event: &SessionEvent<'_>) {
        self.0.on_session_event(event);
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.0.on_new_leader(event);
    }

    fn on_admin_response(&mut self, response: &AdminResponse<'_>) {
        self.0.on_admin_response(response);
    }

    fn on_state_change(&mut self, change: &StateChange) {
        self.0.on_state_change(change);
    }

    fn on_extension_message(&mut self, header: &MessageHeader, body: &[u8], aeron: &Header<'_>) -> Result<Action> {
        self.0.on_extension_message(header, body, aeron).map(|()| Action::Continue)
    }
}
