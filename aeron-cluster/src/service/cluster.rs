//! The cluster as the service sees it.

use std::io::IoSlice;
use std::ops::Deref;
use std::rc::Rc;

use super::divergence::Fingerprint;
use super::sessions::Sessions;
use super::state::{State, with_header};
use super::{ClientSession, Divergence, LogClaim, Role, Settings};
use crate::aeron::{Aeron, OfferError};
use crate::codec::{ClusterTimeUnit, SemanticVersion, SessionMessageHeader};
use crate::error::{Error, ErrorKind, Result};

/// The cluster, as given to every callback of a service. Mirrors `io.aeron.cluster.service.Cluster`.
///
/// What is asked here is answered without blocking. What is sent to the log (messages, timers) is sent by every member, each to its
/// own consensus module; the leader's is the one that enters the log.
pub struct Cluster {
    pub(super) state: Rc<State>,
    pub(super) sessions: Sessions,
}

/// The container is ending: the callback should return at once. Nothing more can be sent, and the message or timer that the
/// callback is about stays in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminating;

impl std::fmt::Display for Terminating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service container is ending")
    }
}

impl std::error::Error for Terminating {}

impl Cluster {
    pub(super) fn new(state: Rc<State>) -> Self {
        Cluster { state, sessions: Sessions::default() }
    }

    /// The id of this member; −1 until it has joined the log.
    pub fn member_id(&self) -> i32 {
        self.state.member_id.get()
    }

    /// The id of the cluster, as configured.
    pub fn cluster_id(&self) -> i32 {
        self.state.settings.cluster_id
    }

    /// The id of this service within its member, as configured.
    pub fn service_id(&self) -> i32 {
        self.state.settings.service_id
    }

    /// The name of the service, as configured or by default.
    pub fn service_name(&self) -> &str {
        &self.state.settings.service_name
    }

    /// The version of the application, as configured.
    pub fn app_version(&self) -> SemanticVersion {
        self.state.settings.app_version
    }

    /// The settings of the container. Mirrors `Cluster.context`.
    pub fn settings(&self) -> &Settings {
        &self.state.settings
    }

    /// Whether this member leads: [`Role::Leader`] or [`Role::Follower`].
    pub fn role(&self) -> Role {
        self.state.role.get()
    }

    /// The position in the log after the message being processed, in bytes.
    pub fn log_position(&self) -> i64 {
        self.state.log_position.get()
    }

    /// The leadership term of the message being processed; −1 before the first.
    pub fn leadership_term_id(&self) -> i64 {
        self.state.leadership_term_id.get()
    }

    /// The member that leads in the leadership term of the message being processed; −1 until the log brought a term since the
    /// start. So a member that started from a snapshot may not know what the others do: nothing that is replicated may depend
    /// on it. Java does not tell.
    pub fn leader_member_id(&self) -> i32 {
        self.state.leader_member_id.get()
    }

    /// The position up to which the cluster has committed the log, in bytes: how far this member may process now. It moves
    /// while a callback runs and differs between members, so nothing that is replicated may depend on it. 0 when the
    /// consensus module is gone. Java does not tell.
    pub fn commit_position(&self) -> i64 {
        self.state.commit_position()
    }

    /// How far this service is behind the committed log, in bytes. As [`commit_position`](Self::commit_position), for
    /// watching alone.
    pub fn lag(&self) -> i64 {
        (self.commit_position() - self.log_position()).max(0)
    }

    /// The time of the message being processed, in [`time_unit`](Self::time_unit)s since the epoch. It is the same on all
    /// members, and stands still between messages.
    pub fn time(&self) -> i64 {
        self.state.time.get()
    }

    /// The unit of all times; `None` until a snapshot was loaded or the first term began.
    pub fn time_unit(&self) -> Option<ClusterTimeUnit> {
        self.state.time_unit.get()
    }

    /// The Aeron client of the container. A clone of it that outlives the container keeps the client alive, and with it the
    /// consensus module's belief that the service is.
    pub fn aeron(&self) -> &Aeron {
        &self.state.aeron
    }

    /// The open session with this id.
    pub fn client_session(&self, cluster_session_id: i64) -> Option<&ClientSession> {
        self.sessions.get(cluster_session_id)
    }

    /// All open sessions, in the order of their ids.
    pub fn client_sessions(&self) -> impl Iterator<Item = &ClientSession> {
        self.sessions.iter()
    }

    /// Asks the cluster to end a session. See [`ClientSession::close`].
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](OfferError::InvalidArgument) if there is no such session.
    pub fn close_client_session(&self, cluster_session_id: i64) -> Result<(), OfferError> {
        self.state.check_sending_allowed()?;
        self.client_session(cluster_session_id).ok_or(OfferError::InvalidArgument)?.close()
    }

    /// Schedules a timer, or moves the one with the same id: [`on_timer_event`](super::ClusteredService::on_timer_event)
    /// comes once the cluster's time is `deadline` or later. Timers survive restarts and changes of leader.
    ///
    /// Every member must schedule the same timers. `i64::MAX` is no deadline. Does not block.
    ///
    /// # Errors
    ///
    /// As [`offer`](Self::offer).
    pub fn schedule_timer(&self, correlation_id: i64, deadline: i64) -> Result<(), OfferError> {
        self.state.to_consensus_module(|proxy| proxy.schedule_timer(correlation_id, deadline))
    }

    /// Cancels a timer. It may come all the same if it was due already. Otherwise as
    /// [`schedule_timer`](Self::schedule_timer).
    pub fn cancel_timer(&self, correlation_id: i64) -> Result<(), OfferError> {
        self.state.to_consensus_module(|proxy| proxy.cancel_timer(correlation_id))
    }

    /// Sends a message to the log. It comes back, on every member and once, as a message without a session.
    ///
    /// Every member must send the same messages, followers too: the consensus module counts them. So a refusal that
    /// [`is_retryable`](OfferError::is_retryable) must be retried, with [`idle`](Self::idle) between. Does not block.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](OfferError::NotAllowed) from a callback that must not send,
    /// [`Closed`](OfferError::Closed) once the container is ending, else what the publication says. What will not pass is
    /// recorded in the error log.
    pub fn offer(&self, message: &[u8]) -> Result<i64, OfferError> {
        self.offer_vectored(&[IoSlice::new(message)])
    }

    /// As [`offer`](Self::offer), for a message that lies in several pieces.
    pub fn offer_vectored(&self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        let header = self.service_header().encode();
        let send = |pieces: &[IoSlice<'_>]| self.state.to_consensus_module(|proxy| proxy.offer_vectored(pieces));
        let position = with_header(&header, pieces, send)?;
        let message = Fingerprint::of(pieces.iter().map(Deref::deref));
        self.state.own_messages.borrow_mut().sent(message);
        Ok(position)
    }

    /// Claims space for a message to the log, to be written in place and committed. At most one packet; otherwise as
    /// [`offer`](Self::offer).
    pub fn try_claim(&self, length: usize) -> Result<LogClaim<'_>, OfferError> {
        let header = self.service_header();
        let claim = self.state.to_consensus_module(|proxy| proxy.try_claim(&header, length))?;
        Ok(LogClaim::new(claim, &self.state))
    }

    /// How many messages this service has sent to the log since the log began: [`offer`](Self::offer)s and claims that were taken. The same
    /// on all members at the same position. `None` after the start from a snapshot that does not tell, until
    /// [`resume_service_messages`](Self::resume_service_messages).
    pub fn service_messages_sent(&self) -> Option<u64> {
        self.state.own_messages.borrow().count()
    }

    /// Says, in [`on_start`](super::ClusteredService::on_start), how many messages this service had sent to the log when the snapshot was taken:
    /// [`service_messages_sent`](Self::service_messages_sent) of that moment. With it, messages are compared after the start too; see
    /// [`divergence`](Self::divergence). A [`SnapshotReader`](super::SnapshotReader) says it by itself. A number that is not the true one raises a
    /// false alarm.
    ///
    /// # Errors
    ///
    /// [`State`](ErrorKind::State): the service is not starting; [`InvalidArgument`](ErrorKind::InvalidArgument): more than a log can number.
    pub fn resume_service_messages(&self, sent: u64) -> Result<()> {
        if !self.state.is_starting() {
            return Err(Error::new(ErrorKind::State, "the count of service messages is resumed in on_start alone"));
        }
        self.state.own_messages.borrow_mut().resume(sent)
    }

    /// The first message of this service in the log that is not the one that this member sent, if there was one. It has been recorded in the
    /// error log and counted, and with [`divergence_policy`](super::Context::divergence_policy) it ends the node. Java drops such
    /// messages without a word.
    ///
    /// It shows that the services of the members are not in the same state. Each member can see it only in messages that another
    /// leader put into the log, so it is the followers who notice; and only where the difference shows in the messages, their
    /// order or their number. Not compared are timers, requests to close sessions, and after a start from a snapshot whatever this service
    /// sends, unless the snapshot tells [`service_messages_sent`](Self::service_messages_sent). Of messages that are not back yet, the last
    /// 4096 are compared; older ones by number.
    pub fn divergence(&self) -> Option<Divergence> {
        self.state.own_messages.borrow().first_divergence()
    }

    /// The header of a message from this service: its id stands where a client's session id would.
    fn service_header(&self) -> SessionMessageHeader {
        self.state.header(i64::from(self.service_id()))
    }

    /// Passes some time within a callback that waits, as the container's idle strategy says, and keeps up what must go on
    /// meanwhile: the mark file, the watch over driver and consensus module, and the publications being added.
    ///
    /// `work_count` is what the caller got done since the last call: 0 to wait. The strategy begins anew in each callback, and where
    /// `work_count` is not 0.
    ///
    /// # Errors
    ///
    /// [`Terminating`] when the container is ending, for whatever reason. Return from the callback then.
    pub fn idle(&self, work_count: usize) -> Result<(), Terminating> {
        self.state.idle(work_count).map_err(|()| Terminating)
    }

    /// As [`idle`](Self::idle), with work of the service's own done meanwhile: `background` does some and returns how much, as
    /// [`do_background_work`](super::ClusteredService::do_background_work), which is not called while a callback waits, and under the same
    /// rules. It is told the same clock.
    pub fn idle_with(&self, work_count: usize, background: impl FnOnce(i64) -> usize) -> Result<(), Terminating> {
        let done = self.state.in_background(background).map_err(|()| Terminating)?;
        self.idle(work_count.saturating_add(done))
    }

    /// Ends this node once the callback returns, without processing more of the log. `expected` says whether that is in
    /// order: if not, it is reported as an error. Mirrors throwing a `ClusterTerminationException`.
    pub fn terminate(&self, expected: bool) {
        self.state.terminate(expected);
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("member_id", &self.member_id())
            .field("role", &self.role())
            .field("log_position", &self.log_position())
            .field("time", &self.time())
            .finish()
    }
}
