//! Decodes messages of the egress and calls a listener.

use super::listener::ControlledEgressListener;
use crate::aeron::{Action, Header};
use crate::codec::{CodecError, EgressEvent, MessageHeader};
use crate::error::{Error, Result};

/// Decodes a message of the egress. A message of another schema goes to the listener's extension method, whose result is returned as `Err`.
#[inline]
pub(super) fn decode<'m, L: ControlledEgressListener>(
    message: &'m [u8],
    header: &Header<'_>,
    listener: &mut L,
) -> Result<EgressEvent<'m>, Result<Action>> {
    EgressEvent::decode(message).map_err(|error| match error {
        CodecError::WrongSchema { .. } => MessageHeader::decode(message)
            .map_err(Error::from)
            .and_then(|(foreign, body)| listener.on_extension_message(&foreign, body, header)),
        error => Err(Error::from(error).context("egress message")),
    })
}

/// Calls the listener with an event, if it belongs to the session.
#[inline]
pub(super) fn deliver<L: ControlledEgressListener>(
    event: &EgressEvent<'_>,
    cluster_session_id: i64,
    header: &Header<'_>,
    listener: &mut L,
) -> Action {
    match event {
        EgressEvent::SessionMessage { header: session, payload }
            if session.cluster_session_id == cluster_session_id =>
        {
            return listener.on_message(cluster_session_id, session.timestamp, payload, header);
        }
        EgressEvent::SessionEvent(event) if event.cluster_session_id == cluster_session_id => {
            listener.on_session_event(event);
        }
        EgressEvent::NewLeader(event) if event.cluster_session_id == cluster_session_id => {
            listener.on_new_leader(event);
            return Action::Commit;
        }
        EgressEvent::AdminResponse(response) if response.cluster_session_id == cluster_session_id => {
            listener.on_admin_response(response);
        }
        _ => {}
    }
    Action::Continue
}
