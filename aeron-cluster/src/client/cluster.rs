//! The client itself.

use std::io::IoSlice;
use std::time::Instant;

use super::async_connect::AsyncConnect;
use super::context::Context;
use super::listener::{ControlledEgressListener, EgressListener, Plain};
use super::session::{Ingress, Session};
use super::state::State;
use super::{FRAGMENT_LIMIT, SEND_ATTEMPTS, SESSION_HEADER_LENGTH};
use crate::aeron::{Action, BufferClaim, FragmentAssembler, IdleStrategy as _, OfferError, Subscription};
use crate::codec::{AdminRequest, AdminRequestType, SessionCloseRequest};
use crate::error::{Error, ErrorKind, Result};

/// How many pieces a vectored message may have before their list is put on the heap.
const PIECES_ON_STACK: usize = 16;

/// A session with a cluster. Mirrors `io.aeron.cluster.client.AeronCluster`.
///
/// It belongs to one thread at a time. Poll its egress often, also when nothing is expected: that is how a lost leader is
/// noticed and a new one connected to. A leader change takes no session away: until the new leader is connected, sends are
/// refused with [`OfferError::NotConnected`] or [`OfferError::AdminAction`]. Whatever was sent to the old leader and not
/// answered may be lost.
///
/// When the session is over, the client is [closed](Self::is_closed) and every call says why. Dropping the client closes the
/// session.
pub struct AeronCluster {
    session: Session,
    assembler: FragmentAssembler,
    egress: Option<Subscription>,
    reported: State,
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

    pub(super) fn new(session: Session, egress: Subscription) -> Self {
        Self {
            session,
            assembler: FragmentAssembler::new(),
            egress: Some(egress),
            reported: State::Connected,
            request: Vec::new(),
        }
    }

    /// The session.
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
    pub fn close_reason(&self) -> Option<&str> {
        self.session.machine.end()
    }

    /// The longest message that the leader takes in one piece, in bytes, and that [`try_claim`](Self::try_claim) can claim;
    /// `None` while no leader is connected.
    pub fn max_payload_length(&self) -> Option<usize> {
        match &self.session.ingress {
            Ingress::Ready(publication) => Some(publication.max_payload_length() - SESSION_HEADER_LENGTH),
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
        let Session { ingress, machine, header, .. } = &mut self.session;
        let claim = match ingress {
            Ingress::Ready(publication) => publication.try_claim(length + SESSION_HEADER_LENGTH),
            Ingress::Adding(_) => return Err(OfferError::AdminAction),
            Ingress::None => return Err(missing),
        };
        machine.on_send(&claim, Instant::now);
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

    /// Delivers what has arrived to `listener`, at most 10 fragments, and gets on with a change of leader or the end of the
    /// session. Returns how much it did, for an idle strategy.
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
        let Self { session, assembler, egress, .. } = self;
        let Some(subscription) = egress else { return Err(self.closed()) };
        session.drop_useless_ingress();
        let mut failure = None;
        let fragments = subscription.controlled_poll(FRAGMENT_LIMIT, |fragment, header| {
            assembler.on_fragment(fragment, header, |message, header| {
                session.on_egress(message, header, listener).unwrap_or_else(|error| {
                    failure.get_or_insert(error);
                    Action::Break
                })
            })
        })?;
        if let Some(stale) = session.stale_image.take() {
            assembler.free_session(stale.session_id);
        }
        let mut work_count = fragments;
        if fragments == 0 {
            work_count += self.check_connection();
        }
        match self.session.advance() {
            Ok(work) => work_count += work,
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
        work_count += self.poll_state_changes();
        self.report_state(listener);
        failure.map_or(Ok(work_count), Err)
    }

    /// Whether the leader's egress, or the whole media driver, is gone.
    fn check_connection(&mut self) -> usize {
        let Session { machine, settings, image, .. } = &mut self.session;
        if settings.aeron.is_closed() {
            let why = settings.aeron.last_error().map_or_else(String::new, |error| format!(": {error}"));
            machine.on_end(format!("the Aeron client is closed{why}"));
            return 1;
        }
        let Some(egress) = &mut self.egress else { return 0 };
        if !machine.uses_ingress() || image.correlation_id.is_none_or(|id| egress.has_image(id)) {
            return 0;
        }
        machine.on_disconnected(Instant::now());
        self.session.drop_useless_ingress();
        1
    }

    /// Closes the client if its session is over or its leader did not come back in time. Returns 1 if it did. Mirrors
    /// `AeronCluster.pollStateChanges`.
    fn poll_state_changes(&mut self) -> usize {
        if !self.session.machine.is_to_close(Instant::now) {
            return 0;
        }
        self.close();
        1
    }

    fn report_state<L: ControlledEgressListener>(&mut self, listener: &mut L) {
        let current = self.state();
        if current != self.reported {
            let previous = std::mem::replace(&mut self.reported, current);
            listener.on_state_change(previous, current);
        }
    }

    /// Closes the session and the client. Does nothing if it is closed already.
    ///
    /// Tries three times to tell the cluster, with the idle strategy between; if that fails, the cluster closes the session
    /// after its timeout. Mirrors `AeronCluster.close`.
    pub fn close(&mut self) {
        let is_connected = matches!(&self.session.ingress, Ingress::Ready(publication) if publication.is_connected());
        if self.state() == State::Connected && is_connected {
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
        let why = self.close_reason().unwrap_or_default();
        Error::new(ErrorKind::Closed, format!("the cluster client is closed: {why}"))
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
