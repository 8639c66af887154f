//! An open session: all that a message from the cluster may change.

use std::time::Instant;

use super::SESSION_HEADER_LENGTH;
use super::context::Settings;
use super::endpoints::{self, channel_to};
use super::ingress::{AddingIngress, IngressPublication};
use super::listener::ControlledEgressListener;
use super::state::{State, StateMachine};
use crate::aeron::{Action, Header, OfferError};
use crate::codec::{
    AdminResponse, CodecError, EgressEvent, EventCode, MessageHeader, NewLeaderEvent, SessionKeepAlive,
    SessionMessageHeader,
};
use crate::error::{Error, ErrorKind, Result};

/// The way to the leader.
pub(super) enum Ingress {
    Ready(IngressPublication),
    Adding(AddingIngress),
    /// There is none: the leader is lost or the session over.
    None,
}

/// Which image brings the leader's egress.
#[derive(Debug, Clone, Copy)]
pub(super) struct EgressImage {
    pub(super) correlation_id: Option<i64>,
    pub(super) session_id: i32,
}

impl EgressImage {
    pub(super) fn of(header: &Header<'_>) -> Self {
        Self { correlation_id: header.image_correlation_id(), session_id: header.session_id() }
    }
}

/// An open session.
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) machine: StateMachine,
    pub(super) ingress: Ingress,
    pub(super) image: EgressImage,
    /// The image that a new leader's made useless, whose partial message is to be forgotten.
    pub(super) stale_image: Option<EgressImage>,
    pub(super) cluster_session_id: i64,
    pub(super) leadership_term_id: i64,
    pub(super) leader_member_id: i32,
    /// What goes before every message.
    pub(super) header: [u8; SESSION_HEADER_LENGTH],
}

impl Session {
    pub(super) fn new(
        settings: Settings,
        machine: StateMachine,
        ingress: IngressPublication,
        image: EgressImage,
        (cluster_session_id, leadership_term_id, leader_member_id): (i64, i64, i32),
    ) -> Self {
        let mut session = Self {
            settings,
            machine,
            ingress: Ingress::Ready(ingress),
            image,
            stale_image: None,
            cluster_session_id,
            leadership_term_id,
            leader_member_id,
            header: [0; SESSION_HEADER_LENGTH],
        };
        session.encode_header();
        session
    }

    fn encode_header(&mut self) {
        self.header = SessionMessageHeader {
            leadership_term_id: self.leadership_term_id,
            cluster_session_id: self.cluster_session_id,
            timestamp: 0,
        }
        .encode();
    }

    /// Sends with `send`, and takes notice of the outcome.
    #[inline]
    pub(super) fn send<T>(
        &mut self,
        send: impl FnOnce(&mut IngressPublication, &[u8; SESSION_HEADER_LENGTH]) -> Result<T, OfferError>,
    ) -> Result<T, OfferError> {
        let outcome = match &mut self.ingress {
            Ingress::Ready(publication) => send(publication, &self.header),
            Ingress::Adding(_) => return Err(OfferError::AdminAction),
            Ingress::None => return Err(self.without_ingress()),
        };
        if outcome.is_err() || self.machine.state() != State::Connected {
            self.machine.on_send(&outcome, Instant::now);
            self.drop_useless_ingress();
        }
        outcome
    }

    /// What a send is answered when there is no way to the leader.
    pub(super) fn without_ingress(&self) -> OfferError {
        match self.machine.state() {
            State::PendingClose | State::Closed => OfferError::Closed,
            _ => OfferError::NotConnected,
        }
    }

    pub(super) fn drop_useless_ingress(&mut self) {
        if !self.machine.uses_ingress() {
            self.ingress = Ingress::None;
        }
    }

    /// Takes a message of the egress.
    #[inline]
    pub(super) fn on_egress<L: ControlledEgressListener>(
        &mut self,
        message: &[u8],
        header: &Header<'_>,
        listener: &mut L,
    ) -> Result<Action> {
        match EgressEvent::decode(message) {
            Ok(EgressEvent::SessionMessage { header: session, payload }) => {
                if session.cluster_session_id != self.cluster_session_id {
                    return Ok(Action::Continue);
                }
                Ok(listener.on_message(session.cluster_session_id, session.timestamp, payload, header))
            }
            Ok(event) => self.on_event(&event, header, listener),
            Err(CodecError::WrongSchema { .. }) => {
                let (foreign, body) = MessageHeader::decode(message)?;
                listener.on_extension_message(&foreign, body, header)
            }
            Err(error) => Err(Error::from(error).context("egress message")),
        }
    }

    fn on_event<L: ControlledEgressListener>(
        &mut self,
        event: &EgressEvent<'_>,
        header: &Header<'_>,
        listener: &mut L,
    ) -> Result<Action> {
        match event {
            EgressEvent::SessionEvent(event) if event.cluster_session_id == self.cluster_session_id => {
                if event.code == EventCode::Closed {
                    self.machine.on_end(format!("the cluster closed the session: {:?}", event.detail));
                }
                listener.on_session_event(event);
            }
            EgressEvent::NewLeader(event) if event.cluster_session_id == self.cluster_session_id => {
                return self.on_new_leader(event, header, listener);
            }
            EgressEvent::AdminResponse(response @ AdminResponse { cluster_session_id, .. })
                if *cluster_session_id == self.cluster_session_id =>
            {
                listener.on_admin_response(response);
            }
            _ => {}
        }
        Ok(Action::Continue)
    }

    /// Mirrors `AeronCluster.onNewLeader`, except that adding the publication does not wait.
    fn on_new_leader<L: ControlledEgressListener>(
        &mut self,
        event: &NewLeaderEvent<'_>,
        header: &Header<'_>,
        listener: &mut L,
    ) -> Result<Action> {
        // Two leaders' images are polled one after the other, and the older one may come last.
        if event.leadership_term_id < self.leadership_term_id || self.machine.state() == State::PendingClose {
            return Ok(Action::Commit);
        }
        let image = EgressImage::of(header);
        if image.session_id != self.image.session_id {
            self.stale_image = Some(self.image);
        }
        self.image = image;
        self.leadership_term_id = event.leadership_term_id;
        self.leader_member_id = event.leader_member_id;
        self.encode_header();
        self.machine.on_new_leader(Instant::now());
        self.ingress = Ingress::None;
        listener.on_new_leader(event);
        let channel = self.channel_to_leader(event.ingress_endpoints)?;
        self.ingress = Ingress::Adding(AddingIngress::new(
            channel,
            self.settings.ingress_stream_id,
            self.settings.ingress_exclusive,
        ));
        Ok(Action::Commit)
    }

    fn channel_to_leader(&mut self, ingress_endpoints: &str) -> Result<String> {
        if self.settings.members.is_none() {
            return Ok(self.settings.ingress_channel.to_string());
        }
        let members = endpoints::parse(ingress_endpoints).map_err(|error| error.context("new leader event"))?;
        let leader = members.iter().find(|member| member.member_id == self.leader_member_id).ok_or_else(|| {
            let message =
                format!("new leader {} is not among the endpoints {ingress_endpoints}", self.leader_member_id);
            Error::new(ErrorKind::Protocol, message)
        })?;
        let channel = channel_to(&self.settings.ingress_channel, leader);
        self.settings.members = Some(members);
        Ok(channel)
    }

    /// Gets on with the way to a new leader: adds the publication, and once it is connected says hello, so that a client with
    /// nothing to send keeps its session. Returns how much it did.
    pub(super) fn advance(&mut self) -> Result<usize> {
        if self.machine.state() != State::AwaitNewLeaderConnection {
            return Ok(0);
        }
        match &mut self.ingress {
            Ingress::None => Ok(0),
            Ingress::Adding(adding) => match adding.poll(&self.settings.aeron) {
                Ok(None) => Ok(0),
                Ok(Some(publication)) => {
                    self.ingress = Ingress::Ready(publication);
                    Ok(1)
                }
                Err(error) => {
                    self.ingress = Ingress::None;
                    let (leader, term) = (self.leader_member_id, self.leadership_term_id);
                    Err(error.context(format!(
                        "failed to add new leader ingress publication (leaderMemberId={leader}, leadershipTermId={term})"
                    )))
                }
            },
            Ingress::Ready(publication) if !publication.is_connected() => Ok(0),
            Ingress::Ready(_) => Ok(usize::from(self.offer_keep_alive().is_ok())),
        }
    }

    /// Tells the leader once that the client is alive.
    pub(super) fn offer_keep_alive(&mut self) -> Result<i64, OfferError> {
        let keep_alive = SessionKeepAlive {
            leadership_term_id: self.leadership_term_id,
            cluster_session_id: self.cluster_session_id,
        };
        self.send(|publication, _| publication.offer(&keep_alive.encode()))
    }
}
