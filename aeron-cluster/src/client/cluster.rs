//! The client itself.

use std::io::IoSlice;

use super::async_connect::AsyncConnect;
use super::change::Reason;
use super::connecting::Connected;
use super::context::Context;
use super::healing::{Healing, Progress};
use super::listener::{ControlledEgressListener, EgressListener, Plain};
use super::session::{Ingress, Session};
use super::settings::Settings;
use super::state::State;
use super::{FRAGMENT_LIMIT, SEND_ATTEMPTS, SESSION_HEADER_LENGTH};
use crate::aeron::{Action, Aeron, BufferClaim, FragmentAssembler, IdleStrategy as _, OfferError, Subscription};
use crate::codec::{AdminRequest, AdminRequestType, SessionCloseRequest};
use crate::error::{Error, ErrorKind, Result};

/// How many pieces a vectored message may have before their list is put on the heap.
const PIECES_ON_STACK: usize = 16;

/// A session with a cluster. Mirrors `io.aeron.cluster.client.AeronCluster`.
///
/// It belongs to one thread at a time. Poll its egress often, also when nothing is expected: that is how a lost leader is
/// noticed and a new one connected to. A leader change takes no session away: until the new leader is connected, sends are
/// refused with [`OfferError::NotConnected`] or [`OfferError::AdminAction`]. What may be lost or doubled then is said in the
/// [module's documentation](super#what-becomes-of-messages).
///
/// When the session is over, the client is [closed](Self::is_closed) and every call says why, unless it was told to
/// [reconnect](Context::reconnect). Dropping the client closes the session.
pub struct AeronCluster {
    pub(super) session: Session,
    assembler: FragmentAssembler,
    /// `None` when closed, and while a new session is opened.
    pub(super) egress: Option<Subscription>,
    healing: Option<Healing>,
    request: Vec<u8>,
}

impl AeronCluster {
    /// Opens a session with a cluster.
    ///
    /// # Blocking
    ///
    /// Up to [`Context::message_timeout`], and for a client without an Aeron client up to its driver timeout before that.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a setting that cannot be used, [`Timeout`](ErrorKind::Timeout) when
    /// the cluster does not answer, [`Authentication`](ErrorKind::Authentication) when it rejects the credentials,
    /// [`Cluster`](ErrorKind::Cluster) when it refuses the session, and what the Aeron client may say.
    pub fn connect(context: Context) -> Result<Self> {
        Self::async_connect(context)?.wait()
    }

    /// As [`connect`](Self::connect), in steps: poll the result. Waits only for the media driver, and only if no Aeron client
    /// was given.
    pub fn async_connect(context: Context) -> Result<AsyncConnect> {
        context.conclude().map(AsyncConnect::new)
    }

    pub(super) fn new(mut settings: Settings, connected: Connected) -> Self {
        let healing = settings.reconnect.take().map(|policy| Healing::new(policy, settings.now()));
        let (session, egress) = Session::new(settings, connected);
        Self { session, assembler: FragmentAssembler::new(), egress: Some(egress), healing, request: Vec::new() }
    }

    /// The Aeron client. After [reconnecting](Context::reconnect) it may be another one.
    pub fn aeron(&self) -> &Aeron {
        &self.session.settings.aeron
    }

    /// The session; while the client [reconnects](State::Reconnecting) the lost one.
    pub fn cluster_session_id(&self) -> i64 {
        self.session.cluster_session_id
    }

    /// The leadership term that the client knows of.
    pub fn leadership_term_id(&self) -> i64 {
        self.session.leadership_term_id
    }

    /// The leader that the client knows of.
    pub fn leader_member_id(&self) -> i32 {
        self.session.leader_member_id
    }

    /// Where the client stands with the cluster.
    pub fn state(&self) -> State {
        self.session.machine.state()
    }

    /// Whether the session is over and the client of no more use.
    pub fn is_closed(&self) -> bool {
        self.state() == State::Closed
    }

    /// Why the session is over; `None` while it is not.
    pub fn close_reason(&self) -> Option<&Reason> {
        self.session.machine.end()
    }

    /// The longest message that the leader takes in one piece, in bytes, and that [`try_claim`](Self::try_claim) can claim;
    /// `None` while no leader is connected.
    pub fn max_payload_length(&self) -> Option<usize> {
        match &self.session.ingress {
            Ingress::Ready(publication) => Some(publication.max_payload_length().saturating_sub(SESSION_HEADER_LENGTH)),
            _ => None,
        }
    }

    /// The longest message that the leader takes, in bytes; `None` while no leader is connected.
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
    #[inline]
    pub fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> {
        self.session
            .send(|publication, header| publication.offer_vectored(&[IoSlice::new(header), IoSlice::new(message)]))
    }

    /// Sends one message that lies in several pieces. Otherwise as [`offer`](Self::offer), except that more than 16 pieces
    /// cost an allocation.
    pub fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        self.session.send(|publication, header| {
            if pieces.len() > PIECES_ON_STACK {
                let all: Vec<_> = std::iter::once(IoSlice::new(header)).chain(pieces.iter().copied()).collect();
                return publication.offer_vectored(&all);
            }
            let mut all = [IoSlice::new(&[]); PIECES_ON_STACK + 1];
            all[0] = IoSlice::new(header);
            all[1..=pieces.len()].copy_from_slice(pieces);
            publication.offer_vectored(&all[..=pieces.len()])
        })
    }

    /// Claims space for a message of `length` bytes, to be written in place; the session header is written already and does
    /// not show. At most [`max_payload_length`](Self::max_payload_length). Mirrors `AeronCluster.tryClaim`.
    #[inline]
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        // The publication stays borrowed by the claim, so what a refusal makes useless is let go before the next send.
        self.session.drop_useless_ingress();
        let missing = self.session.without_ingress();
        let Session { ingress, machine, header, settings, .. } = &mut self.session;
        let claim = match ingress {
            // What cannot be added is too long with or without the header.
            Ingress::Ready(publication) => publication.try_claim(length.saturating_add(SESSION_HEADER_LENGTH)),
            Ingress::Adding(_) => return Err(OfferError::AdminAction),
            Ingress::None => return Err(missing),
        };
        machine.on_send(&claim, || settings.now());
        claim.map(|claim| claim.with_hidden_start(header))
    }

    /// Tells the cluster that the client is alive; needed when nothing else is sent for longer than the cluster's session
    /// timeout (10 s by default).
    ///
    /// Tries three times, with the idle strategy between. Mirrors `AeronCluster.sendKeepAlive`.
    pub fn send_keep_alive(&mut self) -> Result<(), OfferError> {
        self.attempt(Session::offer_keep_alive)
    }

    /// Asks the cluster to take a snapshot, which its authorisation must allow. The answer comes to
    /// [`EgressListener::on_admin_response`] with the same correlation id.
    ///
    /// Tries three times, with the idle strategy between. Mirrors `AeronCluster.sendAdminRequestToTakeASnapshot`.
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

    /// Delivers what has arrived to `listener`, at most 10 fragments, and gets on with a change of leader, the end of the
    /// session, a keep-alive that is due or a new session. Returns how much it did, for an idle strategy.
    ///
    /// Does not block. Mirrors `AeronCluster.pollEgress`.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed) once the client is closed, with the reason; [`Protocol`](ErrorKind::Protocol) for a
    /// message that cannot be read; what the media driver says against the channel to a new leader. Only the first is final.
    pub fn poll_egress<L: EgressListener + ?Sized>(&mut self, listener: &mut L) -> Result<usize> {
        self.controlled_poll_egress(&mut Plain(listener))
    }

    /// As [`poll_egress`](Self::poll_egress), with a listener that says after each message how to go on. Mirrors
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
        // One by one: a listener that panics at one has the others to come.
        while let Some(change) = self.session.machine.next_change() {
            listener.on_state_change(&change);
        }
    }

    /// Gets on with what is under way: the way to a new leader, the end of the session, a keep-alive, a new session. Returns how
    /// much it did. The polls call it; it is for those who poll the [egress](Self::egress_subscription) by themselves. Does not
    /// block. Mirrors `AeronCluster.pollStateChanges`.
    ///
    /// # Errors
    ///
    /// What the media driver says against the channel to a new leader.
    pub fn poll_state_changes(&mut self) -> Result<usize> {
        let mut work_count = self.session.settings.aeron.drive();
        let outcome = self.session.advance();
        if self.session.machine.is_over(|| self.session.settings.now()) {
            self.end_session();
            work_count += 1;
        }
        work_count += self.heal();
        outcome.map(|work| work_count + work)
    }

    /// Closes the client, or lets it open a new session.
    fn end_session(&mut self) {
        let Self { session, healing: Some(healing), .. } = self else { return self.close() };
        let is_renewable = !session.settings.aeron.is_closed() || session.settings.owns_aeron();
        let Some(loss) = session.machine.end().filter(|why| is_renewable && why.is_loss()) else {
            return self.close();
        };
        let error = Error::new(ErrorKind::Closed, format!("the new session was lost too: {loss}"));
        session.machine.on_reconnecting();
        session.drop_useless_ingress();
        self.egress = None;
        self.assembler.clear();
        if let Err(attempts) = healing.on_loss(session.settings.now()) {
            session.machine.on_end(Reason::GaveUp { attempts, error });
            self.close();
        }
    }

    fn heal(&mut self) -> usize {
        let Self { session, healing: Some(healing), .. } = self else { return 0 };
        match healing.poll(&mut session.settings) {
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

    /// Closes the session and the client. Does nothing if it is closed already.
    ///
    /// Tries three times to tell the cluster, with the idle strategy between; if that fails, the cluster closes the session
    /// after its timeout. A listener hears of it by the next poll, if there is one. Mirrors `AeronCluster.close`.
    pub fn close(&mut self) {
        if let Some(healing) = &mut self.healing {
            healing.stop();
        }
        let is_connected = matches!(&self.session.ingress, Ingress::Ready(publication) if publication.is_connected());
        // A child that was forked has the parent's session.
        let is_own = !self.session.settings.aeron.is_forked();
        if self.state() == State::Connected && is_connected && is_own {
            let request = SessionCloseRequest {
                leadership_term_id: self.session.leadership_term_id,
                cluster_session_id: self.session.cluster_session_id,
            };
            // Closing goes on in any case: the cluster's own timeout is the fallback.
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
