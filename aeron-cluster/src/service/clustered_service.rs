//! The trait that a user implements: the replicated state machine.

use crate::aeron::Header;
use crate::codec::{ClusterTimeUnit, SemanticVersion};

use super::{ClientSession, CloseReason, Cluster, Role, SnapshotImage, SnapshotPublication};

/// The error of a service's fallible callbacks: any error type.
pub type ServiceError = Box<dyn std::error::Error + Send + Sync>;

/// A replicated state machine, hosted by a [`ClusteredServiceContainer`](super::ClusteredServiceContainer).
///
/// Every member of the cluster calls these methods with the same arguments in the same order, so the state is the same on
/// all of them as long as it depends on nothing else: no clock but [`Cluster::time`], no random numbers, no iteration
/// over hash maps, and no difference between leader and follower. Mirrors
/// `io.aeron.cluster.service.ClusteredService`.
///
/// All methods are called on one thread, the container's. While one runs, the log does not advance, so none should take longer
/// than it must. One that has to wait does so with [`Cluster::idle`].
///
/// # Failing
///
/// A message in the log cannot be refused: a replica that skips what the others apply is no longer a replica. So only starting and
/// taking a snapshot can return errors. A panic in any method ends the node in an orderly way, and the message that caused it does not count
/// as processed; [`FailurePolicy`](super::FailurePolicy) can choose Java's way instead.
///
/// With `panic = "abort"` a panic ends the process at once: the consensus module sees the service's Aeron client vanish
/// and ends too, but no failed snapshot is acknowledged and no termination hook runs. A message that causes a panic on every
/// replay keeps the node from starting until the program is fixed or the log is truncated before that message.
#[allow(unused_variables)]
pub trait ClusteredService {
    /// The service starts. `snapshot` is `None` for an empty state; otherwise the service reads from it what it wrote in
    /// [`on_take_snapshot`](Self::on_take_snapshot). The container has already read its own part.
    ///
    /// Sending and timers are not allowed here. An error, a panic or [`Cluster::terminate`] is acknowledged as a failed
    /// start, after which the consensus module and all services of the node end. If the container is closed during the start, nothing is
    /// acknowledged: the consensus module waits for the next container.
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError>;

    /// A client connected.
    fn on_session_open(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64) {}

    /// A client's session ended. It is no longer in [`Cluster::client_sessions`], and sends to it return
    /// [`NotConnected`](crate::aeron::OfferError::NotConnected).
    fn on_session_close(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64, reason: CloseReason) {}

    /// A message: from a client if there is a session, otherwise from a service, which sent it with [`Cluster::offer`].
    ///
    /// `message` is valid during the call. `timestamp` is the cluster's time in its
    /// [`time_unit`](Cluster::time_unit). `header` describes the whole frame in the log, which includes the 32 bytes of the session
    /// header in front of `message`.
    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        timestamp: i64,
        message: &[u8],
        header: &Header<'_>,
    );

    /// A timer that was scheduled with [`Cluster::schedule_timer`] is due. `timestamp` is the cluster's time.
    fn on_timer_event(&mut self, cluster: &Cluster, correlation_id: i64, timestamp: i64) {}

    /// Write the state to `snapshot`; [`on_start`](Self::on_start) will read it. The container has already written its own part.
    ///
    /// Must write the same bytes on every member, and must not change the state. If it returns an error, the snapshot is acknowledged as failed,
    /// the cluster drops it, and the service goes on.
    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError>;

    /// The node became leader or follower. Not part of the replicated state. Sending and timers are not allowed here.
    fn on_role_change(&mut self, cluster: &Cluster, role: Role) {}

    /// The container ends in an orderly way: release what the service holds. Called at most once, only after a successful start, and not
    /// when the media driver died or after a panic. Sending and timers are not allowed here.
    fn on_terminate(&mut self, cluster: &Cluster) {}

    /// A new leadership term begins in the log.
    fn on_new_leadership_term_event(&mut self, cluster: &Cluster, event: &NewLeadershipTermEvent) {}

    /// Called in every duty cycle, between messages; `now_ns` counts nanoseconds from an arbitrary instant. Returns the amount of work
    /// done; 0 lets the container's thread idle. Must not touch the replicated state. Sending and timers are not allowed here.
    ///
    /// Unlike Java's, it is not called while another callback of the service waits.
    fn do_background_work(&mut self, cluster: &Cluster, now_ns: i64) -> usize {
        0
    }
}

/// A new leadership term, as the log brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewLeadershipTermEvent {
    /// The term.
    pub leadership_term_id: i64,
    /// The position in the log after the event, in bytes.
    pub log_position: i64,
    /// The cluster's time, in [`time_unit`](Self::time_unit)s since the epoch.
    pub timestamp: i64,
    /// The position in the log at which the term began, in bytes.
    pub term_base_log_position: i64,
    /// The member that leads.
    pub leader_member_id: i32,
    /// The session of the leader's log publication.
    pub log_session_id: i32,
    /// The unit of every timestamp from here on.
    pub time_unit: ClusterTimeUnit,
    /// The version of the application that the leader's consensus module was given; `None` in logs of old clusters.
    pub app_version: Option<SemanticVersion>,
}
