//! What a user writes: the replicated state machine.

use crate::aeron::Header;
use crate::codec::{ClusterTimeUnit, SemanticVersion};

use super::{ClientSession, CloseReason, Cluster, Role, SnapshotImage, SnapshotPublication};

/// What a service's own fallible callbacks fail with: any error.
pub type ServiceError = Box<dyn std::error::Error + Send + Sync>;

/// A replicated state machine, hosted by a [`ClusteredServiceContainer`](super::ClusteredServiceContainer).
///
/// Every member of the cluster calls these methods with the same arguments in the same order, so the state is the same on
/// all of them as long as it depends on nothing else: no clock but [`Cluster::time`], no random numbers, no iteration
/// over hash maps, and no difference between leader and follower. Mirrors
/// `io.aeron.cluster.service.ClusteredService`.
///
/// All methods are called on one thread, the container's. While one runs nothing else does, so none should wait longer
/// than it must; one that waits does so through [`Cluster::idle`].
///
/// # Failing
///
/// What the log brings cannot be refused: a replica that skips what the others apply is no replica. So only starting and
/// taking a snapshot can fail. A panic in any method ends the node, in order and without acknowledging the message that
/// caused it; see [`FailurePolicy`](super::FailurePolicy) for Java's way.
///
/// With `panic = "abort"` a panic ends the process at once: the consensus module sees the service's client vanish
/// and ends too, but no snapshot failure is acknowledged and no termination hook runs. A message that panics on every
/// replay keeps the node from starting until the program is fixed, or the log is truncated before it.
#[allow(unused_variables)]
pub trait ClusteredService {
    /// The service starts. `snapshot` is `None` for an empty state; otherwise it stands right behind the container's
    /// own part of the snapshot, and the service reads what it wrote in
    /// [`on_take_snapshot`](Self::on_take_snapshot).
    ///
    /// Sending and timers are not allowed here. An error, a panic or [`Cluster::terminate`] is acknowledged as a failed
    /// start, after which the consensus module and all services of the node end. A start that is cut short because the
    /// container is closed is not acknowledged: the consensus module waits for the next container.
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError>;

    /// A client connected.
    fn on_session_open(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64) {}

    /// A client's session ended. The session is no longer in [`Cluster::client_sessions`] and sends to it answer
    /// [`NotConnected`](crate::aeron::OfferError::NotConnected).
    fn on_session_close(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64, reason: CloseReason) {}

    /// A message: of a client if there is a session, else of a service, sent by [`Cluster::offer`].
    ///
    /// `message` is valid during the call. `timestamp` is the cluster's time in its
    /// [`time_unit`](Cluster::time_unit). `header` is that of the whole frame in the log, the 32 bytes of the session
    /// header included.
    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        timestamp: i64,
        message: &[u8],
        header: &Header<'_>,
    );

    /// A timer scheduled by [`Cluster::schedule_timer`] is due.
    fn on_timer_event(&mut self, cluster: &Cluster, correlation_id: i64, timestamp: i64) {}

    /// Write the state to `snapshot`. The container has written its own part; what is written here is what
    /// [`on_start`](Self::on_start) will read.
    ///
    /// Must write the same bytes on every member. An error is acknowledged as a failed snapshot, which the cluster
    /// drops, and the service goes on; so the state must not have changed.
    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError>;

    /// The node became leader or follower. Not part of the replicated state. Sending and timers are not allowed here.
    fn on_role_change(&mut self, cluster: &Cluster, role: Role) {}

    /// The container ends, in order: close what the service holds. Called once, and only after a successful start; not
    /// when the media driver died, and not after a panic. Sending and timers are not allowed here.
    fn on_terminate(&mut self, cluster: &Cluster) {}

    /// A new leadership term begins in the log.
    fn on_new_leadership_term_event(&mut self, cluster: &Cluster, event: &NewLeadershipTermEvent) {}

    /// Called in every duty cycle, between messages; `now_ns` counts from an arbitrary instant. Returns an amount of work
    /// done: 0 lets the container's thread idle. Not part of the replicated state. Sending and timers are not allowed here.
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
    /// The position in the log, after the event.
    pub log_position: i64,
    /// The cluster's time.
    pub timestamp: i64,
    /// The position in the log at which the term began.
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
