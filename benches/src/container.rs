//! The container, whose duty cycle runs over a log that is already written, and a bare loop in C that sends the same answers.

use std::cell::Cell;
use std::rc::Rc;

use aeron_cluster::aeron::{
    Counter, DATA_HEADER_LENGTH, ExclusivePublication, Header, Image, Publication, Subscription,
};
use aeron_cluster::client::SESSION_HEADER_LENGTH;
use aeron_cluster::codec::{JoinLog, ServiceEvent, SessionMessageHeader, SessionOpenEvent, TimerEvent};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ClusteredServiceAgent, Context, Role, ServiceError, SnapshotImage,
    SnapshotPublication, Work,
};
use aeron_cluster::testing::type_id;

use crate::stage::{image, make_room, room, send};
use crate::until::until;
use crate::{Case, LENGTH, Stage, native};

/// How many bytes of the stream to the client the answers to a batch take.
fn egress_bytes(stage: &Stage) -> usize {
    stage.messages() as usize * (DATA_HEADER_LENGTH + SESSION_HEADER_LENGTH + LENGTH)
}

/// Counts the events that it applies, and echoes messages if `answers` is set.
struct Counting {
    applied: Rc<Cell<u64>>,
    answers: bool,
}

impl ClusteredService for Counting {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }

    fn on_session_open(&mut self, _: &Cluster, _: &ClientSession, _: i64) {
        self.applied.set(self.applied.get() + 1);
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _: i64,
        message: &[u8],
        _: &Header<'_>,
    ) {
        self.applied.set(self.applied.get() + 1);
        if let Some(session) = session.filter(|_| self.answers) {
            // Also retries until the client is connected.
            while session.offer(message).is_err() {
                if cluster.idle(0).is_err() {
                    return;
                }
            }
        }
    }

    fn on_timer_event(&mut self, _: &Cluster, _: i64, _: i64) {
        self.applied.set(self.applied.get() + 1);
    }

    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A container, for which the benchmark plays the consensus module.
struct Driven {
    // Dropped first: it uses what comes after.
    agent: ClusteredServiceAgent<Counting>,
    applied: Rc<Cell<u64>>,
    expected: u64,
    log: ExclusivePublication,
    commit_position: Counter,
    _recovery: Counter,
    _stage: Rc<Stage>,
}

impl Driven {
    fn new(stage: &Rc<Stage>, role: Role) -> Self {
        let channel = stage.channel();
        let (cluster_id, to_service, from_service) = (stage.number(), stage.number(), stage.number());
        let context = Context::new()
            .aeron(stage.aeron.clone())
            .cluster_directory_name(stage.dir())
            .cluster_id(cluster_id)
            .control_channel(&channel)
            .service_stream_id(to_service)
            .consensus_module_stream_id(from_service);
        let mut from_service = stage.aeron.add_subscription(&channel, from_service).expect("a subscription");
        let to_service = stage.aeron.add_publication(&channel, to_service).expect("a publication");
        let [commit_position, recovery] = counters(stage, cluster_id);
        let applied = Rc::new(Cell::new(0));
        let service = Counting { applied: Rc::clone(&applied), answers: role == Role::Leader };
        let mut agent = ClusteredServiceAgent::new(context, service).expect("a container");
        let log = stage.aeron.add_exclusive_publication(&channel, stage.number()).expect("a log");
        wait_for_ack(&mut agent, &mut from_service);
        let mut join = Vec::new();
        let log_channel = format!("aeron:ipc?session-id={}", log.session_id());
        JoinLog {
            log_position: 0,
            max_log_position: i64::MAX,
            member_id: 0,
            log_session_id: log.session_id(),
            log_stream_id: log.stream_id(),
            is_startup: false,
            role,
            is_standby: Some(false),
            log_channel: &log_channel,
        }
        .encode(&mut join);
        send(|| to_service.offer(&join));
        wait_for_ack(&mut agent, &mut from_service);
        Driven { agent, applied, expected: 0, log, commit_position, _recovery: recovery, _stage: Rc::clone(stage) }
    }

    /// Appends an event to the log.
    fn append(&mut self, event: &[u8]) {
        let position = send(|| self.log.offer(event));
        self.commit_position.set(position);
        self.expected += 1;
    }

    /// Makes the container apply everything in the log.
    fn apply(&mut self) {
        while self.applied.get() < self.expected {
            work(&mut self.agent);
        }
    }
}

fn counters(stage: &Stage, cluster_id: i32) -> [Counter; 2] {
    let id = cluster_id.to_le_bytes();
    // No term, position 0, time 0, this cluster, no snapshot.
    let recovery = [(-1_i64).to_le_bytes().as_slice(), &[0; 16], &id, &[0; 4]].concat();
    let add = |type_id, key: &[u8]| stage.aeron.add_counter(type_id, key, "bench").expect("a counter");
    [add(type_id::COMMIT_POSITION, &id), add(type_id::RECOVERY_STATE, &recovery)]
}

fn work(agent: &mut ClusteredServiceAgent<Counting>) {
    match agent.do_work() {
        Ok(Work::Done(_)) => {}
        other => panic!("the container ended: {other:?}"),
    }
}

fn wait_for_ack(agent: &mut ClusteredServiceAgent<Counting>, from_service: &mut Subscription) {
    until("an acknowledgement", || {
        work(agent);
        let mut acknowledged = None;
        let take = |message: &[u8], _: &Header<'_>| {
            acknowledged = matches!(ServiceEvent::decode(message), Ok(ServiceEvent::ServiceAck(_))).then_some(());
        };
        from_service.poll(1, take).expect("a control channel");
        acknowledged
    });
}

fn open(session: i64, channel: &str, stream: i32) -> Vec<u8> {
    let mut event = Vec::new();
    SessionOpenEvent {
        leadership_term_id: 0,
        correlation_id: 1,
        cluster_session_id: session,
        timestamp: 5,
        response_stream_id: stream,
        response_channel: channel,
        encoded_principal: &[],
    }
    .encode(&mut event);
    event
}

fn message(session: i64) -> Vec<u8> {
    let header = SessionMessageHeader { leadership_term_id: 0, cluster_session_id: session, timestamp: 6 };
    [header.encode().as_slice(), &[5; LENGTH]].concat()
}

/// Applies events, without answers.
struct Apply {
    container: Driven,
    events: Vec<Vec<u8>>,
    /// How many events have been appended.
    applied: usize,
    batch: usize,
}

impl Case for Apply {
    fn prepare(&mut self) {
        // Continues where the last batch ended, so that all sessions get their turn.
        for _ in 0..self.batch {
            self.container.append(&self.events[self.applied % self.events.len()]);
            self.applied += 1;
        }
    }

    fn run(&mut self) {
        self.container.apply();
    }
}

fn apply(stage: &Rc<Stage>, sessions: i64, events: Vec<Vec<u8>>) -> Box<dyn Case> {
    let mut container = Driven::new(stage, Role::Follower);
    for session in 1..=sessions {
        container.append(&open(session, &stage.channel(), 1));
        container.apply();
    }
    Box::new(Apply { container, events, applied: 0, batch: stage.messages() as usize })
}

/// One message of each session, in scattered order.
fn messages(sessions: i64) -> Vec<Vec<u8>> {
    // A prime that divides none of the numbers of sessions used here.
    (0..sessions).map(|index| message(1 + index * 7_919 % sessions)).collect()
}

pub fn apply_with_10_sessions(stage: &Rc<Stage>) -> Box<dyn Case> {
    apply(stage, 10, messages(10))
}

pub fn apply_with_10_000_sessions(stage: &Rc<Stage>) -> Box<dyn Case> {
    apply(stage, 10_000, messages(10_000))
}

pub fn apply_timers(stage: &Rc<Stage>) -> Box<dyn Case> {
    let event = TimerEvent { leadership_term_id: 0, correlation_id: 7, timestamp: 8 }.encode().to_vec();
    apply(stage, 0, vec![event])
}

/// The container answers the messages of one session.
struct EchoRust {
    container: Driven,
    /// The publication that the container answers on, added a second time, to see how much room there is.
    witness: Publication,
    client: Subscription,
    stage: Rc<Stage>,
}

impl Case for EchoRust {
    fn prepare(&mut self) {
        make_room(&mut self.client, 2 * egress_bytes(&self.stage), || room(&self.witness));
        for _ in 0..self.stage.messages() {
            self.container.append(&message(1));
        }
    }

    fn run(&mut self) {
        self.container.apply();
    }
}

/// The case of the container that answers the messages of a log.
pub fn echo_rust(stage: &Rc<Stage>) -> Box<dyn Case> {
    let mut container = Driven::new(stage, Role::Leader);
    let (witness, client) = stage.stream();
    container.append(&open(1, &stage.channel(), client.stream_id()));
    container.append(&message(1));
    container.apply();
    Box::new(EchoRust { container, witness, client, stage: Rc::clone(stage) })
}

/// The same case with the loop in C.
struct EchoC {
    log: ExclusivePublication,
    image: Image,
    egress: Publication,
    client: Subscription,
    commit_position: i64,
    stage: Rc<Stage>,
}

impl Case for EchoC {
    fn prepare(&mut self) {
        make_room(&mut self.client, 2 * egress_bytes(&self.stage), || room(&self.egress));
        let message = message(1);
        for _ in 0..self.stage.messages() {
            self.commit_position = send(|| self.log.offer(&message));
        }
    }

    fn run(&mut self) {
        native::echo(&mut self.image, &self.egress, self.commit_position, self.stage.messages());
    }
}

/// A bare loop in C answers the messages.
pub fn echo_c(stage: &Rc<Stage>) -> Box<dyn Case> {
    let (log, subscription) = stage.exclusive_stream();
    let image = image(subscription, log.session_id());
    let (egress, client) = stage.stream();
    Box::new(EchoC { log, image, egress, client, commit_position: 0, stage: Rc::clone(stage) })
}
