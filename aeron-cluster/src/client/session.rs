//! An open session: everything that a message from the cluster can change.

use super::SESSION_HEADER_LENGTH;
use super::change::Reason;
use super::connecting::Connected;
use super::egress::{decode, deliver};
use super::endpoints::{self, channel_to};
use super::ingress::{AddingIngress, IngressPublication};
use super::keep_alive::KeepAlive;
use super::listener::ControlledEgressListener;
use super::settings::Settings;
use super::state::{State, StateMachine};
use crate::aeron::{Action, Header, OfferError, Subscription};
use crate::codec::{EgressEvent, EventCode, NewLeaderEvent, SessionEvent, SessionKeepAlive, SessionMessageHeader};
use crate::error::{Error, ErrorKind, Result};

/// The publication to the leader.
pub(super) enum Ingress {
    Ready(IngressPublication),
    Adding(AddingIngress),
    /// There is none: the leader is lost, or the session has ended.
    None,
}

/// The image of the leader's egress.
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
    /// `None` if the caller, who polls himself, told us of the new leader.
    image: Option<EgressImage>,
    /// The image of an old leader, whose partial message has to be dropped.
    stale_image: Option<EgressImage>,
    pub(super) keep_alive: KeepAlive,
    pub(super) cluster_session_id: i64,
    pub(super) leadership_term_id: i64,
    pub(super) leader_member_id: i32,
    /// The encoded header for the next message.
    pub(super) header: [u8; SESSION_HEADER_LENGTH],
}

impl Session {
    /// Returns the session and its egress subscription.
    pub(super) fn new(settings: Settings, connected: Connected) -> (Self, Subscription) {
        let now = settings.now();
        let mut session = Self {
            machine: StateMachine::new(settings.message_timeout, connected.new_leader_timeout, now),
            ingress: Ingress::Ready(connected.ingress),
            image: Some(connected.image),
            stale_image: None,
            keep_alive: KeepAlive::new(settings.keep_alive_interval, now),
            cluster_session_id: connected.cluster_session_id,
            leadership_term_id: connected.leadership_term_id,
            leader_member_id: connected.leader_member_id,
            header: [0; SESSION_HEADER_LENGTH],
            settings,
        };
        session.encode_header();
        (session, connected.egress)
    }

    /// Replaces the lost session. Returns the egress subscription of the new one.
    pub(super) fn replace(&mut self, connected: Connected) -> Subscription {
        let previous = std::mem::replace(&mut self.cluster_session_id, connected.cluster_session_id);
        self.leadership_term_id = connected.leadership_term_id;
        self.leader_member_id = connected.leader_member_id;
        self.encode_header();
        self.ingress = Ingress::Ready(connected.ingress);
        self.image = Some(connected.image);
        self.stale_image = None;
        self.keep_alive = KeepAlive::new(self.settings.keep_alive_interval, self.settings.now());
        self.machine.on_new_session(connected.new_leader_timeout, self.cluster_session_id, previous);
        connected.egress
    }

    fn encode_header(&mut self) {
        self.header = SessionMessageHeader {
            leadership_term_id: self.leadership_term_id,
            cluster_session_id: self.cluster_session_id,
            timestamp: 0,
        }
        .encode();
    }

    /// Sends with `send`, and tracks the outcome.
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
        self.track(&outcome);
        outcome
    }

    /// Updates the state by the outcome of a send.
    #[inline]
    pub(super) fn track<T>(&mut self, outcome: &Result<T, OfferError>) {
        if outcome.is_ok() {
            self.keep_alive.on_sent();
        }
        if outcome.is_err() || self.machine.state() != State::Connected {
            self.machine.on_send(outcome, || self.settings.now());
            self.drop_useless_ingress();
        }
    }

    /// What a send returns while there is no publication to the leader.
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

    /// The session id of an image whose partial message has to be dropped; returned once.
    pub(super) fn take_stale_image(&mut self) -> Option<i32> {
        self.stale_image.take().map(|image| image.session_id)
    }

    /// Handles a message of the egress.
    #[inline]
    pub(super) fn on_egress<L: ControlledEgressListener>(
        &mut self,
        message: &[u8],
        header: &Header<'_>,
        listener: &mut L,
    ) -> Result<Action> {
        let event = match decode(message, header, listener) {
            Ok(event) => event,
            Err(extension) => return extension,
        };
        match &event {
            EgressEvent::SessionEvent(SessionEvent { code: EventCode::Closed, cluster_session_id, detail, .. })
                if *cluster_session_id == self.cluster_session_id =>
            {
                self.machine.on_end(Reason::ClosedByCluster((*detail).to_owned()));
            }
            EgressEvent::NewLeader(new_leader) if new_leader.cluster_session_id == self.cluster_session_id => {
                return self.on_new_leader_event(&event, new_leader, header, listener);
            }
            _ => {}
        }
        Ok(deliver(&event, self.cluster_session_id, header, listener))
    }

    fn on_new_leader_event<L: ControlledEgressListener>(
        &mut self,
        event: &EgressEvent<'_>,
        new_leader: &NewLeaderEvent<'_>,
        header: &Header<'_>,
        listener: &mut L,
    ) -> Result<Action> {
        if self.is_too_late(new_leader) {
            return Ok(Action::Commit);
        }
        let outcome = self.on_new_leader(new_leader, Some(EgressImage::of(header)));
        let action = deliver(event, self.cluster_session_id, header, listener);
        outcome.map(|()| action)
    }

    /// Whether an event is outdated. The images of two leaders are polled one after the other, and the older one may come last.
    pub(super) fn is_too_late(&self, event: &NewLeaderEvent<'_>) -> bool {
        event.leadership_term_id < self.leadership_term_id || self.machine.state() == State::PendingClose
    }

    /// Mirrors `AeronCluster.onNewLeader`, except that adding the publication does not block.
    pub(super) fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>, image: Option<EgressImage>) -> Result<()> {
        let previous = std::mem::replace(&mut self.image, image);
        self.stale_image = previous.filter(|old| image.is_none_or(|new| new.session_id != old.session_id));
        self.leadership_term_id = event.leadership_term_id;
        self.leader_member_id = event.leader_member_id;
        self.encode_header();
        self.machine.on_new_leader(event.leader_member_id, event.leadership_term_id, self.settings.now());
        self.ingress = Ingress::None;
        let channel = self.channel_to_leader(event.ingress_endpoints)?;
        self.ingress = Ingress::Adding(AddingIngress::new(
            channel,
            self.settings.ingress_stream_id,
            self.settings.ingress_exclusive,
        ));
        Ok(())
    }

    fn channel_to_leader(&self, ingress_endpoints: &str) -> Result<String> {
        if self.settings.members.is_none() {
            return Ok(self.settings.ingress_channel.to_string());
        }
        let members = endpoints::parse(ingress_endpoints).map_err(|error| error.context("new leader event"))?;
        let leader = members.iter().find(|member| member.member_id == self.leader_member_id).ok_or_else(|| {
            let message =
                format!("new leader {} is not among the endpoints {ingress_endpoints}", self.leader_member_id);
            Error::new(ErrorKind::Protocol, message)
        })?;
        Ok(channel_to(&self.settings.ingress_channel, leader))
    }

    /// Checks whether the leader's egress, or the whole media driver, is gone. Returns the amount of work done.
    pub(super) fn check_connection(&mut self, egress: &mut Subscription) -> usize {
        if let Some(why) = self.settings.end_of_aeron() {
            self.machine.on_end(Reason::AeronClosed(why));
            return 1;
        }
        let image = self.image.and_then(|image| image.correlation_id);
        if !self.machine.uses_ingress() || image.is_none_or(|id| egress.has_image(id)) {
            return 0;
        }
        self.machine.on_disconnected(self.settings.now(), &Reason::EgressLost);
        self.drop_useless_ingress();
        1
    }

    /// Connects to a new leader: adds the publication and, once it is connected, sends a keep-alive, so that a client with
    /// nothing to send keeps its session. While connected, sends keep-alives that are due. Returns the amount of work done.
    pub(super) fn advance(&mut self) -> Result<usize> {
        match self.machine.state() {
            State::AwaitNewLeaderConnection => {
                self.settings.run_invokers();
                self.connect_to_new_leader()
            }
            State::Connected if self.keep_alive.is_due(|| self.settings.now()) => {
                Ok(usize::from(self.offer_keep_alive().is_ok()))
            }
            _ => Ok(0),
        }
    }

    fn connect_to_new_leader(&mut self) -> Result<usize> {
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

    /// Makes one attempt to send a keep-alive.
    pub(super) fn offer_keep_alive(&mut self) -> Result<i64, OfferError> {
        let keep_alive = SessionKeepAlive {
            leadership_term_id: self.leadership_term_id,
            cluster_session_id: self.cluster_session_id,
        };
        self.send(|publication, _| publication.offer(&keep_alive.encode()))
    }
}
