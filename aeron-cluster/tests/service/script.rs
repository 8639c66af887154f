//! A consensus module that the test plays itself, on a media driver and nothing else: for what the official one would do
//! once in a year.

use std::ops::ControlFlow;
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};

use aeron_cluster::Result;
use aeron_cluster::aeron::{self, Aeron, Counter, ExclusivePublication, Publication, Subscription};
use aeron_cluster::codec::{ActionFlags, ClusterAction, JoinLog, ServiceAck, ServiceEvent};
use aeron_cluster::service::mark_file::mark_file_name;
use aeron_cluster::service::{ClusteredService, ClusteredServiceContainer, Context, Role, Termination};
use aeron_cluster::testing::{Builder, PATIENCE, Part, TestCluster, type_id, wait_until};

use crate::messages::action;
use crate::probe::{Event, Events, Fail, Probe, context};

pub const CONTROL_CHANNEL: &str = "aeron:ipc?term-length=128k";
pub const LOG_STREAM: i32 = 100;
/// What the logs of these tests have for a term, in bytes.
const TERM_LENGTH: i64 = 64 * 1024;

/// What a container needs besides its consensus module: a driver, and an archive where the test wants one.
#[derive(Clone)]
pub struct Stage {
    pub aeron: Aeron,
    pub cluster: Rc<TestCluster>,
    processes: Vec<(Part, u32)>,
}

/// What the consensus module recovered.
pub struct Recovery {
    pub cluster_id: i32,
    pub leadership_term_id: i64,
    pub log_position: i64,
    pub timestamp: i64,
    /// The recording of the service's snapshot.
    pub recording_id: Option<i64>,
}

impl Recovery {
    pub const NOTHING: Recovery =
        Recovery { cluster_id: 0, leadership_term_id: -1, log_position: 0, timestamp: 0, recording_id: None };

    fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        for value in [self.leadership_term_id, self.log_position, self.timestamp] {
            key.extend_from_slice(&value.to_le_bytes());
        }
        key.extend_from_slice(&self.cluster_id.to_le_bytes());
        key.extend_from_slice(&i32::from(self.recording_id.is_some()).to_le_bytes());
        key.extend(self.recording_id.iter().flat_map(|id| id.to_le_bytes()));
        key
    }
}

impl Stage {
    pub fn with_driver() -> Stage {
        Self::with(TestCluster::builder(), &[Part::Driver])
    }

    pub fn with(builder: Builder, parts: &[Part]) -> Stage {
        let mut cluster = builder.create().unwrap();
        let mut processes = Vec::new();
        for part in parts {
            cluster.start_part(0, *part).unwrap();
            processes.push((*part, cluster.process(0, *part).unwrap().id()));
        }
        let aeron = Aeron::connect(aeron::Context::new().dir(cluster.aeron_dir(0))).unwrap();
        Stage { aeron, cluster: Rc::new(cluster), processes }
    }

    /// On a driver that the test started itself.
    pub fn on(cluster: &Rc<TestCluster>) -> Stage {
        let aeron = Aeron::connect(aeron::Context::new().dir(cluster.aeron_dir(0)).driver_timeout(PATIENCE)).unwrap();
        Stage { aeron, cluster: Rc::clone(cluster), processes: Vec::new() }
    }

    /// Lets a part stand still, for good.
    pub fn freeze(&self, part: Part) {
        let (_, process) = self.processes.iter().find(|(running, _)| *running == part).expect("a part that runs");
        let group = format!("-{process}");
        assert!(Command::new("kill").args(["-s", "STOP", "--", &group]).status().unwrap().success());
    }

    /// Publishes the counters of a consensus module.
    pub fn publish(&self, recovery: &Recovery) -> [Counter; 2] {
        let commit_position = self.publish_commit_position(recovery.cluster_id);
        [commit_position, self.aeron.add_counter(type_id::RECOVERY_STATE, &recovery.key(), "recovery").unwrap()]
    }

    pub fn publish_commit_position(&self, cluster_id: i32) -> Counter {
        self.aeron.add_counter(type_id::COMMIT_POSITION, &cluster_id.to_le_bytes(), "commit-pos").unwrap()
    }

    /// Starts a container with a probe, and then its consensus module.
    pub fn launch(&self, recovery: &Recovery, fail: Fail, configure: impl FnOnce(Context) -> Context) -> Script {
        let (probe, events) = Probe::failing(fail);
        self.launch_service(recovery, probe, events, configure)
    }

    /// The same with a service of the test's own.
    pub fn launch_service<S: ClusteredService + Send + 'static>(
        &self,
        recovery: &Recovery,
        service: S,
        events: Events,
        configure: impl FnOnce(Context) -> Context,
    ) -> Script {
        let from_service = self.aeron.add_subscription(CONTROL_CHANNEL, 105).unwrap();
        let to_service = self.aeron.add_publication(CONTROL_CHANNEL, 104).unwrap();
        let (handler, errors) = channel();
        let settings = context(&self.cluster).cluster_id(recovery.cluster_id).error_handler(move |error| {
            // A test that heard enough has dropped its end.
            let _ = handler.send(error.to_string());
        });
        let container = ClusteredServiceContainer::launch(configure(settings), service).unwrap();
        let [commit_position, recovery] = self.publish(recovery);
        Script {
            container,
            events,
            errors,
            aeron: self.aeron.clone(),
            to_service,
            from_service: Some(from_service),
            commit_position: Some(commit_position),
            _recovery: recovery,
            cluster: Rc::clone(&self.cluster),
        }
    }
}

/// The consensus module, the log, and the container that takes both for real.
pub struct Script {
    pub container: ClusteredServiceContainer,
    pub events: Events,
    /// What the container's error handler was told.
    pub errors: Receiver<String>,
    pub aeron: Aeron,
    to_service: Publication,
    /// Until the consensus module stops listening.
    pub from_service: Option<Subscription>,
    /// Until the consensus module is gone.
    pub commit_position: Option<Counter>,
    _recovery: Counter,
    pub cluster: Rc<TestCluster>,
}

impl Script {
    /// Starts a container without a snapshot, and takes the acknowledgement of its start.
    pub fn start(configure: impl FnOnce(Context) -> Context) -> Script {
        Self::start_failing(Fail::Never, configure)
    }

    /// The same with a service that fails.
    pub fn start_failing(fail: Fail, configure: impl FnOnce(Context) -> Context) -> Script {
        let mut script = Stage::with_driver().launch(&Recovery::NOTHING, fail, configure);
        script.started(&Recovery::NOTHING);
        script
    }

    /// Takes the acknowledgement of a start.
    pub fn started(&mut self, recovery: &Recovery) {
        let ack = self.ack();
        assert_eq!((ack.ack_id, ack.log_position, ack.timestamp), (0, recovery.log_position, recovery.timestamp));
        assert_ne!(ack.relevant_id, -1, "the start failed");
    }

    /// What the service says next, as `wanted` reads it.
    pub fn heard<T>(&mut self, wanted: impl Fn(ServiceEvent<'_>) -> Option<T>) -> T {
        heard(self.from_service.as_mut().expect("a consensus module that listens"), wanted).unwrap_or_else(|error| {
            let told = self.errors.try_iter().collect::<Vec<_>>();
            panic!("{error}; the container has ended: {}, and told of {told:?}", self.container.is_ended())
        })
    }

    /// The consensus module listens again.
    pub fn listen_again(&mut self) {
        self.from_service = Some(self.aeron.add_subscription(CONTROL_CHANNEL, 105).unwrap());
        let witness = self.aeron.add_publication(CONTROL_CHANNEL, 105).unwrap();
        wait_for(|| witness.is_connected());
    }

    /// The consensus module listens no longer, and the service's publication knows.
    pub fn stop_listening(&mut self) {
        // The driver has one publication for all who add it.
        let witness = self.aeron.add_publication(CONTROL_CHANNEL, 105).unwrap();
        self.from_service = None;
        wait_for(|| !witness.is_connected());
    }

    /// How many messages of the service wait to be heard.
    pub fn unheard(&mut self) -> usize {
        self.from_service.as_mut().map_or(0, |from_service| from_service.poll(10, |_, _| {}).unwrap())
    }

    /// The next acknowledgement.
    pub fn ack(&mut self) -> ServiceAck {
        self.heard(ack)
    }

    /// Tells the service something.
    pub fn tell(&self, message: &[u8]) {
        wait_until("the control channel", PATIENCE, || Ok(taken(self.to_service.offer(message)))).unwrap();
    }

    /// A log that begins at `position`, with the request to join it as the member `role`.
    pub fn log(&self, position: i64) -> Log {
        let (term, offset) = (position / TERM_LENGTH, position % TERM_LENGTH);
        let channel = format!("aeron:ipc?term-length={TERM_LENGTH}|init-term-id=0|term-id={term}|term-offset={offset}");
        let publication = self.aeron.add_exclusive_publication(&channel, LOG_STREAM).unwrap();
        Log { publication, position }
    }

    /// Whether the service reads a log.
    pub fn reads(&self, log: &Log) -> bool {
        log.publication.is_connected()
    }

    /// Whether the service could still say something.
    pub fn is_connected(&self) -> bool {
        self.from_service.as_ref().is_some_and(Subscription::is_connected)
    }

    /// Whether the service has taken everything that it was told.
    pub fn is_heard(&self) -> bool {
        let counters = self.aeron.counters();
        let mut taken = None;
        counters.for_each(|counter| {
            if counter.label.starts_with("sub-pos: ") && counter.label.contains(" 104 ") {
                taken = counters.value(counter.id);
            }
        });
        taken == self.to_service.position().ok()
    }

    /// Asks the service to join a log, which it does.
    pub fn join(&mut self, log: &Log, role: Role) -> ServiceAck {
        self.tell(&log.request(log.position, role, &log.channel()));
        self.ack()
    }

    /// Has the service, a follower at the beginning of the log, take a snapshot. Returns the log and the snapshot's position.
    pub fn take_snapshot(&mut self) -> (Log, i64) {
        let mut log = self.log(0);
        self.join(&log, Role::Follower);
        let position = log.position_after(40);
        self.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
        (log, position)
    }

    /// Waits until the container has ended, of itself: how, what the service saw until then, and the errors that were told.
    pub fn ended(self) -> (Result<Termination>, Vec<Event>, Vec<String>) {
        let events = self.events.rest();
        let ended = ended(self.container);
        (ended, events, self.errors.try_iter().collect())
    }

    pub fn commit(&self, position: i64) {
        self.commit_position.as_ref().expect("a consensus module that is there").set(position);
    }

    /// Appends to a log and commits it.
    pub fn append(&self, log: &mut Log, message: &[u8]) -> i64 {
        let position = log.append(message);
        self.commit(position);
        position
    }
}

/// A log that the test writes.
pub struct Log {
    pub publication: ExclusivePublication,
    pub position: i64,
}

impl Log {
    pub fn channel(&self) -> String {
        format!("aeron:ipc?session-id={}", self.publication.session_id())
    }

    /// The request to join it.
    pub fn request(&self, log_position: i64, role: Role, log_channel: &str) -> Vec<u8> {
        join_request(self.publication.session_id(), log_position, role, log_channel)
    }

    /// The request to join it with the flags that are seldom set.
    pub fn special_request(&self, role: Role, is_startup: bool, is_standby: bool) -> Vec<u8> {
        let mut request = Vec::new();
        let channel = self.channel();
        let plain = join(self.publication.session_id(), self.position, role, &channel);
        JoinLog { is_startup, is_standby: Some(is_standby), ..plain }.encode(&mut request);
        request
    }

    /// Where the log will be after a message of `length` bytes.
    pub fn position_after(&self, length: usize) -> i64 {
        self.position + (32 + length).next_multiple_of(32) as i64
    }

    /// Appends without committing.
    pub fn append(&mut self, message: &[u8]) -> i64 {
        let publication = &mut self.publication;
        self.position = wait_until("the log", PATIENCE, || Ok(taken(publication.offer(message)))).unwrap();
        self.position
    }
}

/// A request to join the log of a session.
pub fn join_request(log_session_id: i32, log_position: i64, role: Role, log_channel: &str) -> Vec<u8> {
    let mut request = Vec::new();
    join(log_session_id, log_position, role, log_channel).encode(&mut request);
    request
}

fn join(log_session_id: i32, log_position: i64, role: Role, log_channel: &str) -> JoinLog<'_> {
    JoinLog {
        log_position,
        max_log_position: i64::MAX,
        member_id: 7,
        log_session_id,
        log_stream_id: LOG_STREAM,
        is_startup: false,
        role,
        is_standby: Some(false),
        log_channel,
    }
}

/// The next message of a service that is what is wanted, past others.
pub fn heard<T>(from_service: &mut Subscription, wanted: impl Fn(ServiceEvent<'_>) -> Option<T>) -> Result<T> {
    wait_until("a message of the service", PATIENCE, || {
        let mut heard = None;
        from_service.poll(1, |message, _| heard = ServiceEvent::decode(message).ok().and_then(&wanted))?;
        Ok(heard.map_or(ControlFlow::Continue(()), ControlFlow::Break))
    })
}

pub fn ack(event: ServiceEvent<'_>) -> Option<ServiceAck> {
    if let ServiceEvent::ServiceAck(ack) = event { Some(ack) } else { None }
}

/// When the container was last alive, in ms since the epoch, as its mark file says.
pub fn activity(cluster: &TestCluster) -> i64 {
    /// Where the mark file says so.
    const OFFSET: usize = 16;
    let mark_file = std::fs::read(cluster.cluster_dir(0).join(mark_file_name(0))).unwrap();
    i64::from_le_bytes(*mark_file[OFFSET..].first_chunk().unwrap())
}

/// Waits until a container has ended, of itself, and says how.
pub fn ended(container: ClusteredServiceContainer) -> Result<Termination> {
    wait_for(|| container.is_ended());
    container.wait()
}

pub fn wait_for(mut condition: impl FnMut() -> bool) {
    let observe = || Ok(if condition() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    wait_until("a condition", PATIENCE, observe).unwrap();
}

fn taken(sent: std::result::Result<i64, aeron::OfferError>) -> ControlFlow<i64, aeron::OfferError> {
    match sent {
        Ok(position) => ControlFlow::Break(position),
        Err(reason) => ControlFlow::Continue(reason),
    }
}
