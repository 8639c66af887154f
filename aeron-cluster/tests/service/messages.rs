//! What a test that plays the consensus module says, in the log and beside it.

use aeron_cluster::codec::{
    ActionFlags, CloseReason, ClusterAction, ClusterActionRequest, ClusterTimeUnit, NewLeadershipTermEvent,
    SemanticVersion, ServiceTerminationPosition, SessionCloseEvent, SessionMessageHeader, SessionOpenEvent,
};

const NO_TERM: i64 = 0;

pub fn message(session: i64, time: i64, text: &str) -> Vec<u8> {
    let header = SessionMessageHeader { leadership_term_id: NO_TERM, cluster_session_id: session, timestamp: time };
    [&header.encode(), text.as_bytes()].concat()
}

pub fn open(session: i64) -> Vec<u8> {
    open_on(session, "aeron:ipc")
}

/// A session whose client listens on another channel.
pub fn open_on(session: i64, response_channel: &str) -> Vec<u8> {
    let mut event = Vec::new();
    SessionOpenEvent {
        leadership_term_id: NO_TERM,
        correlation_id: 1,
        cluster_session_id: session,
        timestamp: 5,
        response_stream_id: 102,
        response_channel,
        encoded_principal: &[],
    }
    .encode(&mut event);
    event
}

pub fn close(session: i64) -> Vec<u8> {
    SessionCloseEvent {
        leadership_term_id: NO_TERM,
        cluster_session_id: session,
        timestamp: 10,
        close_reason: CloseReason::ClientAction,
    }
    .encode()
    .to_vec()
}

/// A new term, of an application of this version.
pub fn term(app_version: SemanticVersion) -> Vec<u8> {
    let event = NewLeadershipTermEvent {
        leadership_term_id: 1,
        log_position: 0,
        timestamp: 5,
        term_base_log_position: 0,
        leader_member_id: 0,
        log_session_id: 0,
        time_unit: ClusterTimeUnit::Millis,
        app_version: Some(app_version),
    };
    event.encode().to_vec()
}

pub fn action(position: i64, action: ClusterAction, flags: ActionFlags) -> Vec<u8> {
    ClusterActionRequest { leadership_term_id: NO_TERM, log_position: position, timestamp: 6, action, flags }
        .encode()
        .to_vec()
}

pub fn terminate_at(position: i64, ack_required: bool) -> Vec<u8> {
    ServiceTerminationPosition { log_position: position, ack_required: Some(ack_required) }.encode().to_vec()
}
