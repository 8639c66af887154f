//! Opening a session step by step.

use std::time::{Duration, Instant};

use super::connect_state::ConnectState;
use super::egress_poller::EgressPoller;
use super::endpoints;
use super::ingress::{AddingIngress, IngressPublication, unless_temporary};
use super::members::Members;
use super::session::EgressImage;
use super::settings::Settings;
use super::{FRAGMENT_LIMIT, PROTOCOL_VERSION};
use crate::aeron::{self, Aeron, AsyncAdd, OfferError, Subscription};
use crate::codec::{ChallengeResponse, EventCode, SessionCloseRequest, SessionConnectRequest};
use crate::error::{Error, ErrorKind, Result};

/// The leader's heartbeat timeout where the cluster does not state it.
/// Java's `ConsensusModule.Configuration.LEADER_HEARTBEAT_TIMEOUT_DEFAULT_NS`.
const LEADER_HEARTBEAT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The publication to the member that will get the connect request.
enum Ingress {
    /// One per member: the first to connect is used, or that of `leader` once a member has named it.
    Members {
        leader: Option<i32>,
    },
    /// No endpoints: the one ingress channel, being added.
    Adding(AddingIngress),
    Ready(IngressPublication),
}

/// The session that the cluster opened, with its ingress and egress.
pub(super) struct Connected {
    pub(super) cluster_session_id: i64,
    pub(super) leadership_term_id: i64,
    pub(super) leader_member_id: i32,
    pub(super) new_leader_timeout: Duration,
    pub(super) image: EgressImage,
    pub(super) ingress: IngressPublication,
    pub(super) egress: Subscription,
}

/// A session being opened. Dropping it closes what it has opened.
pub(super) struct Connecting {
    aeron: Aeron,
    state: ConnectState,
    deadline: Instant,
    adding_egress: Option<AsyncAdd<Subscription>>,
    /// Why the driver last refused the egress subscription, if only temporarily.
    refusal: Option<Error>,
    egress: Option<Subscription>,
    ingress: Ingress,
    members: Members,
    correlation_id: i64,
    request: Vec<u8>,
    poller: EgressPoller,
    /// The correlation id of the last answer that was not ours.
    foreign_answer: Option<i64>,
}

impl Connecting {
    pub(super) fn new(settings: &Settings) -> Self {
        let (ingress, members) = match &settings.members {
            None => (Ingress::Adding(adding(settings)), Members::default()),
            Some(endpoints) => (Ingress::Members { leader: None }, Members::new(settings, endpoints)),
        };
        Self {
            aeron: settings.aeron.clone(),
            state: ConnectState::CreateEgressSubscription,
            deadline: settings.now() + settings.message_timeout,
            adding_egress: None,
            refusal: None,
            egress: None,
            ingress,
            members,
            correlation_id: aeron::NULL_VALUE,
            request: Vec::new(),
            poller: EgressPoller::new(FRAGMENT_LIMIT),
            foreign_answer: None,
        }
    }

    pub(super) fn state(&self) -> ConnectState {
        self.state
    }

    /// Does the next step. Must not be called again after a result or an error.
    pub(super) fn poll(&mut self, settings: &Settings) -> Result<Option<Connected>> {
        self.check_deadline(settings)?;
        settings.run_invokers();
        match self.state {
            ConnectState::CreateEgressSubscription => self.create_egress_subscription(settings)?,
            ConnectState::CreateIngressPublications => self.create_ingress_publications(settings)?,
            ConnectState::AwaitPublicationConnected => self.await_publication_connected(settings)?,
            ConnectState::SendMessage => self.send_message()?,
            ConnectState::PollResponse => self.poll_response(settings)?,
            ConnectState::ConcludeConnect => return self.conclude(settings).map(Some),
            ConnectState::Done => {}
        }
        Ok(None)
    }

    fn check_deadline(&self, settings: &Settings) -> Result<()> {
        if let Some(why) = settings.end_of_aeron() {
            let why = why.map_or_else(String::new, |error| format!(": {error}"));
            return Err(Error::new(ErrorKind::Closed, format!("cannot connect, the Aeron client is closed{why}")));
        }
        if settings.now() <= self.deadline {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Timeout, self.timeout_message(settings)))
    }

    fn timeout_message(&self, settings: &Settings) -> String {
        let publication = match &self.ingress {
            Ingress::Ready(publication) => {
                format!("{} connected={}", publication.channel(), publication.is_connected())
            }
            _ => "null".to_owned(),
        };
        let response_channel =
            self.egress.as_ref().and_then(|egress| egress.try_resolve_channel_endpoint_port().ok()?);
        let mut message = format!(
            "cluster connect timeout: state={} messageTimeout={:?} ingressChannel={} ingressEndpoints={} \
             ingressPublication={publication} egress.isConnected={} responseChannel={}",
            self.state,
            settings.message_timeout,
            settings.ingress_channel,
            self.members.list().unwrap_or_else(|| "null".to_owned()),
            self.egress.as_ref().is_some_and(Subscription::is_connected),
            response_channel.as_deref().unwrap_or("<unknown>"),
        );
        let refusal = match (&self.egress, &self.ingress) {
            (None, _) => self.refusal.as_ref(),
            (Some(_), Ingress::Adding(adding)) => adding.refusal(),
            _ => None,
        };
        if let Some(error) = refusal {
            message += &format!("; the media driver could not serve the request yet: {error}");
        }
        for (member_id, error) in self.members.failures() {
            message += &format!("; member {member_id}: {error}");
        }
        if let Some(correlation_id) = self.foreign_answer {
            message += &format!("; an answer came to request {correlation_id}, ours was {}", self.correlation_id);
        }
        if let Some(error) = self.poller.passed_over() {
            message += &format!("; an answer could not be read: {error}");
        }
        message
    }

    fn create_egress_subscription(&mut self, settings: &Settings) -> Result<()> {
        let polled = match &mut self.adding_egress {
            Some(adding) => adding.poll(),
            None => settings.aeron.async_add_subscription(&settings.egress_channel, settings.egress_stream_id).map(
                |adding| {
                    self.adding_egress = Some(adding);
                    None
                },
            ),
        };
        if let Some(subscription) = unless_temporary(&mut self.adding_egress, &mut self.refusal, polled)? {
            self.adding_egress = None;
            self.egress = Some(subscription);
            self.state = ConnectState::CreateIngressPublications;
        }
        Ok(())
    }

    fn create_ingress_publications(&mut self, settings: &Settings) -> Result<()> {
        if let Ingress::Adding(adding) = &mut self.ingress {
            let Some(publication) = adding.poll(&settings.aeron)? else { return Ok(()) };
            self.ingress = Ingress::Ready(publication);
        }
        self.state = ConnectState::AwaitPublicationConnected;
        Ok(())
    }

    fn await_publication_connected(&mut self, settings: &Settings) -> Result<()> {
        let Some(egress) = &self.egress else { return Ok(()) };
        let Some(response_channel) = egress.try_resolve_channel_endpoint_port()? else { return Ok(()) };
        if let Ingress::Members { leader } = self.ingress {
            let Some(publication) = self.members.first_connected(settings, leader) else { return Ok(()) };
            self.ingress = Ingress::Ready(publication);
        }
        if matches!(&self.ingress, Ingress::Ready(publication) if publication.is_connected()) {
            self.prepare_connect_request(settings, &response_channel);
        }
        Ok(())
    }

    fn prepare_connect_request(&mut self, settings: &Settings, response_channel: &str) {
        self.correlation_id = settings.aeron.next_correlation_id();
        let (version, commit) = (aeron::version(), aeron::commit());
        let request = SessionConnectRequest {
            correlation_id: self.correlation_id,
            response_stream_id: settings.egress_stream_id,
            version: Some(PROTOCOL_VERSION),
            response_channel,
            encoded_credentials: &settings.encoded_credentials(),
            client_info: &format!("name={} version={version} commit={commit}", settings.client_name),
        };
        request.encode(&mut self.request);
        self.state = ConnectState::SendMessage;
    }

    fn send_message(&mut self) -> Result<()> {
        let Ingress::Ready(publication) = &mut self.ingress else { return Ok(()) };
        match publication.offer(&self.request) {
            Ok(_) => self.state = ConnectState::PollResponse,
            Err(OfferError::BackPressured | OfferError::AdminAction) => {}
            Err(OfferError::NotConnected | OfferError::Closed) => {
                return Err(Error::new(ErrorKind::NotConnected, "unexpected loss of connection to cluster"));
            }
            Err(error) => {
                let message = format!("cannot send a request of {} bytes to the cluster: {error}", self.request.len());
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        }
        Ok(())
    }

    fn poll_response(&mut self, settings: &Settings) -> Result<()> {
        let Self { egress, poller, .. } = self;
        if let Some(egress) = egress {
            poller.poll(egress)?;
        }
        if !poller.is_poll_complete() {
            return Ok(());
        }
        if poller.correlation_id() != self.correlation_id {
            // It belongs to another client of the same channel, or is late.
            if poller.correlation_id() != aeron::NULL_VALUE {
                self.foreign_answer = Some(poller.correlation_id());
            }
            return Ok(());
        }
        if poller.is_challenged() {
            self.answer_challenge(settings);
            return Ok(());
        }
        match poller.event_code() {
            Some(EventCode::Ok) => self.state = ConnectState::ConcludeConnect,
            Some(EventCode::Error) => return Err(Error::new(ErrorKind::Cluster, poller.detail())),
            Some(EventCode::AuthenticationRejected) => {
                return Err(Error::new(ErrorKind::Authentication, poller.detail()));
            }
            Some(EventCode::Redirect) => return self.redirect(settings),
            _ => {}
        }
        Ok(())
    }

    fn answer_challenge(&mut self, settings: &Settings) {
        self.correlation_id = settings.aeron.next_correlation_id();
        let encoded_challenge = self.poller.encoded_challenge().unwrap_or_default();
        let response = ChallengeResponse {
            correlation_id: self.correlation_id,
            cluster_session_id: self.poller.cluster_session_id(),
            encoded_credentials: &settings.on_challenge(encoded_challenge),
        };
        response.encode(&mut self.request);
        self.state = ConnectState::SendMessage;
    }

    /// Turns to the leader that a follower named, and uses the publication to it if there already is one.
    fn redirect(&mut self, settings: &Settings) -> Result<()> {
        let (leader, list) = (self.poller.leader_member_id(), self.poller.detail());
        let endpoints = endpoints::parse(list).map_err(|error| error.context("redirect"))?;
        self.members = std::mem::take(&mut self.members).redirected(settings, &endpoints, leader).ok_or_else(|| {
            let message = format!("redirect to leader {leader}, which is not among the endpoints {list}");
            Error::new(ErrorKind::Protocol, message)
        })?;
        self.ingress = Ingress::Members { leader: Some(leader) };
        self.state = ConnectState::AwaitPublicationConnected;
        Ok(())
    }

    fn conclude(&mut self, settings: &Settings) -> Result<Connected> {
        self.state = ConnectState::Done;
        let ingress = std::mem::replace(&mut self.ingress, Ingress::Members { leader: None });
        let (Ingress::Ready(ingress), Some(egress), Some(image)) =
            (ingress, self.egress.take(), self.poller.egress_image())
        else {
            return Err(Error::new(ErrorKind::State, "the session is open but the connection is gone"));
        };
        self.members = Members::default();
        let heartbeat_timeout = u64::try_from(self.poller.leader_heartbeat_timeout_ns())
            .map_or(LEADER_HEARTBEAT_TIMEOUT_DEFAULT, Duration::from_nanos);
        let connected = Connected {
            cluster_session_id: self.poller.cluster_session_id(),
            leadership_term_id: self.poller.leadership_term_id(),
            leader_member_id: self.poller.leader_member_id(),
            new_leader_timeout: settings.new_leader_timeout.unwrap_or(2 * heartbeat_timeout),
            image,
            ingress,
            egress,
        };
        let (session, leader) = (connected.cluster_session_id, connected.leader_member_id);
        tracing::info!(cluster_session_id = session, leader_member_id = leader, "connected to the cluster");
        Ok(connected)
    }
}

impl Drop for Connecting {
    /// Closes a session that was opened but is no longer wanted, with one attempt that does not block.
    fn drop(&mut self) {
        // In a forked child it is the parent's session, which must stay open.
        if let (ConnectState::ConcludeConnect, Ingress::Ready(publication)) = (self.state, &mut self.ingress)
            && !self.aeron.is_forked()
        {
            let request = SessionCloseRequest {
                leadership_term_id: self.poller.leadership_term_id(),
                cluster_session_id: self.poller.cluster_session_id(),
            };
            let _ = publication.offer(&request.encode());
        }
    }
}

fn adding(settings: &Settings) -> AddingIngress {
    AddingIngress::new(settings.ingress_channel.to_string(), settings.ingress_stream_id, settings.ingress_exclusive)
}
