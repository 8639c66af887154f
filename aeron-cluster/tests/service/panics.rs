//! Panics in what a user gives to a container: each ends it in order, and names what panicked.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::time::Duration;

use aeron_cluster::aeron::{Header, IdleStrategy};
use aeron_cluster::codec::{SemanticVersion, TimerEvent};
use aeron_cluster::service::{
    ClientSession, CloseReason, Cluster, ClusteredService, ClusteredServiceContainer, Context, NewLeadershipTermEvent,
    Role, ServiceError, SnapshotImage, SnapshotPublication,
};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{close, message, open, term};
use crate::probe::{Probe, context};
use crate::script::{LOG_STREAM, Recovery, Script, Stage};

const NOWHERE: &str = "nowhere";

/// Panics in the callback of this name.
struct Failing(&'static str);

impl Failing {
    fn reach(&self, callback: &str) {
        assert_ne!(self.0, callback, "as told");
    }
}

impl ClusteredService for Failing {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }
    fn on_session_open(&mut self, _: &Cluster, _: &ClientSession, _: i64) {
        self.reach("on_session_open");
    }
    fn on_session_close(&mut self, _: &Cluster, _: &ClientSession, _: i64, _: CloseReason) {
        self.reach("on_session_close");
    }
    fn on_session_message(&mut self, cluster: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {
        self.reach("on_session_message");
        IS_WAITING.set(self.0 == "idle");
        let waited = cluster.idle_with(0, |_| {
            self.reach("idle_with");
            0
        });
        assert!(waited.is_ok() || self.0 != NOWHERE, "{waited:?}");
    }
    fn on_timer_event(&mut self, _: &Cluster, _: i64, _: i64) {
        self.reach("on_timer_event");
    }
    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
    fn on_role_change(&mut self, _: &Cluster, _: Role) {
        self.reach("on_role_change");
    }
    fn on_terminate(&mut self, _: &Cluster) {
        assert_eq!(self.0, NOWHERE, "it is called after a panic");
    }
    fn on_new_leadership_term_event(&mut self, _: &Cluster, _: &NewLeadershipTermEvent) {
        self.reach("on_new_leadership_term_event");
    }
    fn do_background_work(&mut self, _: &Cluster, _now_ns: i64) -> usize {
        self.reach("do_background_work");
        0
    }
}

/// Starts a container and gives it all that there is in a log, as far as it takes it. Returns the error it ended with.
fn ended_by(at: &'static str, configure: impl FnOnce(Context) -> Context) -> String {
    let (hook, hooked) = channel();
    let (_, events) = Probe::new();
    let configure = |context| {
        configure(Context::extended_termination_hook(context, move |why| hook.send(why.to_string()).unwrap()))
    };
    let script = Stage::with_driver().launch_service(&Recovery::NOTHING, Failing(at), events, configure);
    let mut log = script.log(0);
    // It is written whether the container reads it or not.
    let reader = script.aeron.add_subscription(&log.channel(), LOG_STREAM).unwrap();
    let timer = TimerEvent { leadership_term_id: 1, correlation_id: 2, timestamp: 8 }.encode();
    for event in [open(3), message(3, 7, "any"), timer.to_vec(), close(3), term(SemanticVersion::new(0, 0, 1))] {
        log.append(&event);
    }
    script.commit(log.position);
    // What needs no log may have ended the container by now.
    if at != "do_background_work" {
        script.tell(&log.request(0, Role::Leader, &log.channel()));
    }
    let Script { container, errors, .. } = script;
    drop(reader);
    let error = crate::script::ended(container).expect_err(at).to_string();
    assert_eq!(hooked.recv_timeout(PATIENCE).expect(at), error);
    let told: Vec<_> = errors.try_iter().collect();
    assert_eq!(told.first(), Some(&error), "{told:?}");
    assert!(!told.iter().any(|told| told.contains("after a panic")), "{told:?}");
    error
}

#[test]
fn a_panic_in_any_callback_ends_the_container_and_names_the_callback() {
    for callback in [
        "on_session_open",
        "on_session_close",
        "on_session_message",
        "on_timer_event",
        "on_role_change",
        "on_new_leadership_term_event",
        "do_background_work",
    ] {
        let error = ended_by(callback, |context| context);
        assert!(error.starts_with(&format!("service panicked in {callback} at log position")), "{error}");
        assert!(error.contains("as told"), "{error}");
    }
}

#[test]
fn a_panic_in_what_is_done_while_a_callback_waits_ends_the_container() {
    let error = ended_by("idle_with", |context| context);
    assert!(error.contains("panicked in") && error.contains("as told"), "{error}");
}

thread_local! {
    /// Whether the service of this thread waits in a callback in which that panics.
    static IS_WAITING: Cell<bool> = const { Cell::new(false) };
}

struct Impatient;

impl IdleStrategy for Impatient {
    fn idle(&mut self, _work_count: usize) {
        assert!(!IS_WAITING.get(), "no more waiting");
        std::thread::yield_now();
    }

    fn reset(&mut self) {}
}

#[test]
fn a_panic_of_the_idle_strategy_in_a_callback_ends_the_container_in_order() {
    let error = ended_by("idle", |context| context.idle_strategy_supplier(|| Box::new(Impatient)));
    assert!(error.starts_with("service panicked in on_session_message at log position"), "{error}");
    assert!(error.contains("no more waiting"), "{error}");
}

#[test]
fn a_panic_of_the_version_validator_ends_the_container_too() {
    let error = ended_by(NOWHERE, |context| context.app_version_validator(|_, _| panic!("not that one")));
    assert_eq!(error, "the container panicked: not that one");
}

#[test]
fn a_panic_of_the_supplier_of_idle_strategies_is_the_callers_and_leaves_nothing_behind() {
    let stage = Stage::with_driver();
    let settings = || context(&stage.cluster).mark_file_wait(Duration::ZERO);
    let launch = |settings| ClusteredServiceContainer::launch(settings, Failing(NOWHERE));
    let failing = settings().idle_strategy_supplier(|| panic!("no strategy today"));
    let payload = catch_unwind(AssertUnwindSafe(|| launch(failing))).expect_err("its panic comes through");
    assert_eq!(payload.downcast_ref(), Some(&"no strategy today"));
    drop(launch(settings()).unwrap());
}
