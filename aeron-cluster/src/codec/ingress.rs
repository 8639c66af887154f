//! Client → cluster.

use super::CodecError;
use super::header::{Frame, SessionMessageHeader};
use super::message::message;
use super::types::{AdminRequestType, SemanticVersion};

message! {
    /// A client asks for a session.
    SessionConnectRequest<'a> = 3 {
        /// The client's name for the request.
        correlation_id: i64,
        /// The stream on which it listens for egress.
        response_stream_id: i32,
        /// The version of the session protocol that it speaks.
        version: Option<SemanticVersion> [since 2],
    }
    var {
        /// The channel on which it listens for egress.
        response_channel: &'a str,
        /// What it proves itself with.
        encoded_credentials: &'a [u8],
        /// What it says of itself, for operators to read.
        client_info: &'a str [since 14],
    }
}

message! {
    /// A client closes its session.
    SessionCloseRequest = 4 {
        /// The leadership term that the client believes in.
        leadership_term_id: i64,
        /// The session.
        cluster_session_id: i64,
    }
}

message! {
    /// A client is alive.
    SessionKeepAlive = 5 {
        /// The leadership term that the client believes in.
        leadership_term_id: i64,
        /// The session.
        cluster_session_id: i64,
    }
}

message! {
    /// A client answers a challenge.
    ChallengeResponse<'a> = 8 {
        /// The client's name for the answer.
        correlation_id: i64,
        /// The session.
        cluster_session_id: i64,
    }
    var {
        /// What the client proves itself with.
        encoded_credentials: &'a [u8],
    }
}

message! {
    /// A client asks something of the cluster's administration.
    AdminRequest<'a> = 26 {
        /// The leadership term that the client believes in.
        leadership_term_id: i64,
        /// The session.
        cluster_session_id: i64,
        /// The client's name for the request.
        correlation_id: i64,
        /// What is asked.
        request_type: AdminRequestType,
    }
    var {
        /// More about it; may be empty.
        payload: &'a [u8],
    }
}

/// A message from a client to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IngressEvent<'a> {
    /// A message for the service.
    SessionMessage {
        /// Of which session.
        header: SessionMessageHeader,
        /// The application's bytes.
        payload: &'a [u8],
    },
    /// Open a session.
    SessionConnectRequest(SessionConnectRequest<'a>),
    /// Close a session.
    SessionCloseRequest(SessionCloseRequest),
    /// The client is alive.
    SessionKeepAlive(SessionKeepAlive),
    /// The answer to a challenge.
    ChallengeResponse(ChallengeResponse<'a>),
    /// An administrative request.
    AdminRequest(AdminRequest<'a>),
    /// A message that this version does not know.
    Unknown {
        /// Its template id.
        template_id: u16,
    },
}

impl<'a> IngressEvent<'a> {
    /// Decodes a message of a client. Mirrors the cases of `IngressAdapter.onMessage`.
    pub fn decode(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let frame = Frame::parse(buffer)?;
        match frame.header().template_id {
            SessionMessageHeader::TEMPLATE_ID => SessionMessageHeader::read(frame)
                .map(|header| Self::SessionMessage { header, payload: frame.after_block() }),
            SessionConnectRequest::TEMPLATE_ID => SessionConnectRequest::read(frame).map(Self::SessionConnectRequest),
            SessionCloseRequest::TEMPLATE_ID => SessionCloseRequest::read(frame).map(Self::SessionCloseRequest),
            SessionKeepAlive::TEMPLATE_ID => SessionKeepAlive::read(frame).map(Self::SessionKeepAlive),
            ChallengeResponse::TEMPLATE_ID => ChallengeResponse::read(frame).map(Self::ChallengeResponse),
            AdminRequest::TEMPLATE_ID => AdminRequest::read(frame).map(Self::AdminRequest),
            template_id => Ok(Self::Unknown { template_id }),
        }
    }
}
