//! Opening a session step by step.

use std::fmt;
use std::time::{Duration, Instant};

use super::cluster::AeronCluster;
use super::context::Settings;
use super::endpoints::{self, Endpoint, channel_to};
use super::ingress::{AddingIngress, IngressPublication, is_temporary};
use super::session::{EgressImage, Session};
use super::state::StateMachine;
use super::{FRAGMENT_LIMIT, PROTOCOL_VERSION};
use crate::aeron::{Action, AsyncAdd, FragmentAssembler, IdleStrategy as _, OfferError, Subscription};
use crate::codec::{ChallengeResponse, EgressEvent, EventCode, SessionConnectRequest, SessionEvent};
use crate::error::{Error, ErrorKind, Result};

/// The leader's heartbeat timeout where the cluster does not state it.
/// Java's `ConsensusModule.Configuration.LEADER_HEARTBEAT_TIMEOUT_DEFAULT_NS`.
const LEADER_HEARTBEAT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// How far connecting has come. Mirrors `AeronCluster.AsyncConnect.State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectState {
    /// The media driver is asked for the egress subscription.
    CreateEgressSubscription,
    /// The media driver is asked for the ingress publications.
    CreateIngressPublications,
    /// A member is to take ingress.
    AwaitPublicationConnected,
    /// The connect request, or the answer to a challenge, is to be sent.
    SendMessage,
    /// The cluster is to answer.
    PollResponse,
    /// The session is open.
    ConcludeConnect,
    /// The client was handed out.
    Done,
}

impl ConnectState {
    /// The number of the step, as in Java.
    pub fn step(self) -> i32 {
        match self {
            Self::CreateEgressSubscription => -1,
            Self::CreateIngressPublications => 0,
            Self::AwaitPublicationConnected => 1,
            Self::SendMessage => 2,
            Self::PollResponse => 3,
            Self::ConcludeConnect => 4,
            Self::Done => 5,
        }
    }
}

impl fmt::Display for ConnectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateEgressSubscription => "CREATE_EGRESS_SUBSCRIPTION",
            Self::CreateIngressPublications => "CREATE_INGRESS_PUBLICATIONS",
            Self::AwaitPublicationConnected => "AWAIT_PUBLICATION_CONNECTED",
            Self::SendMessage => "SEND_MESSAGE",
            Self::PollResponse => "POLL_RESPONSE",
            Self::ConcludeConnect => "CONCLUDE_CONNECT",
            Self::Done => "DONE",
        })
    }
}

/// The way to one member.
struct Member {
    endpoint: Endpoint,
    link: Link,
}

enum Link {
    Adding(AddingIngress),
    Ready(IngressPublication),
    Failed(Error),
}

/// The way to the member that will take the request.
enum Ingress {
    /// Any of the members that connects first, or of these the leader once a member named it.
    Members {
        leader: Option<i32>,
    },
    /// The one channel, which the driver is being asked for.
    Adding(AddingIngress),
    Ready(IngressPublication),
}

/// The session that the cluster opened.
struct Opened {
    cluster_session_id: i64,
    leadership_term_id: i64,
    leader_member_id: i32,
    leader_heartbeat_timeout: Option<Duration>,
    image: EgressImage,
}

/// What the cluster answered to the request.
enum Response {
    Challenge { cluster_session_id: i64, encoded_challenge: Vec<u8> },
    Opened(Opened),
    Redirect { leader_member_id: i32, endpoints: String },
    Refused(Error),
}

/// A session being opened. Mirrors `AeronCluster.AsyncConnect`.
///
/// [Poll](Self::poll) it until it gives the client or an error. Dropped before that, it closes what it had opened; a session
/// that the cluster opened meanwhile stays open there until the cluster's session timeout.
#[must_use = "dropping it gives the connection up"]
pub struct AsyncConnect {
    settings: Option<Settings>,
    state: ConnectState,
    deadline: Instant,
    adding_egress: Option<AsyncAdd<Subscription>>,
    egress: Option<Subscription>,
    ingress: Ingress,
    members: Vec<Member>,
    correlation_id: i64,
    request: Vec<u8>,
    assembler: FragmentAssembler,
    opened: Option<Opened>,
}

impl AsyncConnect {
    pub(super) fn new(settings: Settings) -> Self {
        let (ingress, members) = match &settings.members {
            None => (Ingress::Adding(adding(&settings, settings.ingress_channel.to_string())), Vec::new()),
            Some(endpoints) => (Ingress::Members { leader: None }, members(&settings, endpoints)),
        };
        Self {
            state: ConnectState::CreateEgressSubscription,
            deadline: Instant::now() + settings.message_timeout,
            settings: Some(settings),
            adding_egress: None,
            egress: None,
            ingress,
            members,
            correlation_id: crate::aeron::NULL_VALUE,
            request: Vec::new(),
            assembler: FragmentAssembler::new(),
            opened: None,
        }
    }

    /// How far it has come.
    pub fn state(&self) -> ConnectState {
        self.state
    }

    /// Does the next step, and returns the client once the session is open. Does not block.
    ///
    /// # Errors
    ///
    /// As [`AeronCluster::connect`]. An error is final: everything that was opened is closed, and polling again is an error.
    pub fn poll(&mut self) -> Result<Option<AeronCluster>> {
        let Some(mut settings) = self.settings.take() else {
            let message = format!("connecting is over: state={}", self.state);
            return Err(Error::new(ErrorKind::State, message));
        };
        match self.advance(&mut settings) {
            Ok(()) if self.state == ConnectState::ConcludeConnect => self.conclude(settings).map(Some),
            Ok(()) => {
                self.settings = Some(settings);
                Ok(None)
            }
            Err(error) => {
                self.release();
                Err(error)
            }
        }
    }

    pub(super) fn wait(mut self) -> Result<AeronCluster> {
        let mut state = self.state;
        loop {
            if let Some(cluster) = self.poll()? {
                return Ok(cluster);
            }
            let Some(settings) = &mut self.settings else { continue };
            if state == self.state {
                settings.idle_strategy.idle(0);
            } else {
                settings.idle_strategy.reset();
                state = self.state;
            }
        }
    }

    fn release(&mut self) {
        self.adding_egress = None;
        self.ingress = Ingress::Members { leader: None };
        self.members.clear();
        self.egress = None;
    }

    fn advance(&mut self, settings: &mut Settings) -> Result<()> {
        self.check_deadline(settings)?;
        match self.state {
            ConnectState::CreateEgressSubscription => self.create_egress_subscription(settings),
            ConnectState::CreateIngressPublications => self.create_ingress_publications(settings),
            ConnectState::AwaitPublicationConnected => self.await_publication_connected(settings),
            ConnectState::SendMessage => self.send_message(),
            ConnectState::PollResponse => self.poll_response(settings),
            ConnectState::ConcludeConnect | ConnectState::Done => Ok(()),
        }
    }

    fn check_deadline(&self, settings: &Settings) -> Result<()> {
        if settings.aeron.is_closed() {
            let why = settings.aeron.last_error().map_or_else(String::new, |error| format!(": {error}"));
            return Err(Error::new(ErrorKind::Closed, format!("cannot connect, the Aeron client is closed{why}")));
        }
        if Instant::now() < self.deadline {
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
        let endpoints: Vec<_> =
            self.members.iter().map(|m| format!("{}={}", m.endpoint.member_id, m.endpoint.address)).collect();
        let response_channel =
            self.egress.as_ref().and_then(|egress| egress.try_resolve_channel_endpoint_port().ok()?);
        let mut message = format!(
            "cluster connect timeout: state={} messageTimeout={:?} ingressChannel={} ingressEndpoints={} \
             ingressPublication={publication} egress.isConnected={} responseChannel={}",
            self.state,
            settings.message_timeout,
            settings.ingress_channel,
            if endpoints.is_empty() { "null".to_owned() } else { endpoints.join(",") },
            self.egress.as_ref().is_some_and(Subscription::is_connected),
            response_channel.as_deref().unwrap_or("<unknown>"),
        );
        for member in &self.members {
            if let Link::Failed(error) = &member.link {
                message += &format!("; member {}: {error}", member.endpoint.member_id);
            }
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
        match polled {
            Ok(None) => {}
            Ok(Some(subscription)) => {
                self.adding_egress = None;
                self.egress = Some(subscription);
                self.state = ConnectState::CreateIngressPublications;
            }
            Err(error) if is_temporary(&error) => self.adding_egress = None,
            Err(error) => return Err(error),
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

    fn await_publication_connected(&mut self, settings: &mut Settings) -> Result<()> {
        let Some(egress) = &self.egress else { return Ok(()) };
        let Some(response_channel) = egress.try_resolve_channel_endpoint_port()? else { return Ok(()) };
        if let Ingress::Members { leader } = self.ingress {
            let Some(publication) = self.first_connected(settings, leader) else { return Ok(()) };
            self.ingress = Ingress::Ready(publication);
        }
        if matches!(&self.ingress, Ingress::Ready(publication) if publication.is_connected()) {
            self.prepare_connect_request(settings, &response_channel);
        }
        Ok(())
    }

    /// Adds the publications to the members, or to the leader alone if it is known, and takes the first that is connected. That
    /// one of them cannot be added is remembered for the error at the deadline; the others may do.
    fn first_connected(&mut self, settings: &Settings, leader: Option<i32>) -> Option<IngressPublication> {
        let wanted = |member: &&mut Member| leader.is_none_or(|leader| leader == member.endpoint.member_id);
        for member in self.members.iter_mut().filter(wanted) {
            if let Link::Adding(adding) = &mut member.link {
                match adding.poll(&settings.aeron) {
                    Ok(None) => {}
                    Ok(Some(publication)) => member.link = Link::Ready(publication),
                    Err(error) => member.link = Link::Failed(error),
                }
            }
            if matches!(&member.link, Link::Ready(publication) if publication.is_connected()) {
                let again = Link::Adding(adding(settings, channel_to(&settings.ingress_channel, &member.endpoint)));
                if let Link::Ready(publication) = std::mem::replace(&mut member.link, again) {
                    return Some(publication);
                }
            }
        }
        None
    }

    fn prepare_connect_request(&mut self, settings: &mut Settings, response_channel: &str) {
        self.correlation_id = settings.aeron.next_correlation_id();
        let encoded_credentials = settings.credentials_supplier.encoded_credentials();
        let client_info = format!("name={} version={} commit=unknown", settings.client_name, env!("CARGO_PKG_VERSION"));
        let request = SessionConnectRequest {
            correlation_id: self.correlation_id,
            response_stream_id: settings.egress_stream_id,
            version: Some(PROTOCOL_VERSION),
            response_channel,
            encoded_credentials: &encoded_credentials,
            client_info: &client_info,
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

    fn poll_response(&mut self, settings: &mut Settings) -> Result<()> {
        match self.next_response()? {
            None => Ok(()),
            Some(Response::Refused(error)) => Err(error),
            Some(Response::Redirect { leader_member_id, endpoints }) => {
                self.redirect(settings, leader_member_id, &endpoints)
            }
            Some(Response::Challenge { cluster_session_id, encoded_challenge }) => {
                self.correlation_id = settings.aeron.next_correlation_id();
                let encoded_credentials = settings.credentials_supplier.on_challenge(&encoded_challenge);
                let response = ChallengeResponse {
                    correlation_id: self.correlation_id,
                    cluster_session_id,
                    encoded_credentials: &encoded_credentials,
                };
                response.encode(&mut self.request);
                self.state = ConnectState::SendMessage;
                Ok(())
            }
            Some(Response::Opened(opened)) => {
                self.opened = Some(opened);
                self.state = ConnectState::ConcludeConnect;
                Ok(())
            }
        }
    }

    /// Polls the egress for the answer to the request, and leaves what comes after it for the client.
    fn next_response(&mut self) -> Result<Option<Response>> {
        let Self { egress, assembler, correlation_id, .. } = self;
        let Some(egress) = egress else { return Ok(None) };
        let mut response = None;
        egress.controlled_poll(FRAGMENT_LIMIT, |fragment, header| {
            if response.is_some() {
                return Action::Abort;
            }
            assembler.on_fragment(fragment, header, |message, header| {
                // What is not an answer to us is somebody else's, who shares the channel, or of another schema.
                response = EgressEvent::decode(message)
                    .ok()
                    .and_then(|event| response_of(&event, *correlation_id, EgressImage::of(header)));
                if response.is_some() { Action::Break } else { Action::Continue }
            })
        })?;
        Ok(response)
    }

    /// Goes on to the leader that a follower named, over the publication that leads there already if there is one.
    fn redirect(&mut self, settings: &Settings, leader_member_id: i32, list: &str) -> Result<()> {
        let endpoints = endpoints::parse(list).map_err(|error| error.context("redirect"))?;
        let old = std::mem::take(&mut self.members);
        self.members = members(settings, &endpoints);
        let leader = self.members.iter_mut().find(|member| member.endpoint.member_id == leader_member_id);
        let leader = leader.ok_or_else(|| {
            let message = format!("redirect to leader {leader_member_id}, which is not among the endpoints {list}");
            Error::new(ErrorKind::Protocol, message)
        })?;
        let same = |member: &Member| member.endpoint == leader.endpoint && !matches!(member.link, Link::Failed(_));
        if let Some(known) = old.into_iter().find(same) {
            leader.link = known.link;
        }
        self.ingress = Ingress::Members { leader: Some(leader_member_id) };
        self.state = ConnectState::AwaitPublicationConnected;
        Ok(())
    }

    fn conclude(&mut self, mut settings: Settings) -> Result<AeronCluster> {
        self.state = ConnectState::Done;
        let ingress = std::mem::replace(&mut self.ingress, Ingress::Members { leader: None });
        let (Ingress::Ready(publication), Some(egress), Some(opened)) =
            (ingress, self.egress.take(), self.opened.take())
        else {
            return Err(Error::new(ErrorKind::State, "the session is open but the connection is gone"));
        };
        if settings.members.is_some() {
            settings.members = Some(self.members.drain(..).map(|member| member.endpoint).collect());
        }
        let new_leader_timeout = settings
            .new_leader_timeout
            .unwrap_or_else(|| 2 * opened.leader_heartbeat_timeout.unwrap_or(LEADER_HEARTBEAT_TIMEOUT_DEFAULT));
        let machine = StateMachine::new(settings.message_timeout, new_leader_timeout);
        let ids = (opened.cluster_session_id, opened.leadership_term_id, opened.leader_member_id);
        tracing::info!(cluster_session_id = ids.0, leader_member_id = ids.2, "connected to the cluster");
        Ok(AeronCluster::new(Session::new(settings, machine, publication, opened.image, ids), egress))
    }
}

fn adding(settings: &Settings, channel: String) -> AddingIngress {
    AddingIngress::new(channel, settings.ingress_stream_id, settings.ingress_exclusive)
}

fn members(settings: &Settings, endpoints: &[Endpoint]) -> Vec<Member> {
    let member = |endpoint: &Endpoint| {
        let channel = channel_to(&settings.ingress_channel, endpoint);
        Member { endpoint: endpoint.clone(), link: Link::Adding(adding(settings, channel)) }
    };
    endpoints.iter().map(member).collect()
}

/// What a message of the egress means for the request of `correlation_id`; `None` if nothing.
fn response_of(event: &EgressEvent<'_>, correlation_id: i64, image: EgressImage) -> Option<Response> {
    match event {
        EgressEvent::Challenge(challenge) if challenge.correlation_id == correlation_id => Some(Response::Challenge {
            cluster_session_id: challenge.cluster_session_id,
            encoded_challenge: challenge.encoded_challenge.to_vec(),
        }),
        EgressEvent::SessionEvent(event) if event.correlation_id == correlation_id => response_to(event, image),
        _ => None,
    }
}

fn response_to(event: &SessionEvent<'_>, image: EgressImage) -> Option<Response> {
    let refused = |kind| Some(Response::Refused(Error::new(kind, event.detail)));
    match event.code {
        EventCode::Ok => Some(Response::Opened(Opened {
            cluster_session_id: event.cluster_session_id,
            leadership_term_id: event.leadership_term_id,
            leader_member_id: event.leader_member_id,
            leader_heartbeat_timeout: event
                .leader_heartbeat_timeout_ns
                .and_then(|nanos| u64::try_from(nanos).ok())
                .map(Duration::from_nanos),
            image,
        })),
        EventCode::Error => refused(ErrorKind::Cluster),
        EventCode::AuthenticationRejected => refused(ErrorKind::Authentication),
        EventCode::Redirect => {
            Some(Response::Redirect { leader_member_id: event.leader_member_id, endpoints: event.detail.to_owned() })
        }
        _ => None,
    }
}

impl fmt::Debug for AsyncConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncConnect").field("state", &self.state).finish_non_exhaustive()
    }
}
