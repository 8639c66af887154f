//! Cluster → client.

use super::CodecError;
use super::header::{Frame, SessionMessageHeader};
use super::message::message;
use super::types::{AdminRequestType, AdminResponseCode, EventCode, SemanticVersion};

message! {
    /// The answer to a connect request, or news about a session.
    SessionEvent<'a> = 2 {
        /// The session.
        cluster_session_id: i64,
        /// The correlation id of the request that this answers.
        correlation_id: i64,
        /// The leadership term.
        leadership_term_id: i64,
        /// The leader.
        leader_member_id: i32,
        /// What it means.
        code: EventCode,
        /// The version of the session protocol that the cluster speaks.
        version: Option<SemanticVersion> [since 6],
        /// The leader's heartbeat timeout, in nanoseconds.
        leader_heartbeat_timeout_ns: Option<i64> [since 13],
    }
    var {
        /// More about it: an error, or on a redirect the ingress endpoints.
        detail: &'a str,
    }
}

message! {
    /// Another member leads now.
    NewLeaderEvent<'a> = 6 {
        /// The new leadership term.
        leadership_term_id: i64,
        /// The session.
        cluster_session_id: i64,
        /// The new leader.
        leader_member_id: i32,
    }
    var {
        /// The ingress endpoints of all members, as `id=host:port,…`.
        ingress_endpoints: &'a str,
    }
}

message! {
    /// The client is to prove who it is.
    Challenge<'a> = 7 {
        /// The correlation id of the request that this answers.
        correlation_id: i64,
        /// The session.
        cluster_session_id: i64,
    }
    var {
        /// What the client is to answer.
        encoded_challenge: &'a [u8],
    }
}

message! {
    /// The answer to an administrative request.
    AdminResponse<'a> = 27 {
        /// The session.
        cluster_session_id: i64,
        /// The correlation id of the request that this answers.
        correlation_id: i64,
        /// What was asked.
        request_type: AdminRequestType,
        /// What became of it.
        response_code: AdminResponseCode,
    }
    var {
        /// More about it: an error.
        message: &'a str,
        /// More about it; may be empty.
        payload: &'a [u8],
    }
}

/// A message from the cluster to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EgressEvent<'a> {
    /// A message of the service.
    SessionMessage {
        /// To which session, and when.
        header: SessionMessageHeader,
        /// The application's bytes.
        payload: &'a [u8],
    },
    /// News about a session.
    SessionEvent(SessionEvent<'a>),
    /// Another member leads.
    NewLeader(NewLeaderEvent<'a>),
    /// Prove who you are.
    Challenge(Challenge<'a>),
    /// The answer to an administrative request.
    AdminResponse(AdminResponse<'a>),
    /// A message that this version does not know; Java ignores it.
    Unknown {
        /// Its template id.
        template_id: u16,
    },
}

impl<'a> EgressEvent<'a> {
    /// Decodes a message of the cluster. Mirrors the cases of `AeronCluster.onFragment` and `EgressPoller.onFragment`.
    #[inline]
    pub fn decode(buffer: &'a [u8]) -> Result<Self, CodecError> {
        match SessionMessageHeader::split(buffer) {
            Some((header, payload)) => Ok(Self::SessionMessage { header, payload }),
            None => Self::decode_unsplit(buffer),
        }
    }

    /// Decodes what [`SessionMessageHeader::split`] did not take.
    #[inline(never)]
    fn decode_unsplit(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let frame = Frame::parse(buffer)?;
        match frame.header().template_id {
            SessionMessageHeader::TEMPLATE_ID => SessionMessageHeader::read(frame)
                .map(|header| Self::SessionMessage { header, payload: frame.after_block() }),
            SessionEvent::TEMPLATE_ID => SessionEvent::read(frame).map(Self::SessionEvent),
            NewLeaderEvent::TEMPLATE_ID => NewLeaderEvent::read(frame).map(Self::NewLeader),
            Challenge::TEMPLATE_ID => Challenge::read(frame).map(Self::Challenge),
            AdminResponse::TEMPLATE_ID => AdminResponse::read(frame).map(Self::AdminResponse),
            template_id => Ok(Self::Unknown { template_id }),
        }
    }
}
