//! Service → consensus module: the stream of stream id 105.

use super::CodecError;
use super::header::{Frame, SessionMessageHeader};
use super::message::message;

message! {
    /// A client's session is to be closed.
    CloseSession = 30 {
        /// The session.
        cluster_session_id: i64,
    }
}

message! {
    /// A timer is to be scheduled, or one of the same correlation id to be moved.
    ScheduleTimer = 31 {
        /// The service's name for the timer.
        correlation_id: i64,
        /// When it is due, in the cluster's time.
        deadline: i64,
    }
}

message! {
    /// A timer is to be cancelled.
    CancelTimer = 32 {
        /// The service's name for the timer.
        correlation_id: i64,
    }
}

message! {
    /// The service has reached a position, or done what was asked of it.
    ServiceAck = 33 {
        /// The position.
        log_position: i64,
        /// The cluster's time.
        timestamp: i64,
        /// The service's count of acks.
        ack_id: i64,
        /// What the ack is about: the client id at the start, a snapshot's recording id, or −1.
        relevant_id: i64,
        /// The service.
        service_id: i32,
    }
}

message! {
    /// The members of the cluster are asked for.
    ClusterMembersQuery = 34 {
        /// The asker's name for the query.
        correlation_id: i64,
        /// Whether the answer is to be the extended one.
        extended: Option<bool> [since 5],
    }
}

/// A message from a service to its consensus module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceEvent<'a> {
    /// A message to the log; the header's session id is the service id.
    SessionMessage {
        /// Of which service.
        header: SessionMessageHeader,
        /// The application's bytes.
        payload: &'a [u8],
    },
    /// Close a session.
    CloseSession(CloseSession),
    /// Schedule a timer.
    ScheduleTimer(ScheduleTimer),
    /// Cancel a timer.
    CancelTimer(CancelTimer),
    /// A position is reached, or a request done.
    ServiceAck(ServiceAck),
    /// Name the members.
    ClusterMembersQuery(ClusterMembersQuery),
    /// A message that this version does not know.
    Unknown {
        /// Its template id.
        template_id: u16,
    },
}

impl<'a> ServiceEvent<'a> {
    /// Decodes a message to the consensus module. Mirrors the cases of `ConsensusModuleAdapter.onFragment`.
    pub fn decode(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let frame = Frame::parse(buffer)?;
        match frame.header().template_id {
            SessionMessageHeader::TEMPLATE_ID => SessionMessageHeader::read(frame)
                .map(|header| Self::SessionMessage { header, payload: frame.after_block() }),
            CloseSession::TEMPLATE_ID => CloseSession::read(frame).map(Self::CloseSession),
            ScheduleTimer::TEMPLATE_ID => ScheduleTimer::read(frame).map(Self::ScheduleTimer),
            CancelTimer::TEMPLATE_ID => CancelTimer::read(frame).map(Self::CancelTimer),
            ServiceAck::TEMPLATE_ID => ServiceAck::read(frame).map(Self::ServiceAck),
            ClusterMembersQuery::TEMPLATE_ID => ClusterMembersQuery::read(frame).map(Self::ClusterMembersQuery),
            template_id => Ok(Self::Unknown { template_id }),
        }
    }
}
