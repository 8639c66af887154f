//! The listeners that a client calls while it polls its egress.

use super::change::StateChange;
use crate::aeron::{Action, Header};
use crate::codec::{AdminResponse, MessageHeader, NewLeaderEvent, SessionEvent};
use crate::error::{Error, ErrorKind, Result};

/// Receives what arrives on a session's egress. Mirrors `EgressListener` and `EgressListenerExtension`.
///
/// All methods are called on the thread that polls, within the poll. [`on_message`] turns a closure into a listener that only
/// receives messages.
pub trait EgressListener {
    /// A message from the service to this session. `timestamp` is the cluster's time when it was sent. `header` is that of the whole message.
    fn on_message(&mut self, cluster_session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>);

    /// An event about the session. After [`EventCode::Closed`](crate::codec::EventCode::Closed) the client closes itself or reconnects.
    fn on_session_event(&mut self, _event: &SessionEvent<'_>) {}

    /// There is a new leader. The client connects to it by itself.
    fn on_new_leader(&mut self, _event: &NewLeaderEvent<'_>) {}

    /// The answer to an administrative request.
    fn on_admin_response(&mut self, _response: &AdminResponse<'_>) {}

    /// The client's state has changed. Called once for each change, at the end of the poll that noticed it. Java has no such method.
    fn on_state_change(&mut self, _change: &StateChange) {}

    /// A message of another schema than the cluster's: its header, and the bytes after it. The poll returns the error; the default
    /// implementation is such an error.
    fn on_extension_message(&mut self, header: &MessageHeader, _body: &[u8], _aeron: &Header<'_>) -> Result<()> {
        Err(unexpected_schema(header))
    }
}

/// As [`EgressListener`], but returns how the poll goes on after a message. Mirrors `ControlledEgressListener`.
pub trait ControlledEgressListener {
    /// A message from the service to this session. After [`Action::Abort`] the next poll delivers it again.
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

/// A listener that only receives messages: `on_message(|cluster_session_id, timestamp, message, header| …)`.
pub fn on_message(handler: impl FnMut(i64, i64, &[u8], &Header<'_>)) -> impl EgressListener {
    Closure(handler)
}

/// As [`on_message`], with a closure that returns an [`Action`] after each message.
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

/// Makes a controlled listener of a plain one.
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
