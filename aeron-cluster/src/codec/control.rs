//! Consensus module → service: the control stream (104).

use super::CodecError;
use super::header::Frame;
use super::message::message;
use super::types::Role;

message! {
    /// The service is to read a log from a position on.
    JoinLog<'a> = 40 {
        /// The position at which the log is to be joined.
        log_position: i64,
        /// The position up to which the log is replayed; `i64::MAX` for a live log.
        max_log_position: i64,
        /// This node's member id.
        member_id: i32,
        /// The Aeron session id of the log's publication.
        log_session_id: i32,
        /// The stream of the log.
        log_stream_id: i32,
        /// Whether the node is starting up.
        is_startup: bool,
        /// This node's role.
        role: Role,
        /// Whether the node is a standby; `None` from a consensus module before Aeron 1.51.
        is_standby: Option<bool> [since 16],
    }
    var {
        /// The channel of the log.
        log_channel: &'a str,
    }
}

message! {
    /// The service is to terminate once it has reached a position.
    ServiceTerminationPosition = 42 {
        /// The position.
        log_position: i64,
        /// Whether the consensus module waits for an ack; `None` from a consensus module before Aeron 1.53.
        ack_required: Option<bool> [since 17],
    }
}

message! {
    /// The service is to ack a position.
    RequestServiceAck = 108 {
        /// The position.
        log_position: i64,
    }
}

/// A message from the consensus module to its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlEvent<'a> {
    /// Read a log.
    JoinLog(JoinLog<'a>),
    /// Terminate at a position.
    ServiceTerminationPosition(ServiceTerminationPosition),
    /// Ack a position.
    RequestServiceAck(RequestServiceAck),
    /// A message that is not for services: answers to `ClusterTool` (41 and 43) also arrive on this stream, or one that this
    /// version does not know. Java ignores both.
    Unknown {
        /// Its template id.
        template_id: u16,
    },
}

impl<'a> ControlEvent<'a> {
    /// Decodes a message of the control stream. Mirrors the cases of `ServiceAdapter.onFragment`.
    pub fn decode(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let frame = Frame::parse(buffer)?;
        match frame.header().template_id {
            JoinLog::TEMPLATE_ID => JoinLog::read(frame).map(Self::JoinLog),
            ServiceTerminationPosition::TEMPLATE_ID => {
                ServiceTerminationPosition::read(frame).map(Self::ServiceTerminationPosition)
            }
            RequestServiceAck::TEMPLATE_ID => RequestServiceAck::read(frame).map(Self::RequestServiceAck),
            template_id => Ok(Self::Unknown { template_id }),
        }
    }
}
