//! The client itself.

use std::io::IoSlice;

use super::async_connect::AsyncConnect;
use super::change::Reason;
use super::connecting::Connected;
use super::context::Context;
use super::listener::{ControlledEgressListener, EgressListener, Plain};
use super::reconnecting::{Progress, Reconnecting};
use super::session::{Ingress, Session};
use super::settings::Settings;
use super::state::State;
use super::{FRAGMENT_LIMIT, SEND_ATTEMPTS, SESSION_HEADER_LENGTH};
use crate::aeron::{Action, Aeron, BufferClaim, FragmentAssembler, IdleStrategy as _, OfferError, Subscription};
use crate::codec::{AdminRequest, AdminRequestType, SessionCloseRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::pieces::with_header;

/// A session with a cluster. Mirrors `io.aeron.cluster.client.AeronCluster`.
///
/// It is used by one thread at a time. Poll its egress often, even when you expect no message: polls notice that the leader is
/// lost, and connect to a new one. The session survives a change of leader; until the new leader is connected, sends are
/// refused with [`OfferError::NotConnected`] or [`OfferError::AdminAction`]. The
/// [module's documentation](super#what-becomes-of-messages) says what becomes of messages sent around that time.
///
/// When the session has ended, the client is [closed](Self::is_closed) and [`close_reason`](Self::close_reason) says why, unless it may
/// [reconnect](Context::reconnect). Dropping the client closes the session.
pub struct AeronCluster {
    pub(super) session: Session,
    assembler: FragmentAssembler,
    /// `None` when closed, and while a new session is opened.
    pub(super) egress: Option<Subscription>,
    reconnecting: Option<Reconnecting>,
    request: Vec<u8>,
}

impl AeronCluster {
    /// Opens a session with a cluster.
    ///
    /// # Blocking
    ///
    /// Up to [`Context::message_timeout`]; before that, if no Aeron client was given, up to the driver timeout.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an invalid setting, [`Timeout`](ErrorKind::Timeout) if
    /// the cluster does not answer, [`Authentication`](ErrorKind::Authentication) if it rejects the credentials,
    /// [`Cluster`](ErrorKind::Cluster) if it refuses the session, and errors of the Aeron client.
    pub fn connect(context: Context) -> Result<Self> {
        Self::async_connect(context)?.wait()
    }

    /// As [`connect`](Self::connect), but returns at once with an [`AsyncConnect`] to poll. Blocks only for the media driver, and only if no
    /// Aeron client was given.
    pub fn async_connect(context: Context) -> Result<AsyncConnect> {
        context.conclude().map(AsyncConnect::new)
    }

    pub(super) fn new(mut settings: Settings, connected: Connected) -> Self {
        let reconnecting = settings.reconnect.take().map(|policy| Reconnecting::new(policy, settings.now()));
        let (session, egress) = Session::new(settings, connected);
        Self { session, assembler: FragmentAssembler::new(), egress: Some(egress), reconnecting, request: Vec::new() }
    }

    /// The Aeron client. After [reconnecting](Context::reconnect) it may be another one.
    pub fn aeron(&self) -> &Aeron {
        &self.session.settings.aeron
    }

    /// The id of the session; while the client [reconnects](State::Reconnecting), that of the lost one.
    pub fn cluster_session_id(&self) -> i64 {
        self.session.cluster_session_id
    }

    /// The current leadership term, as far as the client knows.
    pub fn leadership_term_id(&self) -> i64 {
        self.session.leadership_term_id
    }

    /// The member id of the current leader, as far as the client knows.
    pub fn leader_member_id(&self) -> i32 {
        self.session.leader_member_id
    }

    /// The state of the session.
    pub fn state(&self) -> State {
        self.session.machine.state()
    }

    /// Whether the session has ended and the client cannot be used any more.
    pub fn is_closed(&self) -> bool {
        self.state() == State::Closed
    }

    /// Why the session has ended; `None` if it has not.
    pub fn close_reason(&self) -> Option<&Reason> {
        self.session.machine.end()
    }

    /// The longest message, in bytes, that fits into one packet to the leader, and that [`try_claim`](Self::try_claim) can claim;
    /// `None` while no leader is connected.
    pub fn max_payload_length(&self) -> Option<usize> {
        match &self.session.ingress {
            Ingress::Ready(publication) => Some(publication.max_payload_length().saturating_sub(SESSION_HEADER_LENGTH)),
            _ => None,
        }
    }

    /// The longest message that [`offer`](Self::offer) accepts, in bytes; `None` while no leader is connected.
    pub fn max_message_length(&self) -> Option<usize> {
        match &self.session.ingress {
            Ingress::Ready(publication) => Some(publication.max_message_length() - SESSION_HEADER_LENGTH),
            _ => None,
        }
    }

    /// Sends a message to the cluster. Returns the position of the ingress after it.
    ///
    /// Does not block and does not allocate. `Ok` means that the message is on its way, not that it has arrived. Mirrors
    /// `AeronCluster.offer`.
    ///
    /// # Errors
    ///
    /// [`OfferError::AdminAction`] and [`OfferError::NotConnected`] while a new leader is awaited or connected to, [`OfferError::Closed`]
    /// once the client is closed; otherwise the answer of the publication. Keep polling the egress while you retry.
    #[inline]
    pub fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> {
        self.session
            .send(|publication, header| publication.offer_vectored(&[IoSlice::new(header), IoSlice::new(message)]))
    }

    /// As [`offer`](Self::offer), for a message made up of several pieces. Allocates for more than 15 pieces.
    pub fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        self.session
            .send(|publication, header| with_header(header, pieces, |pieces| publication.offer_vectored(pieces)))
    }

    /// Claims space for a message of `length` bytes, at most [`max_payload_length`](Self::max_payload_length), to be written in place and
    /// committed. The session header is already written and not part of the claim. Errors are as for [`offer`](Self::offer). Mirrors
    /// `AeronCluster.tryClaim`.
    #[inline]
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        // A publication that a refusal makes useless is dropped before the next send: here the claim still borrows it.
        self.session.drop_useless_ingress();
        let missing = self.session.without_ingress();
        let Session { ingress, machine, header, settings, .. } = &mut self.session;
        let claim = match ingress {
            // If the sum overflows, the length is too long with or without the header.
            Ingress::Ready(publication) => publication.try_claim(length.saturating_add(SESSION_HEADER_LENGTH)),
            Ingress::Adding(_) => return Err(OfferError::AdminAction),
            Ingress::None => return Err(missing),
        };
        machine.on_send(&claim, || settings.now());
        claim.map(|claim| claim.with_hidden_start(header))
    }

    /// Tells the cluster that the client is alive. Needed if nothing else is sent within the cluster's session
    /// timeout (10 s by default).
    ///
    /// Makes up to three attempts, idling in between. Mirrors `AeronCluster.sendKeepAlive`.
    pub fn send_keep_alive(&mut self) -> Result<(), OfferError> {
        self.attempt(Session::offer_keep_alive)
    }

    /// Asks the cluster to take a snapshot, which its authorisation service must allow. The answer comes to
    /// [`EgressListener::on_admin_response`] with the same correlation id.
    ///
    /// Makes up to three attempts, idling in between. Mirrors `AeronCluster.sendAdminRequestToTakeASnapshot`.
    pub fn send_admin_request_to_take_a_snapshot(&mut self, correlation_id: i64) -> Result<(), OfferError> {
        let request = AdminRequest {
            leadership_term_id: self.session.leadership_term_id,
            cluster_session_id: self.session.cluster_session_id,
            correlation_id,
            request_type: AdminRequestType::Snapshot,
            payload: &[],
        };
        let mut encoded = std::mem::take(&mut self.request);
        request.encode(&mut encoded);
        let outcome = self.attempt(|session| session.send(|publication, _| publication.offer(&encoded)));
        self.request = encoded;
        outcome
    }

    fn attempt(&mut self, mut send: impl FnMut(&mut Session) -> Result<i64, OfferError>) -> Result<(), OfferError> {
        self.session.settings.idle_strategy.reset();
        for _ in 1..SEND_ATTEMPTS {
            match send(&mut self.session) {
                Ok(_) => return Ok(()),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(_) => self.session.settings.idle_strategy.idle(0),
            }
        }
        send(&mut self.session).map(|_| ())
    }

    /// Delivers what has arrived, at most 10 fragments, to `listener`, and does a step of whatever is in progress: a change of leader, the end
    /// of the session, a keep-alive, or opening a new session. Returns the amount of work done, for an idle strategy.
    ///
    /// Does not block, except to make a new Aeron client when it [reconnects](Context::reconnect). Mirrors `AeronCluster.pollEgress`.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed), with the reason, once the client is closed; [`Protocol`](ErrorKind::Protocol) for a
    /// message that cannot be decoded; the media driver's error if it refuses the channel to a new leader. Only the first is final.
    pub fn poll_egress<L: EgressListener + ?Sized>(&mut self, listener: &mut L) -> Result<usize> {
        self.controlled_poll_egress(&mut Plain(listener))
    }

    /// As [`poll_egress`](Self::poll_egress), with a listener that returns an [`Action`] after each message. Mirrors
    /// `AeronCluster.controlledPollEgress`.
    pub fn controlled_poll_egress<L: ControlledEgressListener>(&mut self, listener: &mut L) -> Result<usize> {
        if self.is_closed() {
            self.report_changes(listener);
            return Err(self.closed());
        }
        self.session.drop_useless_ingress();
        let mut failure = None;
        let mut work_count = self.deliver(listener, &mut failure)?;
        if let (0, Some(egress)) = (work_count, &mut self.egress) {
            work_count += self.session.check_connection(egress);
        }
        match self.poll_state_changes() {
            Ok(work) => work_count += work,
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
        self.report_changes(listener);
        failure.map_or(Ok(work_count), Err)
    }

    fn deliver<L: ControlledEgressListener>(&mut self, listener: &mut L, failure: &mut Option<Error>) -> Result<usize> {
        let Self { session, assembler, egress: Some(egress), .. } = self else { return Ok(0) };
        let fragments = egress.controlled_poll(FRAGMENT_LIMIT, |fragment, header| {
            assembler.on_fragment(fragment, header, |message, header| {
                session.on_egress(message, header, listener).unwrap_or_else(|error| {
                    failure.get_or_insert(error);
                    Action::Break
                })
            })
        })?;
        if let Some(stale) = session.take_stale_image() {
            assembler.free_session(stale);
        }
        Ok(fragments)
    }

    fn report_changes<L: ControlledEgressListener>(&mut self, listener: &mut L) {
        // Each is removed before it is reported, so that after a panic the next poll reports the remaining ones.
        while let Some(change) = self.session.machine.next_change() {
            listener.on_state_change(&change);
        }
    }

    /// Does a step of whatever is in progress: connecting to a new leader, ending the session, a keep-alive, opening a new session. Returns the
    /// amount of work done. The client's polls call it; call it if you poll the [egress](Self::egress_subscription) yourself. Blocks only as
    /// [`poll_egress`](Self::poll_egress) does. Mirrors `AeronCluster.pollStateChanges`.
    ///
    /// # Errors
    ///
    /// The media driver's error if it refuses the channel to a new leader.
    pub fn poll_state_changes(&mut self) -> Result<usize> {
        let mut work_count = self.session.settings.aeron.drive();
        let outcome = self.session.advance();
        if self.session.machine.is_over(|| self.session.settings.now()) {
            self.end_session();
            work_count += 1;
        }
        work_count += self.reconnect();
        outcome.map(|work| work_count + work)
    }

    /// Closes the client, or lets it open a new session.
    fn end_session(&mut self) {
        let Self { session, reconnecting: Some(reconnecting), .. } = self else { return self.close() };
        let is_renewable = !session.settings.aeron.is_closed() || session.settings.owns_aeron();
        let Some(loss) = session.machine.end().filter(|why| is_renewable && why.is_loss()) else {
            return self.close();
        };
        let error = Error::new(ErrorKind::Closed, format!("the new session was lost too: {loss}"));
        session.machine.on_reconnecting();
        session.drop_useless_ingress();
        self.egress = None;
        self.assembler.clear();
        if let Err(attempts) = reconnecting.on_loss(session.settings.now()) {
            session.machine.on_end(Reason::GaveUp { attempts, error });
            self.close();
        }
    }

    fn reconnect(&mut self) -> usize {
        let Self { session, reconnecting: Some(reconnecting), .. } = self else { return 0 };
        match reconnecting.poll(&mut session.settings) {
            Progress::Work(work) => work,
            Progress::Opened(connected) => {
                self.egress = Some(session.replace(*connected));
                1
            }
            Progress::GaveUp(reason) => {
                session.machine.on_end(reason);
                self.close();
                1
            }
        }
    }

    /// Closes the session and the client. Does nothing if it is already closed.
    ///
    /// Makes up to three attempts to tell the cluster, idling in between; if they fail, the cluster closes the session
    /// after its timeout. The next poll, if there is one, reports the change to its listener. Mirrors `AeronCluster.close`.
    pub fn close(&mut self) {
        if let Some(reconnecting) = &mut self.reconnecting {
            reconnecting.stop();
        }
        let is_connected = matches!(&self.session.ingress, Ingress::Ready(publication) if publication.is_connected());
        // In a forked child it is the parent's session, which must stay open.
        let is_own = !self.session.settings.aeron.is_forked();
        if self.state() == State::Connected && is_connected && is_own {
            let request = SessionCloseRequest {
                leadership_term_id: self.session.leadership_term_id,
                cluster_session_id: self.session.cluster_session_id,
            };
            // A failure is ignored: the cluster's session timeout is the fallback.
            let _ = self.attempt(|session| session.send(|publication, _| publication.offer(&request.encode())));
        }
        self.egress = None;
        self.session.machine.on_closed();
        self.session.drop_useless_ingress();
    }

    fn closed(&self) -> Error {
        let why = self.close_reason().map_or_else(String::new, |reason| format!(": {reason}"));
        Error::new(ErrorKind::Closed, format!("the cluster client is closed{why}"))
    }
}

impl Drop for AeronCluster {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for AeronCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AeronCluster")
            .field("cluster_session_id", &self.cluster_session_id())
            .field("leadership_term_id", &self.leadership_term_id())
            .field("leader_member_id", &self.leader_member_id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
