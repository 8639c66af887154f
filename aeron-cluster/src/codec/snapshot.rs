//! What a service's snapshot holds before the application's own messages.

use super::CodecError;
use super::header::Frame;
use super::message::message;
use super::types::{ClusterTimeUnit, SemanticVersion, SnapshotMark};

message! {
    /// The begin, a section or the end of a snapshot.
    SnapshotMarker = 100 {
        /// What the snapshot is of: [`SnapshotMarker::SERVICE_TYPE_ID`] for a service.
        type_id: i64,
        /// The position of the log at which the snapshot was taken.
        log_position: i64,
        /// The leadership term in which it was taken.
        leadership_term_id: i64,
        /// The count of the section.
        index: i32,
        /// Begin, section or end.
        mark: SnapshotMark,
        /// The unit of the cluster's time.
        time_unit: ClusterTimeUnit [since 4],
        /// The application's version.
        app_version: Option<SemanticVersion> [since 4],
    }
}

impl SnapshotMarker {
    /// The type id of a service's snapshot. Java's `ClusteredServiceContainer.SNAPSHOT_TYPE_ID`.
    pub const SERVICE_TYPE_ID: i64 = 2;
}

message! {
    /// A session that was open when the snapshot was taken.
    ClientSession<'a> = 102 {
        /// The session.
        cluster_session_id: i64,
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

/// A message of a service's snapshot, up to its end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotEvent<'a> {
    /// Begin, section or end.
    Marker(SnapshotMarker),
    /// An open session.
    ClientSession(ClientSession<'a>),
    /// A message that this version does not know; Java ignores it.
    Unknown {
        /// Its template id.
        template_id: u16,
    },
}

impl<'a> SnapshotEvent<'a> {
    /// Decodes a message of a snapshot. Mirrors the cases of `ServiceSnapshotLoader.onFragment`.
    pub fn decode(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let frame = Frame::parse(buffer)?;
        match frame.header().template_id {
            SnapshotMarker::TEMPLATE_ID => SnapshotMarker::read(frame).map(Self::Marker),
            ClientSession::TEMPLATE_ID => ClientSession::read(frame).map(Self::ClientSession),
            template_id => Ok(Self::Unknown { template_id }),
        }
    }
}
