//! The SBE messages that a clustered service and a cluster client exchange with the consensus module.
//!
//! Schema 111 is written at version 17 and can be read at every version: fields that an older sender does not have are
//! absent, and additional bytes of a newer sender are skipped. There is no I/O here; decoding does not
//! allocate, borrows variable data from the frame, and never panics.
//!
//! There is one enum per direction, each with a `decode` and in a file of its own: [`LogEvent`] for the log,
//! [`ControlEvent`] (consensus module to service) and [`ServiceEvent`] (back), [`IngressEvent`] (client to cluster) and
//! [`EgressEvent`] (back), and [`SnapshotEvent`] for a service's snapshot.
//!
//! ```
//! use aeron_cluster::codec::{LogEvent, TimerEvent};
//!
//! let frame = TimerEvent { leadership_term_id: 3, correlation_id: 42, timestamp: 1_000 }.encode();
//! let LogEvent::Timer(timer) = LogEvent::decode(&frame)? else { panic!("not a timer") };
//! assert_eq!(timer.correlation_id, 42);
//! # Ok::<(), aeron_cluster::codec::CodecError>(())
//! ```

mod control;
mod egress;
mod error;
mod field;
mod header;
mod ingress;
mod log;
mod message;
mod service;
mod snapshot;
mod types;
mod var_data;

#[cfg(test)]
mod round_trip_test;
#[cfg(test)]
mod schema_test;

pub use control::{ControlEvent, JoinLog, RequestServiceAck, ServiceTerminationPosition};
pub use egress::{AdminResponse, Challenge, EgressEvent, NewLeaderEvent, SessionEvent};
pub use error::CodecError;
pub use header::{Frame, MessageHeader, SessionMessageHeader};
pub use ingress::{
    AdminRequest, ChallengeResponse, IngressEvent, SessionCloseRequest, SessionConnectRequest, SessionKeepAlive,
};
pub use log::{
    ClusterActionRequest, LogEvent, MembershipChangeEvent, NewLeadershipTermEvent, SessionCloseEvent, SessionOpenEvent,
    TimerEvent,
};
pub use service::{CancelTimer, CloseSession, ClusterMembersQuery, ScheduleTimer, ServiceAck, ServiceEvent};
pub use snapshot::{ClientSession, SnapshotEvent, SnapshotMarker};
pub use types::{
    ActionFlags, AdminRequestType, AdminResponseCode, ChangeType, CloseReason, ClusterAction, ClusterTimeUnit,
    EventCode, Role, SemanticVersion, SnapshotMark,
};

/// Id of the cluster schema: every message of this module carries it in its header.
pub const SCHEMA_ID: u16 = 111;

/// Version of the cluster schema that the encoders of this module write: that of Aeron 1.54.
pub const SCHEMA_VERSION: u16 = 17;
