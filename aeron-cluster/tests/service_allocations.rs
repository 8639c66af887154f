//! The container allocates nothing per message once it is warm: for messages, short and in fragments, for timers, and for all
//! that a service sends. The test drives the container on its own thread, and counts what that thread asks for.
#![cfg(feature = "testing")]

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::aeron::{self, Aeron, Counter, ExclusivePublication, Header, OfferError, Subscription};
use aeron_cluster::codec::{JoinLog, ServiceEvent, SessionMessageHeader, SessionOpenEvent, TimerEvent};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ClusteredServiceAgent, Context, Role, ServiceError, SnapshotImage,
    SnapshotPublication, Work,
};
use aeron_cluster::testing::{WorkDir, type_id};

#[path = "support/allocations.rs"]
mod allocations;
use allocations::allocations;
#[path = "support/until.rs"]
mod until;
use until::until;

const IPC: &str = "aeron:ipc?term-length=256k";
const TO_SERVICE: i32 = 104;
const FROM_SERVICE: i32 = 105;
const LOG: i32 = 100;
const CLIENT: i32 = 102;
/// A message of several fragments.
const LONG: usize = 6_000;

/// Sends in every way for every message.
struct Busy {
    applied: Rc<Cell<u64>>,
}

impl Busy {
    fn count(&self) {
        self.applied.set(self.applied.get() + 1);
    }
}

fn sent<T>(cluster: &Cluster, mut send: impl FnMut() -> Result<T, OfferError>) -> T {
    until("what is sent", || {
        cluster.idle(0).unwrap();
        send().ok()
    })
}

impl ClusteredService for Busy {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        timestamp: i64,
        message: &[u8],
        _: &Header<'_>,
    ) {
        let session = session.unwrap();
        sent(cluster, || session.offer(message));
        sent(cluster, || session.offer_vectored(&[IoSlice::new(b"a"), IoSlice::new(message)]));
        sent(cluster, || session.try_claim(16).map(|claim| claim.commit()));
        sent(cluster, || cluster.offer(message));
        sent(cluster, || cluster.offer_vectored(&[IoSlice::new(b"a"), IoSlice::new(message)]));
        sent(cluster, || cluster.try_claim(16).map(|claim| claim.commit()));
        sent(cluster, || cluster.schedule_timer(1, timestamp + 1));
        sent(cluster, || cluster.cancel_timer(1));
        self.count();
    }

    fn on_timer_event(&mut self, cluster: &Cluster, correlation_id: i64, timestamp: i64) {
        sent(cluster, || cluster.schedule_timer(correlation_id, timestamp + 1));
        self.count();
    }

    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A container in the hand of the test, on the log of a consensus module that is the test.
struct Stage {
    agent: ClusteredServiceAgent<Busy>,
    applied: Rc<Cell<u64>>,
    log: ExclusivePublication,
    from_service: Subscription,
    client: Subscription,
    commit_position: Counter,
    _recovery: Counter,
}

impl Stage {
    fn start(aeron: &Aeron, dir: &WorkDir) -> Stage {
        let from_service = aeron.add_subscription(IPC, FROM_SERVICE).unwrap();
        let to_service = aeron.add_publication(IPC, TO_SERVICE).unwrap();
        let client = aeron.add_subscription(IPC, CLIENT).unwrap();
        let log = aeron.add_exclusive_publication(IPC, LOG).unwrap();
        let cluster_id = 0_i32.to_le_bytes();
        // No term, position 0, time 0, this cluster, no snapshot.
        let recovery = [(-1_i64).to_le_bytes().as_slice(), &[0; 16], &cluster_id, &[0; 4]].concat();
        let commit_position = aeron.add_counter(type_id::COMMIT_POSITION, &cluster_id, "commit-pos").unwrap();
        let recovery = aeron.add_counter(type_id::RECOVERY_STATE, &recovery, "recovery").unwrap();
        let applied = Rc::new(Cell::new(0));
        let context = Context::new()
            .aeron(aeron.clone())
            .cluster_directory_name(dir.path().join("cluster"))
            .control_channel(IPC)
            .idle_strategy_supplier(|| Box::new(aeron::YieldingIdleStrategy));
        let agent = ClusteredServiceAgent::new(context, Busy { applied: Rc::clone(&applied) }).unwrap();
        let mut stage = Stage { agent, applied, log, from_service, client, commit_position, _recovery: recovery };
        stage.wait_for_ack();
        let request = stage.join_request();
        until("room on the control channel", || to_service.offer(&request).ok());
        stage.wait_for_ack();
        stage
    }

    fn join_request(&self) -> Vec<u8> {
        let mut request = Vec::new();
        JoinLog {
            log_position: 0,
            max_log_position: i64::MAX,
            member_id: 0,
            log_session_id: self.log.session_id(),
            log_stream_id: LOG,
            is_startup: false,
            role: Role::Leader,
            is_standby: Some(false),
            log_channel: &format!("aeron:ipc?session-id={}", self.log.session_id()),
        }
        .encode(&mut request);
        request
    }

    fn work(&mut self) {
        assert!(matches!(self.agent.do_work().unwrap(), Work::Done(_)));
    }

    fn wait_for_ack(&mut self) {
        until("an acknowledgement", || {
            self.work();
            let mut acknowledged = None;
            let take = |message: &[u8], _: &Header<'_>| {
                acknowledged = matches!(ServiceEvent::decode(message), Ok(ServiceEvent::ServiceAck(_))).then_some(());
            };
            self.from_service.poll(1, take).unwrap();
            acknowledged
        });
    }

    fn append(&mut self, event: &[u8]) {
        let position = until("room in the log", || self.log.offer(event).ok());
        self.commit_position.set(position);
    }

    /// Applies what is in the log, and takes all that was sent.
    fn apply(&mut self, events: u64) {
        let target = self.applied.get() + events;
        until("the events", || {
            self.work();
            (self.applied.get() == target).then_some(())
        });
        for from in [&mut self.client, &mut self.from_service] {
            while from.poll(100, |_, _| {}).unwrap() > 0 {}
        }
    }
}

fn open() -> Vec<u8> {
    let mut event = Vec::new();
    SessionOpenEvent {
        leadership_term_id: 0,
        correlation_id: 1,
        cluster_session_id: 1,
        timestamp: 1,
        response_stream_id: CLIENT,
        response_channel: IPC,
        encoded_principal: &[],
    }
    .encode(&mut event);
    event
}

#[test]
fn messages_timers_and_sends_cost_no_allocation() {
    let dir = WorkDir::new().unwrap();
    let context = DriverContext::new().dir(dir.path().join("driver")).threading_mode(ThreadingMode::Shared);
    let driver = MediaDriver::launch(context.timer_interval(Duration::from_millis(50))).unwrap();
    let aeron = Aeron::connect(aeron::Context::new().dir(driver.dir())).unwrap();
    let mut stage = Stage::start(&aeron, &dir);
    stage.append(&open());
    let header = SessionMessageHeader { leadership_term_id: 0, cluster_session_id: 1, timestamp: 2 };
    let long = [header.encode().as_slice(), &[7; LONG]].concat();
    let timer = TimerEvent { leadership_term_id: 0, correlation_id: 7, timestamp: 3 }.encode();
    let mut before = 0;
    for round in 0..1_000 {
        // The assembler's buffer grows to the longest message in the first rounds.
        if round == 100 {
            before = allocations();
        }
        stage.append(&long[..32 + 64]);
        stage.append(&long);
        stage.append(&timer);
        stage.apply(3);
    }
    assert_eq!(allocations() - before, 0);
}
