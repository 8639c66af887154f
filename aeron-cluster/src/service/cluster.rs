//! The cluster as the service sees it.

use std::io::IoSlice;
use std::ops::Deref;
use std::rc::Rc;

use super::divergence::Fingerprint;
use super::sessions::Sessions;
use super::state::State;
use super::{ClientSession, Divergence, LogClaim, Role, Settings};
use crate::aeron::{Aeron, OfferError};
use crate::codec::{ClusterTimeUnit, SemanticVersion, SessionMessageHeader};
use crate::error::{Error, ErrorKind, Result};
use crate::pieces::with_header;

/// The cluster, as given to every callback of a service. Mirrors `io.aeron.cluster.service.Cluster`.
///
/// No method blocks, except those that idle. Messages and timers for the log are sent by every member, each to its
/// own consensus module; the leader's copy is the one that enters the log.
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

    /// The id of the cluster, from the settings.
    pub fn cluster_id(&self) -> i32 {
        self.state.settings.cluster_id
    }

    /// The id of this service within its member, from the settings.
    pub fn service_id(&self) -> i32 {
        self.state.settings.service_id
    }

    /// The name of the service, from the settings or the default.
    pub fn service_name(&self) -> &str {
        &self.state.settings.service_name
    }

    /// The version of the application, from the settings.
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

    /// The member that leads in the leadership term of the message being processed; −1 until the log has brought a new term since the
    /// start. A member that started from a snapshot may not know it yet while others do, so replicated state must not depend
    /// on it. Java has no such method.
    pub fn leader_member_id(&self) -> i32 {
        self.state.leader_member_id.get()
    }

    /// The position up to which the log is committed, in bytes: how far this member may process it now. It moves
    /// while a callback runs and differs between members, so replicated state must not depend on it. 0 when the
    /// consensus module is gone. Java has no such method.
    pub fn commit_position(&self) -> i64 {
        self.state.commit_position()
    }

    /// How far this service is behind the committed log, in bytes. For monitoring only, like
    /// [`commit_position`](Self::commit_position).
    pub fn lag(&self) -> i64 {
        (self.commit_position() - self.log_position()).max(0)
    }

    /// The time of the message being processed, in [`time_unit`](Self::time_unit)s since the epoch. It is the same on all
    /// members, and stands still between messages.
    pub fn time(&self) -> i64 {
        self.state.time.get()
    }

    /// The unit of all times; `None` until a snapshot was loaded or the first term began in the log.
    pub fn time_unit(&self) -> Option<ClusterTimeUnit> {
        self.state.time_unit.get()
    }

    /// The Aeron client of the container. Do not keep a clone beyond the end of the container: as long as the client lives, the
    /// consensus module takes the service for alive.
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

    /// Schedules a timer, or reschedules the one with the same id: [`on_timer_event`](super::ClusteredService::on_timer_event)
    /// is called once the cluster's time is `deadline` or later. `deadline` is absolute, in [`time_unit`](Self::time_unit)s since the epoch;
    /// `i64::MAX` means no deadline. Timers survive restarts and changes of leader.
    ///
    /// Every member must schedule the same timers. Does not block.
    ///
    /// # Errors
    ///
    /// As [`offer`](Self::offer).
    pub fn schedule_timer(&self, correlation_id: i64, deadline: i64) -> Result<(), OfferError> {
        self.state.to_consensus_module(|proxy| proxy.schedule_timer(correlation_id, deadline))
    }

    /// Cancels a timer. If it was already due, its event may still come. Otherwise as
    /// [`schedule_timer`](Self::schedule_timer).
    pub fn cancel_timer(&self, correlation_id: i64) -> Result<(), OfferError> {
        self.state.to_consensus_module(|proxy| proxy.cancel_timer(correlation_id))
    }

    /// Sends a message to the log, and returns the position after it in the stream to the consensus module. The log delivers it once, on every
    /// member, as a message without a session.
    ///
    /// Every member must send the same messages, followers included: the consensus modules count them. So retry a refusal that
    /// [`is_retryable`](OfferError::is_retryable), with [`idle`](Self::idle) in between. Does not block.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](OfferError::NotAllowed) from a callback that must not send,
    /// [`Closed`](OfferError::Closed) once the container is ending; otherwise the answer of the publication. A refusal that retrying cannot
    /// help is recorded in the error log.
    pub fn offer(&self, message: &[u8]) -> Result<i64, OfferError> {
        self.offer_vectored(&[IoSlice::new(message)])
    }

    /// As [`offer`](Self::offer), for a message made up of several pieces.
    pub fn offer_vectored(&self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        let header = self.service_header().encode();
        let send = |pieces: &[IoSlice<'_>]| self.state.to_consensus_module(|proxy| proxy.offer_vectored(pieces));
        let position = with_header(&header, pieces, send)?;
        let message = Fingerprint::of(pieces.iter().map(Deref::deref));
        self.state.own_messages.borrow_mut().sent(message);
        Ok(position)
    }

    /// Claims space for a message of `length` bytes to the log, to be written in place and committed. It must fit into one packet; otherwise as
    /// [`offer`](Self::offer).
    pub fn try_claim(&self, length: usize) -> Result<LogClaim<'_>, OfferError> {
        let header = self.service_header();
        let claim = self.state.to_consensus_module(|proxy| proxy.try_claim(&header, length))?;
        Ok(LogClaim::new(claim, &self.state))
    }

    /// How many messages this service has sent to the log since the log began: successful [`offer`](Self::offer)s and claims. It is the same
    /// on all members at the same position. `None` after a start from a snapshot, until
    /// [`resume_service_messages`](Self::resume_service_messages) is called.
    pub fn service_messages_sent(&self) -> Option<u64> {
        self.state.own_messages.borrow().count()
    }

    /// To be called in [`on_start`](super::ClusteredService::on_start): sets how many messages this service had sent to the log when the snapshot was
    /// taken, as [`service_messages_sent`](Self::service_messages_sent) returned then. It lets messages be compared after the start too; see
    /// [`divergence`](Self::divergence). A [`SnapshotReader`](super::SnapshotReader) calls it by itself. A wrong number raises a
    /// false alarm.
    ///
    /// # Errors
    ///
    /// [`State`](ErrorKind::State) outside of `on_start`; [`InvalidArgument`](ErrorKind::InvalidArgument) for a number above 2^56 − 1, the most
    /// that a log can hold.
    pub fn resume_service_messages(&self, sent: u64) -> Result<()> {
        if !self.state.is_starting() {
            return Err(Error::new(ErrorKind::State, "the count of service messages is resumed in on_start alone"));
        }
        self.state.own_messages.borrow_mut().resume(sent)
    }

    /// The first message of this service in the log that is not the one that this member sent, if any. It has been recorded in the
    /// error log and counted, and [`divergence_policy`](super::Context::divergence_policy) can make it end the node. Java silently drops
    /// this member's message.
    ///
    /// It shows that the services of the members are not in the same state. A member can notice it only in messages that another member put
    /// into the log as leader, so followers notice; and only if the states differ in the messages sent, their
    /// order or their number. Timers and requests to close sessions are not compared, nor, after a start from a snapshot that does not restore
    /// [`service_messages_sent`](Self::service_messages_sent), any message. Of the messages that the log has not brought back yet, the last
    /// 4096 are compared; of older ones only the number.
    pub fn divergence(&self) -> Option<Divergence> {
        self.state.own_messages.borrow().first_divergence()
    }

    /// The header of a message from this service: it has the service id in place of a session id.
    fn service_header(&self) -> SessionMessageHeader {
        self.state.header(i64::from(self.service_id()))
    }

    /// To be called in the loop of a callback that waits. Blocks for a short time, according to the container's idle strategy, and does what must
    /// not stop: the mark file's heartbeat, the watch over driver and consensus module, and adding publications.
    ///
    /// `work_count` is the work that the caller did since the last call; 0 makes it wait. The strategy is reset for each callback, and when
    /// `work_count` is not 0.
    ///
    /// # Errors
    ///
    /// [`Terminating`] if the container is ending, for whatever reason. Return from the callback then.
    pub fn idle(&self, work_count: usize) -> Result<(), Terminating> {
        self.state.idle(work_count).map_err(|()| Terminating)
    }

    /// As [`idle`](Self::idle), but first runs `background`, which takes the time and returns the work done as
    /// [`do_background_work`](super::ClusteredService::do_background_work) does, and is bound by the same rules. (`do_background_work` itself is
    /// not called while a callback waits.)
    pub fn idle_with(&self, work_count: usize, background: impl FnOnce(i64) -> usize) -> Result<(), Terminating> {
        let done = self.state.in_background(background).map_err(|()| Terminating)?;
        self.idle(work_count.saturating_add(done))
    }

    /// Ends this node once the callback returns, without processing more of the log. If it is not `expected`, it is reported as an error.
    /// Mirrors throwing a `ClusterTerminationException`.
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
