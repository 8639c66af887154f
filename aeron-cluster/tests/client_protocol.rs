//! The cluster client against a cluster that is made up here, message by message, on a real media driver.
#![cfg(feature = "testing")]

use std::io::IoSlice;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{self, Action, Aeron, Header, OfferError, Publication, Subscription};
use aeron_cluster::client::{
    AeronCluster, AsyncConnect, ConnectState, Context, ControlledEgressListener, CredentialsSupplier, EgressListener,
    PROTOCOL_VERSION, Reason, State, StateChange, on_message,
};
use aeron_cluster::codec::{
    AdminRequestType, AdminResponse, AdminResponseCode, Challenge, EventCode, IngressEvent, MessageHeader,
    NewLeaderEvent, SessionConnectRequest, SessionEvent, SessionMessageHeader,
};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, PortBlock, WorkDir};
use aeron_cluster::{ErrorKind, Result};

const SESSION: i64 = 7;
const TERM: i64 = 3;
const IPC: &str = "aeron:ipc?term-length=64k";
const UDP_EGRESS: &str = "aeron:udp?endpoint=localhost:0|term-length=64k";

/// Asks `observe` until it gives a value.
fn until<T>(what: &str, mut observe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = observe() {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up on {what}");
        std::thread::yield_now();
    }
}

/// A media driver with a client for the made-up members. Fields are dropped in order: the driver last.
struct Host {
    aeron: Aeron,
    driver: MediaDriver,
    _dir: WorkDir,
}

impl Host {
    fn start() -> Self {
        let dir = WorkDir::new().unwrap();
        let context = DriverContext::new()
            .dir(dir.path().join("driver"))
            .threading_mode(ThreadingMode::Shared)
            .term_buffer_sparse_file(true)
            .timer_interval(Duration::from_millis(50))
            .publication_connection_timeout(Duration::from_millis(500))
            .image_liveness_timeout(Duration::from_millis(500));
        let driver = MediaDriver::launch(context).unwrap();
        let aeron = Aeron::connect(aeron::Context::new().dir(driver.dir())).unwrap();
        Self { aeron, driver, _dir: dir }
    }

    fn context(&self, ingress_channel: &str, egress_channel: &str) -> Context {
        Context::new().aeron_dir(self.driver.dir()).ingress_channel(ingress_channel).egress_channel(egress_channel)
    }

    fn member(&self, ingress_channel: &str) -> Member {
        let ingress = self.aeron.add_subscription(ingress_channel, 101).unwrap();
        Member { aeron: self.aeron.clone(), ingress, egress: None, assembler: aeron::FragmentAssembler::new() }
    }

    /// A client with an open session, and the one member it talks to, over shared memory.
    fn connected(&self, context: Context) -> (AeronCluster, Member) {
        let mut member = self.member(IPC);
        let mut connect = AeronCluster::async_connect(context).unwrap();
        let request = member.next_connect_request(&mut connect);
        member.answer(request.correlation_id, EventCode::Ok, "");
        let client = until("the session", || connect.poll().unwrap());
        assert_eq!(connect.state(), ConnectState::Done);
        assert_eq!(connect.poll().unwrap_err().kind(), ErrorKind::State);
        (client, member)
    }
}

struct ConnectRequest {
    correlation_id: i64,
    client_info: String,
    credentials: Vec<u8>,
}

/// A member of the made-up cluster.
struct Member {
    aeron: Aeron,
    ingress: Subscription,
    egress: Option<Publication>,
    assembler: aeron::FragmentAssembler,
}

impl Member {
    /// The next message of a client, as `take` sees it.
    fn poll<T>(&mut self, mut take: impl FnMut(IngressEvent<'_>) -> Option<T>) -> Option<T> {
        let Self { ingress, assembler, .. } = self;
        let mut taken = None;
        let poll = ingress.controlled_poll(1, |fragment, header| {
            assembler.on_fragment(fragment, header, |message, _| {
                taken = take(IngressEvent::decode(message).unwrap());
                Action::Continue
            })
        });
        poll.unwrap();
        taken
    }

    fn connect_request(&mut self) -> Option<ConnectRequest> {
        let (request, channel, stream_id) = self.poll(|event| {
            let IngressEvent::SessionConnectRequest(request) = event else { panic!("{event:?}") };
            let SessionConnectRequest { correlation_id, client_info, encoded_credentials, .. } = request;
            assert_eq!(request.version, Some(PROTOCOL_VERSION));
            let (client_info, credentials) = (client_info.to_owned(), encoded_credentials.to_vec());
            let answer = ConnectRequest { correlation_id, client_info, credentials };
            Some((answer, request.response_channel.to_owned(), request.response_stream_id))
        })?;
        self.open_egress(&channel, stream_id);
        Some(request)
    }

    fn open_egress(&mut self, channel: &str, stream_id: i32) {
        let egress = self.aeron.add_publication(channel, stream_id).unwrap();
        until("the client's egress", || egress.is_connected().then_some(()));
        self.egress = Some(egress);
    }

    fn next_connect_request(&mut self, connect: &mut AsyncConnect) -> ConnectRequest {
        until("a connect request", || {
            assert!(connect.poll().unwrap().is_none());
            self.connect_request()
        })
    }

    fn send(&self, frame: &[u8]) {
        let egress = self.egress.as_ref().unwrap();
        until("room on the egress", || egress.offer(frame).ok());
    }

    fn answer(&self, correlation_id: i64, code: EventCode, detail: &str) {
        let event = SessionEvent {
            cluster_session_id: SESSION,
            correlation_id,
            leadership_term_id: TERM,
            leader_member_id: 1,
            code,
            version: Some(PROTOCOL_VERSION),
            leader_heartbeat_timeout_ns: Some(100_000_000),
            detail,
        };
        self.send(event.encode(&mut Vec::new()));
    }

    fn send_message(&self, cluster_session_id: i64, payload: &[u8]) {
        let header = SessionMessageHeader { leadership_term_id: TERM, cluster_session_id, timestamp: 99 };
        self.send(&[&header.encode(), payload].concat());
    }

    fn name_leader(&self, leadership_term_id: i64, leader_member_id: i32, ingress_endpoints: &str) {
        let event =
            NewLeaderEvent { leadership_term_id, cluster_session_id: SESSION, leader_member_id, ingress_endpoints };
        self.send(event.encode(&mut Vec::new()));
    }
}

/// Writes down what it is told.
#[derive(Default)]
struct Journal(Vec<String>);

impl Journal {
    fn has(&self, entry: &str) -> bool {
        self.0.iter().any(|had| had == entry)
    }
}

impl EgressListener for Journal {
    fn on_message(&mut self, session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>) {
        assert!(header.position() > 0);
        self.0.push(format!("message {session_id} {timestamp} {}", String::from_utf8_lossy(message)));
    }

    fn on_session_event(&mut self, event: &SessionEvent<'_>) {
        self.0.push(format!("session {} {}", event.code, event.detail));
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.0.push(format!("leader {} {}", event.leader_member_id, event.ingress_endpoints));
    }

    fn on_admin_response(&mut self, response: &AdminResponse<'_>) {
        self.0.push(format!("admin {} {} {}", response.correlation_id, response.response_code, response.message));
    }

    fn on_state_change(&mut self, change: &StateChange) {
        self.0.push(format!("{} -> {}", change.previous, change.current));
    }

    fn on_extension_message(&mut self, header: &MessageHeader, body: &[u8], _aeron: &Header<'_>) -> Result<()> {
        self.0.push(format!("schema {} with {} bytes", header.schema_id, body.len()));
        Ok(())
    }
}

fn poll_until(client: &mut AeronCluster, journal: &mut Journal, entry: &str) {
    until(entry, || {
        client.poll_egress(journal).unwrap();
        journal.has(entry).then_some(())
    });
}

#[test]
fn a_session_from_connect_to_close() {
    let host = Host::start();
    let context = host.context(IPC, IPC).client_name("tester");
    let mut member = host.member(IPC);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    assert_eq!(connect.state(), ConnectState::CreateEgressSubscription);
    let request = member.next_connect_request(&mut connect);
    assert!(request.client_info.starts_with("name=tester version="), "{}", request.client_info);
    assert!(request.credentials.is_empty());
    member.answer(request.correlation_id + 1, EventCode::Error, "somebody else's");
    member.answer(request.correlation_id, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    assert_eq!(
        (client.cluster_session_id(), client.leadership_term_id(), client.leader_member_id()),
        (SESSION, TERM, 1)
    );
    assert_eq!(client.state(), State::Connected);

    let long = "x".repeat(5_000);
    assert!(client.max_payload_length().is_some_and(|length| length < long.len()));
    client.offer(b"one").unwrap();
    client.offer_vectored(&[IoSlice::new(b"t"), IoSlice::new(b"wo")]).unwrap();
    client.offer_vectored(&[IoSlice::new(b"."); 20]).unwrap();
    let mut claim = client.try_claim(5).unwrap();
    claim.copy_from_slice(b"three");
    assert!(claim.commit() > 0);
    client.offer(long.as_bytes()).unwrap();
    for expected in ["one", "two", "....................", "three", &long] {
        let payload = until(expected, || {
            member.poll(|event| match event {
                IngressEvent::SessionMessage { header, payload } => {
                    assert_eq!((header.leadership_term_id, header.cluster_session_id), (TERM, SESSION));
                    Some(payload.to_vec())
                }
                other => panic!("{other:?}"),
            })
        });
        assert_eq!(payload, expected.as_bytes());
    }
    client.send_keep_alive().unwrap();
    let alive =
        until("a keep-alive", || member.poll(|event| matches!(event, IngressEvent::SessionKeepAlive(_)).into()));
    assert!(alive);

    let mut journal = Journal::default();
    member.send_message(SESSION + 1, b"not mine");
    member.send_message(SESSION, long.as_bytes());
    member.send_message(SESSION, b"pong");
    poll_until(&mut client, &mut journal, "message 7 99 pong");
    assert_eq!(journal.0, [format!("message 7 99 {long}"), "message 7 99 pong".to_owned()]);

    client.close();
    client.close();
    let closed = until("a close request", || {
        member.poll(|event| {
            Some(matches!(event, IngressEvent::SessionCloseRequest(request) if request.cluster_session_id == SESSION))
        })
    });
    assert!(closed && client.is_closed());
    assert_eq!(client.offer(b"late"), Err(OfferError::Closed));
    assert_eq!(client.try_claim(1).unwrap_err(), OfferError::Closed);
    let error = client.poll_egress(&mut journal).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.message().contains("closed by its owner"), "{error}");
}

struct Password;

impl CredentialsSupplier for Password {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        b"user".to_vec()
    }

    fn on_challenge(&mut self, encoded_challenge: &[u8]) -> Vec<u8> {
        [encoded_challenge, b"-answered"].concat()
    }
}

#[test]
fn a_challenge_is_answered() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let context = host.context(IPC, IPC).credentials_supplier(Password).is_ingress_exclusive(false);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = member.next_connect_request(&mut connect);
    assert_eq!(request.credentials, b"user");
    let challenge =
        Challenge { correlation_id: request.correlation_id, cluster_session_id: SESSION, encoded_challenge: b"riddle" };
    member.send(challenge.encode(&mut Vec::new()));
    let correlation_id = until("the answer", || {
        assert!(connect.poll().unwrap().is_none());
        member.poll(|event| {
            let IngressEvent::ChallengeResponse(response) = event else { panic!("{event:?}") };
            assert_eq!(response.encoded_credentials, b"riddle-answered");
            assert_eq!(response.cluster_session_id, SESSION);
            Some(response.correlation_id)
        })
    });
    assert_ne!(correlation_id, request.correlation_id);
    member.answer(correlation_id, EventCode::Ok, "");
    until("the session", || connect.poll().unwrap());
}

#[test]
fn a_refusal_says_why() {
    let host = Host::start();
    for (code, kind) in
        [(EventCode::Error, ErrorKind::Cluster), (EventCode::AuthenticationRejected, ErrorKind::Authentication)]
    {
        let mut member = host.member(IPC);
        let mut connect = AeronCluster::async_connect(host.context(IPC, IPC)).unwrap();
        let request = member.next_connect_request(&mut connect);
        member.answer(request.correlation_id, code, "concurrent session limit");
        let error = until("the refusal", || connect.poll().err());
        assert_eq!((error.kind(), error.message()), (kind, "concurrent session limit"));
        assert_eq!(connect.poll().unwrap_err().kind(), ErrorKind::State);
    }
}

#[test]
fn nobody_there_is_a_timeout_that_says_how_far_it_came() {
    let host = Host::start();
    let context = host.context(IPC, UDP_EGRESS).message_timeout(Duration::from_millis(200));
    let error = AeronCluster::connect(context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    for part in [
        "cluster connect timeout: state=AWAIT_PUBLICATION_CONNECTED messageTimeout=200ms",
        "ingressChannel=aeron:ipc?term-length=64k ingressEndpoints=null",
        "egress.isConnected=false responseChannel=aeron:udp?endpoint=127.0.0.1:",
    ] {
        assert!(error.message().contains(part), "{part:?} is not in {error}");
    }
}

#[test]
fn a_channel_that_the_driver_refuses_is_named() {
    let host = Host::start();
    let error = AeronCluster::connect(host.context(IPC, "aeron:udp?endpoint=localhost")).unwrap_err();
    assert!(error.message().contains("aeron:udp?endpoint=localhost|rejoin=false"), "{error}");
    let context = host.context("aeron:udp?mtu=7", UDP_EGRESS).ingress_endpoints("0=localhost:1");
    let error = AeronCluster::connect(context.message_timeout(Duration::from_millis(300))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("member 0: ") && error.message().contains("mtu"), "{error}");
}

/// The list of two members, and the channels on which they take ingress.
fn two_members(ports: &PortBlock) -> (String, [String; 2]) {
    let address = |index| format!("localhost:{}", ports.port(index));
    let channel = |index| format!("aeron:udp?endpoint={}|term-length=64k", address(index));
    (format!("0={},1={}", address(0), address(1)), [channel(0), channel(1)])
}

#[test]
fn a_follower_redirects_to_the_leader() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut follower = host.member(&channels[0]);
    let context = host.context("aeron:udp?term-length=64k", UDP_EGRESS).ingress_endpoints(&endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = follower.next_connect_request(&mut connect);
    let mut leader = host.member(&channels[1]);
    follower.answer(request.correlation_id, EventCode::Redirect, &endpoints);
    let request = leader.next_connect_request(&mut connect);
    leader.answer(request.correlation_id, EventCode::Ok, "");
    let client = until("the session", || connect.poll().unwrap());
    assert_eq!(client.leader_member_id(), 1);
}

#[test]
fn a_redirect_that_names_no_leader_is_refused() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let mut connect = AeronCluster::async_connect(host.context(IPC, IPC)).unwrap();
    let request = member.next_connect_request(&mut connect);
    member.answer(request.correlation_id, EventCode::Redirect, "0=localhost:1");
    let error = until("the refusal", || connect.poll().err());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("leader 1"), "{error}");
}

#[test]
fn a_client_with_nothing_to_send_follows_the_leader() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut old = host.member(&channels[1]);
    let context = host.context("aeron:udp?term-length=64k", UDP_EGRESS).ingress_endpoints(&endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = until("a connect request", || {
        assert!(connect.poll().unwrap().is_none());
        old.poll(|event| match event {
            IngressEvent::SessionConnectRequest(request) => {
                Some((request.correlation_id, request.response_channel.to_owned(), request.response_stream_id))
            }
            other => panic!("{other:?}"),
        })
    });
    old.open_egress(&request.1, request.2);
    old.answer(request.0, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());

    drop(old);
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "CONNECTED -> AWAIT_NEW_LEADER");
    assert_eq!(client.offer(b"nobody"), Err(OfferError::NotConnected));

    let mut new = host.member(&channels[0]);
    new.open_egress(&request.1, request.2);
    new.name_leader(TERM + 1, 0, &endpoints);
    let hello = until("a keep-alive", || {
        client.poll_egress(&mut journal).unwrap();
        new.poll(|event| match event {
            IngressEvent::SessionKeepAlive(alive) => Some(alive),
            other => panic!("{other:?}"),
        })
    });
    assert_eq!((hello.leadership_term_id, hello.cluster_session_id), (TERM + 1, SESSION));
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED");
    assert!(journal.has(&format!("leader 0 {endpoints}")), "{:?}", journal.0);
    assert_eq!((client.leadership_term_id(), client.leader_member_id()), (TERM + 1, 0));

    new.name_leader(TERM, 1, &endpoints);
    new.send_message(SESSION, b"after");
    poll_until(&mut client, &mut journal, "message 7 99 after");
    assert_eq!(client.leadership_term_id(), TERM + 1, "an older leader's event came last");
}

#[test]
fn a_leader_that_is_not_among_its_endpoints_is_an_error_of_the_poll() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut member = host.member(&channels[1]);
    let context = host.context("aeron:udp?term-length=64k", UDP_EGRESS).ingress_endpoints(&endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = member.next_connect_request(&mut connect);
    member.answer(request.correlation_id, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    member.name_leader(TERM + 1, 9, &endpoints);
    let error = until("the error", || client.poll_egress(&mut Journal::default()).err());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("new leader 9"), "{error}");
    member.name_leader(TERM + 2, 1, &endpoints);
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED");
}

#[test]
fn without_a_new_leader_the_client_closes_in_time_and_says_why() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC).new_leader_timeout(Duration::from_millis(300)));
    drop(member);
    until("the loss of the leader", || (client.offer(b"?") == Err(OfferError::NotConnected)).then_some(()));
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER -> CLOSED");
    assert_eq!(journal.0, ["CONNECTED -> AWAIT_NEW_LEADER", "AWAIT_NEW_LEADER -> CLOSED"]);
    assert_eq!(client.close_reason(), Some(&Reason::NoNewLeader(Duration::from_millis(300))));
}

#[test]
fn the_new_leader_timeout_is_twice_the_heartbeat_timeout() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    drop(member);
    until("the end", || client.poll_egress(&mut Journal::default()).is_err().then_some(()));
    assert_eq!(client.close_reason(), Some(&Reason::NoNewLeader(Duration::from_millis(200))));
}

#[test]
fn a_new_leader_that_never_connects_ends_the_session() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.context(IPC, IPC).message_timeout(Duration::from_millis(500)));
    let egress = member.egress.take();
    // The driver must have heard that nobody listens: the client would find the old member at the new leader's place.
    let witness = host.aeron.add_publication(IPC, 101).unwrap();
    until("the member to listen", || witness.is_connected().then_some(()));
    drop(member.ingress);
    until("the member to listen no more", || (!witness.is_connected()).then_some(()));
    let named = NewLeaderEvent {
        leadership_term_id: TERM + 1,
        cluster_session_id: SESSION,
        leader_member_id: 2,
        ingress_endpoints: "2=localhost:1",
    };
    egress.as_ref().unwrap().offer(named.encode(&mut Vec::new())).unwrap();
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CLOSED");
    assert_eq!(client.close_reason(), Some(&Reason::LeaderNotReached(Duration::from_millis(500))));
}

#[test]
fn the_cluster_closes_the_session() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    member.answer(1, EventCode::Closed, "TIMEOUT");
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "CONNECTED -> CLOSED");
    assert_eq!(journal.0, ["session CLOSED TIMEOUT", "CONNECTED -> CLOSED"]);
    let error = client.poll_egress(&mut journal).unwrap_err();
    assert!(error.message().contains("the cluster closed the session: \"TIMEOUT\""), "{error}");
    assert_eq!(client.send_keep_alive(), Err(OfferError::Closed));
}

#[test]
fn a_foreign_schema_is_the_extensions_or_an_error_and_is_never_decoded() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    let mut frame =
        SessionMessageHeader { leadership_term_id: TERM, cluster_session_id: SESSION, timestamp: 0 }.encode();
    frame[4] = 55;
    member.send(&frame);
    let error = until("the error", || client.poll_egress(&mut on_message(|_, _, _, _| panic!("decoded"))).err());
    assert_eq!(error.message(), "expected cluster egress schemaId=111 actual=55");
    assert_eq!(error.kind(), ErrorKind::Protocol);

    let mut journal = Journal::default();
    member.send(&frame);
    member.send_message(SESSION, b"next");
    poll_until(&mut client, &mut journal, "message 7 99 next");
    assert_eq!(journal.0, ["schema 55 with 24 bytes", "message 7 99 next"]);
}

#[test]
fn an_administrative_request_and_its_answer() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.context(IPC, IPC));
    client.send_admin_request_to_take_a_snapshot(42).unwrap();
    let correlation_id = until("the request", || {
        member.poll(|event| {
            let IngressEvent::AdminRequest(request) = event else { panic!("{event:?}") };
            assert_eq!((request.request_type, request.payload), (AdminRequestType::Snapshot, &[][..]));
            Some(request.correlation_id)
        })
    });
    let response = AdminResponse {
        cluster_session_id: SESSION,
        correlation_id,
        request_type: AdminRequestType::Snapshot,
        response_code: AdminResponseCode::UnauthorisedAccess,
        message: "no",
        payload: &[],
    };
    member.send(response.encode(&mut Vec::new()));
    poll_until(&mut client, &mut Journal::default(), "admin 42 UNAUTHORISED_ACCESS no");
}

/// Refuses a message the first time.
#[derive(Default)]
struct Hesitant(Vec<String>);

impl ControlledEgressListener for Hesitant {
    fn on_message(&mut self, _session_id: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) -> Action {
        self.0.push(String::from_utf8_lossy(message).into_owned());
        if self.0.len() == 1 { Action::Abort } else { Action::Commit }
    }
}

#[test]
fn a_controlled_listener_can_have_a_message_again() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    member.send_message(SESSION, b"a");
    member.send_message(SESSION, b"b");
    let mut hesitant = Hesitant::default();
    until("both messages", || {
        client.controlled_poll_egress(&mut hesitant).unwrap();
        (hesitant.0.len() == 3).then_some(())
    });
    assert_eq!(hesitant.0, ["a", "a", "b"]);
}

#[test]
fn the_death_of_the_driver_ends_the_client() {
    let host = Host::start();
    let context = aeron::Context::new().dir(host.driver.dir()).driver_timeout(Duration::from_millis(700));
    let supplied = Aeron::connect(context).unwrap();
    let (mut client, member) = host.connected(host.context(IPC, IPC).aeron(supplied));
    drop((member, host));
    let mut journal = Journal::default();
    let error = until("the end", || client.poll_egress(&mut journal).err());
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(client.is_closed());
    assert!(error.message().contains("Aeron client is closed"), "{error}");
}
