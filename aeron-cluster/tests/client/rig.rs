//! A cluster that is made up message by message, on a real media driver in this process.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{self, Action, Aeron, Header, Publication, Subscription};
use aeron_cluster::client::{
    AeronCluster, AsyncConnect, ConnectState, Context, CredentialsSupplier, EgressListener, PROTOCOL_VERSION,
    StateChange,
};
use aeron_cluster::codec::{
    AdminResponse, EventCode, IngressEvent, MessageHeader, NewLeaderEvent, SessionConnectRequest, SessionEvent,
    SessionMessageHeader,
};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, PortBlock, WorkDir};
use aeron_cluster::{ErrorKind, Result};

pub use crate::until::until;

/// The type of the driver's counters of itself.
const SYSTEM_COUNTER: i32 = 0;
pub const SESSION: i64 = 7;
pub const TERM: i64 = 3;
pub const IPC: &str = "aeron:ipc?term-length=64k";
pub const UDP: &str = "aeron:udp?term-length=64k";
pub const UDP_EGRESS: &str = "aeron:udp?endpoint=localhost:0|term-length=64k";

/// A time that only the test moves.
#[derive(Clone)]
pub struct MadeUpClock(Arc<Mutex<Instant>>);

impl MadeUpClock {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub fn advance(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }

    pub fn set_on(&self, context: Context) -> Context {
        let time = Arc::clone(&self.0);
        context.clock(move || *time.lock().unwrap())
    }
}

pub fn driver_context(dir: &Path) -> DriverContext {
    DriverContext::new()
        .dir(dir)
        .threading_mode(ThreadingMode::Shared)
        .term_buffer_sparse_file(true)
        .ipc_term_buffer_length(64 * 1024)
        .timer_interval(Duration::from_millis(5))
        .publication_connection_timeout(Duration::from_millis(500))
        .publication_linger_timeout(Duration::from_millis(10))
        .image_liveness_timeout(Duration::from_millis(500))
        .counters_free_to_reuse_timeout(Duration::ZERO)
        .dir_delete_on_start(true)
        .dir_warn_if_exists(false)
}

/// A media driver with a client for the made-up members. Fields are dropped in order: the driver last.
pub struct Host {
    pub aeron: Aeron,
    pub driver: MediaDriver,
    pub _dir: WorkDir,
}

impl Host {
    pub fn start() -> Self {
        let dir = WorkDir::new().unwrap();
        let driver = MediaDriver::launch(driver_context(&dir.path().join("driver"))).unwrap();
        let aeron = Aeron::connect(aeron::Context::new().dir(driver.dir())).unwrap();
        Self { aeron, driver, _dir: dir }
    }

    /// What the driver has counters of for others than the host: every publication, subscription, image and client shows here.
    pub fn census(&self) -> Vec<String> {
        let mut census = Vec::new();
        let ours = format!("client-heartbeat: id={} ", self.aeron.client_id());
        self.aeron.counters().for_each(|counter| {
            // The label of a heartbeat grows while the driver writes it.
            if counter.type_id != SYSTEM_COUNTER && !format!("{} ", counter.label).starts_with(&ours) {
                census.push(format!("{} {}", counter.type_id, counter.label));
            }
        });
        census.sort();
        census
    }

    /// Waits until the driver has what it had then, and no more; `member` takes what was sent, which a publication waits for.
    pub fn until_back_at(&self, before: &[String], what: &str, member: &mut Option<Member>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(member) = member {
                member.poll(|_| Some(()));
            }
            let now = self.census();
            if now == before {
                return;
            }
            let left: Vec<_> = now.iter().filter(|counter| !before.contains(counter)).collect();
            assert!(Instant::now() < deadline, "{what} left {left:#?}, {} counters became {}", before.len(), now.len());
            std::thread::yield_now();
        }
    }

    pub fn context(&self, ingress_channel: &str, egress_channel: &str) -> Context {
        Context::new().aeron_dir(self.driver.dir()).ingress_channel(ingress_channel).egress_channel(egress_channel)
    }

    pub fn member(&self, ingress_channel: &str) -> Member {
        Member::new(&self.aeron, ingress_channel, 101)
    }

    /// A member with an egress that is open.
    pub fn member_with(&self, ingress_channel: &str, egress: Publication) -> Member {
        Member { egress: Some(egress), ..self.member(ingress_channel) }
    }

    /// The same, on the Aeron client of the host.
    pub fn shared_context(&self, ingress_channel: &str, egress_channel: &str) -> Context {
        self.context(ingress_channel, egress_channel).aeron(self.aeron.clone())
    }

    /// A client with an open session, and the one member it talks to, over shared memory.
    pub fn connected(&self, context: Context) -> (AeronCluster, Member) {
        let mut member = self.member(IPC);
        (member.connected(context), member)
    }
}

pub struct ConnectRequest {
    pub correlation_id: i64,
    pub client_info: String,
    pub credentials: Vec<u8>,
}

/// A member of the made-up cluster.
pub struct Member {
    pub aeron: Aeron,
    pub ingress: Subscription,
    pub egress: Option<Publication>,
    assembler: aeron::FragmentAssembler,
}

impl Member {
    pub fn new(aeron: &Aeron, ingress_channel: &str, stream_id: i32) -> Self {
        let ingress = aeron.add_subscription(ingress_channel, stream_id).unwrap();
        Self { aeron: aeron.clone(), ingress, egress: None, assembler: aeron::FragmentAssembler::new() }
    }

    /// A client with an open session.
    pub fn connected(&mut self, context: Context) -> AeronCluster {
        let mut connect = AeronCluster::async_connect(context).unwrap();
        let request = self.next_connect_request(&mut connect);
        self.answer(request.correlation_id, EventCode::Ok, "");
        let client = until("the session", || connect.poll().unwrap());
        assert_eq!(connect.state(), ConnectState::Done);
        assert_eq!(connect.poll().unwrap_err().kind(), ErrorKind::State);
        client
    }

    /// The next message of a client, as `take` sees it.
    pub fn poll<T>(&mut self, mut take: impl FnMut(IngressEvent<'_>) -> Option<T>) -> Option<T> {
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

    pub fn connect_request(&mut self) -> Option<ConnectRequest> {
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

    /// As [`connect_request`](Self::connect_request), for clients whose egress is [open](Self::open_egress_of_clients).
    pub fn connect_request_on_open_egress(&mut self) -> Option<i64> {
        self.poll(|event| match event {
            IngressEvent::SessionConnectRequest(request) => Some(request.correlation_id),
            other => panic!("{other:?}"),
        })
    }

    /// A publication to whoever listens there, now or later.
    pub fn open_egress_of_clients(&mut self, channel: &str, stream_id: i32) {
        self.egress = Some(self.aeron.add_publication(channel, stream_id).unwrap());
    }

    pub fn open_egress(&mut self, channel: &str, stream_id: i32) {
        let egress = self.aeron.add_publication(channel, stream_id).unwrap();
        until("the client's egress", || egress.is_connected().then_some(()));
        self.egress = Some(egress);
    }

    pub fn next_connect_request(&mut self, connect: &mut AsyncConnect) -> ConnectRequest {
        until("a connect request", || {
            assert!(connect.poll().unwrap().is_none());
            self.connect_request()
        })
    }

    pub fn send(&self, frame: &[u8]) {
        let egress = self.egress.as_ref().unwrap();
        until("room on the egress", || egress.offer(frame).ok());
    }

    pub fn answer(&self, correlation_id: i64, code: EventCode, detail: &str) {
        self.answer_of(SESSION, correlation_id, code, detail);
    }

    pub fn answer_of(&self, cluster_session_id: i64, correlation_id: i64, code: EventCode, detail: &str) {
        let event = SessionEvent {
            cluster_session_id,
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

    /// Answers the next connect request of a client that reconnects, as `session`.
    pub fn reopen(&mut self, client: &mut AeronCluster, journal: &mut Journal, session: i64) {
        let request = until("a connect request", || {
            client.poll_egress(journal).unwrap();
            self.connect_request()
        });
        self.answer_of(session, request.correlation_id, EventCode::Ok, "");
        poll_until(client, journal, "RECONNECTING -> CONNECTED");
    }

    pub fn send_message(&self, cluster_session_id: i64, payload: &[u8]) {
        let header = SessionMessageHeader { leadership_term_id: TERM, cluster_session_id, timestamp: 99 };
        self.send(&[&header.encode(), payload].concat());
    }

    pub fn name_leader(&self, leadership_term_id: i64, leader_member_id: i32, ingress_endpoints: &str) {
        let event =
            NewLeaderEvent { leadership_term_id, cluster_session_id: SESSION, leader_member_id, ingress_endpoints };
        self.send(event.encode(&mut Vec::new()));
    }
}

/// Writes down what it is told.
#[derive(Default)]
pub struct Journal(pub Vec<String>);

impl Journal {
    pub fn has(&self, entry: &str) -> bool {
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
        self.0.push(change.reason.to_string());
    }

    fn on_extension_message(&mut self, header: &MessageHeader, body: &[u8], _aeron: &Header<'_>) -> Result<()> {
        self.0.push(format!("schema {} with {} bytes", header.schema_id, body.len()));
        Ok(())
    }
}

pub fn poll_until(client: &mut AeronCluster, journal: &mut Journal, entry: &str) {
    until(entry, || {
        client.poll_egress(journal).unwrap();
        journal.has(entry).then_some(())
    });
}

pub struct Password;

impl CredentialsSupplier for Password {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        b"user".to_vec()
    }

    fn on_challenge(&mut self, encoded_challenge: &[u8]) -> Vec<u8> {
        [encoded_challenge, b"-answered"].concat()
    }
}

/// The list of two members, and the channels on which they take ingress.
pub fn two_members(ports: &PortBlock) -> (String, [String; 2]) {
    let address = |index| format!("localhost:{}", ports.port(index));
    let channel = |index| format!("aeron:udp?endpoint={}|term-length=64k", address(index));
    (format!("0={},1={}", address(0), address(1)), [channel(0), channel(1)])
}
