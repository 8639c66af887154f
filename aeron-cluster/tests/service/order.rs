//! In which order a container does things: in a duty cycle, and at its end.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::aeron::{BackoffIdleStrategy, Header, IdleStrategy};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Context, Role, ServiceError, SnapshotImage, SnapshotPublication,
    Termination,
};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{message, terminate_at};
use crate::probe::Probe;
use crate::script::{Recovery, Stage, ended, wait_for};

/// How often a container looks at the control channel.
const TICK: Duration = Duration::from_millis(1);

/// Tells what it does. Its background work waits while the test has the gate; when it is dropped it waits until the test lets it go.
struct Teller {
    done: Sender<&'static str>,
    gate: Arc<Mutex<()>>,
    let_go: Receiver<()>,
}

impl Teller {
    fn tell(&self, what: &'static str) {
        // A test that heard enough has dropped its end.
        let _ = self.done.send(what);
    }
}

impl ClusteredService for Teller {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }
    fn on_session_message(&mut self, _: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {
        self.tell("message");
    }
    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
    fn on_role_change(&mut self, _: &Cluster, _: Role) {
        self.tell("role");
    }
    fn do_background_work(&mut self, _: &Cluster, _now_ns: i64) -> usize {
        self.tell("background");
        if self.gate.try_lock().is_err() {
            self.tell("held");
            drop(self.gate.lock());
        }
        0
    }
    fn on_terminate(&mut self, _: &Cluster) {
        self.tell("terminate");
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell("dropped");
        let _ = self.let_go.recv_timeout(PATIENCE);
    }
}

/// Tells when a duty cycle is over.
struct EndOfCycle(Sender<&'static str>, BackoffIdleStrategy);

impl IdleStrategy for EndOfCycle {
    fn idle(&mut self, work_count: usize) {
        let _ = self.0.send("idle");
        self.1.idle(work_count);
    }
    fn reset(&mut self) {
        self.1.reset();
    }
}

#[test]
fn a_duty_cycle_is_control_channel_log_and_background_work_and_its_end_is_the_log_first() {
    let stage = Stage::with_driver();
    let ((done, told), (letting_go, let_go)) = (channel(), channel());
    let (cycles, gate) = (done.clone(), Arc::new(Mutex::new(())));
    let configure = |context: Context| {
        context.idle_strategy_supplier(move || Box::new(EndOfCycle(cycles.clone(), BackoffIdleStrategy::default())))
    };
    let service = Teller { done, gate: gate.clone(), let_go };
    // It has no probe that would report events.
    let mut script = stage.launch_service(&Recovery::NOTHING, service, Probe::new().1, configure);
    script.started(&Recovery::NOTHING);
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    let next = || told.recv_timeout(PATIENCE).expect("a container at work");
    while next() != "role" {}
    assert_eq!([next(), next()], ["background", "idle"]);
    script.append(&mut log, &message(1, 1, "one"));
    while next() != "message" {}
    assert_eq!([next(), next()], ["background", "idle"]);

    // A message and a termination before it come in the same cycle: the control channel is first.
    let held = gate.lock().unwrap();
    while next() != "held" {}
    script.tell(&terminate_at(log.position, false));
    script.append(&mut log, &message(1, 1, "behind the end"));
    // So long that the next cycle looks at the control channel.
    std::thread::sleep(TICK * 2);
    drop(held);
    let mut until_end = Vec::new();
    while until_end.last() != Some(&"terminate") {
        until_end.push(next());
    }
    assert!(!until_end.contains(&"message"), "{until_end:?}");

    while next() != "dropped" {}
    // The log is closed, and what leads to the consensus module is still there.
    wait_for(|| !script.reads(&log));
    assert!(script.is_connected());
    letting_go.send(()).unwrap();
    assert_eq!(ended(script.container).unwrap(), Termination::Expected);
}
