//! Consensus module → service: what stands in the log.

use super::CodecError;
use super::header::{Frame, SessionMessageHeader};
use super::message::message;
use super::types::{ActionFlags, ChangeType, CloseReason, ClusterAction, ClusterTimeUnit, SemanticVersion};

message! {
    /// A timer that a service had scheduled is due.
    TimerEvent = 20 {
        /// The leadership term.
        leadership_term_id: i64,
        /// The service's name for the timer.
        correlation_id: i64,
        /// The cluster's time.
        timestamp: i64,
    }
}

message! {
    /// A client's session is open.
    SessionOpenEvent<'a> = 21 {
        /// The leadership term.
        leadership_term_id: i64,
        /// The correlation id of the client's connect request.
        correlation_id: i64,
        /// The session.
        cluster_session_id: i64,
        /// The cluster's time.
        timestamp: i64,
        /// The stream on which the client listens for egress.
        response_stream_id: i32,
    }
    var {
        /// The channel on which the client listens for egress.
        response_channel: &'a str,
        /// Who the client is, as the authenticator encoded it.
        encoded_principal: &'a [u8],
    }
}

message! {
    /// A client's session is closed.
    SessionCloseEvent = 22 {
        /// The leadership term.
        leadership_term_id: i64,
        /// The session.
        cluster_session_id: i64,
        /// The cluster's time.
        timestamp: i64,
        /// Why.
        close_reason: CloseReason,
    }
}

message! {
    /// Every service is to act at this position.
    ClusterActionRequest = 23 {
        /// The leadership term.
        leadership_term_id: i64,
        /// The position of the log before this message.
        log_position: i64,
        /// The cluster's time.
        timestamp: i64,
        /// What is to be done.
        action: ClusterAction,
        /// How.
        flags: ActionFlags [since 11],
    }
}

message! {
    /// A leadership term has begun.
    NewLeadershipTermEvent = 24 {
        /// The term.
        leadership_term_id: i64,
        /// The position of the log at which the event stands.
        log_position: i64,
        /// The cluster's time.
        timestamp: i64,
        /// The position of the log at which the term began.
        term_base_log_position: i64,
        /// The leader.
        leader_member_id: i32,
        /// The Aeron session id of the leader's log publication.
        log_session_id: i32,
        /// The unit of the cluster's time.
        time_unit: ClusterTimeUnit [since 4],
        /// The application's version on the leader.
        app_version: Option<SemanticVersion> [since 4],
    }
}

message! {
    /// The cluster's membership has changed. Logs of old clusters hold it; a service ignores it.
    MembershipChangeEvent<'a> = 25 {
        /// The leadership term.
        leadership_term_id: i64,
        /// The position of the log at which the event stands.
        log_position: i64,
        /// The cluster's time.
        timestamp: i64,
        /// The leader.
        leader_member_id: i32,
        /// Members after the change.
        cluster_size: i32,
        /// Which way it changed.
        change_type: ChangeType,
        /// The member that joined or left.
        member_id: i32,
    }
    var {
        /// The members and their endpoints.
        cluster_members: &'a str,
    }
}

/// A message of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEvent<'a> {
    /// A message of a client, or of a service to the log.
    SessionMessage {
        /// Of whom, and when.
        header: SessionMessageHeader,
        /// The application's bytes.
        payload: &'a [u8],
    },
    /// A timer is due.
    Timer(TimerEvent),
    /// A session is open.
    SessionOpen(SessionOpenEvent<'a>),
    /// A session is closed.
    SessionClose(SessionCloseEvent),
    /// Every service is to act.
    ClusterAction(ClusterActionRequest),
    /// A leadership term has begun.
    NewLeadershipTerm(NewLeadershipTermEvent),
    /// The membership has changed.
    MembershipChange(MembershipChangeEvent<'a>),
    /// A message that this version does not know; Java ignores it.
    Unknown {
        /// Its template id.
        template_id: u16,
    },
}

impl<'a> LogEvent<'a> {
    /// Decodes a message of the log. Mirrors the cases of `BoundedLogAdapter.onMessage`.
    #[inline]
    pub fn decode(buffer: &'a [u8]) -> Result<Self, CodecError> {
        match SessionMessageHeader::split(buffer) {
            Some((header, payload)) => Ok(Self::SessionMessage { header, payload }),
            None => Self::decode_unsplit(buffer),
        }
    }

    /// Decodes what [`SessionMessageHeader::split`] did not take.
    #[inline(never)]
    pub(crate) fn decode_unsplit(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let frame = Frame::parse(buffer)?;
        match frame.header().template_id {
            SessionMessageHeader::TEMPLATE_ID => SessionMessageHeader::read(frame)
                .map(|header| Self::SessionMessage { header, payload: frame.after_block() }),
            TimerEvent::TEMPLATE_ID => TimerEvent::read(frame).map(Self::Timer),
            SessionOpenEvent::TEMPLATE_ID => SessionOpenEvent::read(frame).map(Self::SessionOpen),
            SessionCloseEvent::TEMPLATE_ID => SessionCloseEvent::read(frame).map(Self::SessionClose),
            ClusterActionRequest::TEMPLATE_ID => ClusterActionRequest::read(frame).map(Self::ClusterAction),
            NewLeadershipTermEvent::TEMPLATE_ID => NewLeadershipTermEvent::read(frame).map(Self::NewLeadershipTerm),
            MembershipChangeEvent::TEMPLATE_ID => MembershipChangeEvent::read(frame).map(Self::MembershipChange),
            template_id => Ok(Self::Unknown { template_id }),
        }
    }
}
