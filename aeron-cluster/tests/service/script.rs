//! A consensus module that the test plays itself, on a media driver and nothing else: for what the official one would do
//! once in a year.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};

use aeron_cluster::aeron::{self, Aeron, Counter, ExclusivePublication, Publication, Subscription};
use aeron_cluster::codec::{JoinLog, ServiceAck, ServiceEvent};
use aeron_cluster::service::{ClusteredServiceContainer, Context, Role};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster, wait_until};

use crate::probe::{Events, Fail, Probe, context};

const CONTROL_CHANNEL: &str = "aeron:ipc?term-length=128k";
pub const LOG_STREAM: i32 = 100;
const COMMIT_POSITION_TYPE_ID: i32 = 203;
const RECOVERY_STATE_TYPE_ID: i32 = 204;
/// What the logs of these tests have for a term, in bytes.
const TERM_LENGTH: i64 = 64 * 1024;

/// The consensus module, the log, and the container that takes both for real.
pub struct Script {
    pub container: ClusteredServiceContainer,
    pub events: Events,
    /// What the container's error handler was told.
    pub errors: Receiver<String>,
    pub aeron: Aeron,
    to_service: Publication,
    from_service: Subscription,
    commit_position: Counter,
    _recovery: Counter,
    _cluster: TestCluster,
}

impl Script {
    /// Starts a container without a snapshot, and takes the acknowledgement of its start.
    pub fn start(configure: impl FnOnce(Context) -> Context) -> Script {
        Self::start_failing(Fail::Never, configure)
    }

    /// The same with a service that fails.
    pub fn start_failing(fail: Fail, configure: impl FnOnce(Context) -> Context) -> Script {
        let mut cluster = TestCluster::builder().create().unwrap();
        cluster.start_part(0, Part::Driver).unwrap();
        let aeron = Aeron::connect(aeron::Context::new().dir(cluster.aeron_dir(0))).unwrap();
        let from_service = aeron.add_subscription(CONTROL_CHANNEL, 105).unwrap();
        let to_service = aeron.add_publication(CONTROL_CHANNEL, 104).unwrap();
        let commit_position = aeron.add_counter(COMMIT_POSITION_TYPE_ID, &[0; 4], "commit-pos").unwrap();
        let mut recovery_key = [0; 32];
        recovery_key[..8].copy_from_slice(&(-1i64).to_le_bytes());
        let recovery = aeron.add_counter(RECOVERY_STATE_TYPE_ID, &recovery_key, "recovery").unwrap();
        let (probe, events) = Probe::failing(fail);
        let (handler, errors) = channel();
        let settings = context(&cluster).error_handler(move |error| {
            // A test that heard enough has dropped its end.
            let _ = handler.send(error.to_string());
        });
        let container = ClusteredServiceContainer::launch(configure(settings), probe).unwrap();
        let mut script = Script {
            container,
            events,
            errors,
            aeron,
            to_service,
            from_service,
            commit_position,
            _recovery: recovery,
            _cluster: cluster,
        };
        let ack = script.ack();
        assert_eq!((ack.ack_id, ack.log_position), (0, 0));
        assert_ne!(ack.relevant_id, -1, "the start failed");
        script
    }

    /// The next acknowledgement.
    pub fn ack(&mut self) -> ServiceAck {
        wait_until("an acknowledgement", PATIENCE, || {
            let mut ack = None;
            self.from_service.poll(1, |message, _| {
                if let Ok(ServiceEvent::ServiceAck(event)) = ServiceEvent::decode(message) {
                    ack = Some(event);
                }
            })?;
            Ok(ack.map_or(ControlFlow::Continue(()), ControlFlow::Break))
        })
        .unwrap()
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

    /// Asks the service to join a log, which it does.
    pub fn join(&mut self, log: &Log, role: Role) -> ServiceAck {
        self.tell(&log.request(log.position, role, &log.channel()));
        self.ack()
    }

    pub fn commit(&self, position: i64) {
        self.commit_position.set(position);
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
    publication: ExclusivePublication,
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
    .encode(&mut request);
    request
}

fn taken(sent: Result<i64, aeron::OfferError>) -> ControlFlow<i64, aeron::OfferError> {
    match sent {
        Ok(position) => ControlFlow::Break(position),
        Err(reason) => ControlFlow::Continue(reason),
    }
}
