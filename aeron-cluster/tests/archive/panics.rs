//! Panics in what a user gives to an archive client: each comes through from the call that met it, and leaves the connection whole.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aeron_cluster::aeron::IdleStrategy;
use aeron_cluster::archive::{
    Archive, Context, PersistentSubscription, PersistentSubscriptionListener, ReplayMerge, ReplayMergeSettings,
    SourceLocation, StartFrom,
};
use aeron_cluster::{Error, ErrorKind};

use crate::node::Node;
use crate::persistent::{CHANNEL, settings};
use crate::recordings::recorded;
use crate::{STREAM, message, recording_of, until};

/// Panics once, when it is armed.
#[derive(Clone, Default)]
struct Armed(Arc<AtomicBool>);

impl Armed {
    fn fire(&self, what: &'static str) {
        if self.0.swap(false, Ordering::Relaxed) {
            std::panic::panic_any(what);
        }
    }

    fn arm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl IdleStrategy for Armed {
    fn idle(&mut self, _work_count: usize) {
        self.fire("idle");
        std::thread::yield_now();
    }

    fn reset(&mut self) {}
}

impl PersistentSubscriptionListener for Armed {
    fn on_live_joined(&mut self) {
        self.fire("joined");
    }

    fn on_live_left(&mut self) {
        self.fire("left");
    }

    fn on_error(&mut self, _error: &Error) {
        self.fire("error");
    }
}

/// What `call` panics with, sooner or later.
fn panic_of(what: &str, mut call: impl FnMut()) -> &'static str {
    let payload = until(what, || catch_unwind(AssertUnwindSafe(&mut call)).err());
    payload.downcast_ref::<&'static str>().copied().expect("a panic that is meant")
}

type Configure = fn(Context, &Armed) -> Context;

fn armed_idle(context: Context, armed: &Armed) -> Context {
    context.idle_strategy(armed.clone())
}

fn armed_invoker(context: Context, armed: &Armed) -> Context {
    let armed = armed.clone();
    context.delegating_invoker(move || armed.fire("invoker"))
}

fn armed_errors(context: Context, armed: &Armed) -> Context {
    let armed = armed.clone();
    context.on_error(move |_| armed.fire("error"))
}

#[test]
fn what_is_called_while_a_request_waits_may_panic() {
    let node = Node::with_properties(&[("aeron.archive.low.storage.space.threshold", "1000000000g")]);
    let cases: [(&str, Configure); 3] = [("idle", armed_idle), ("invoker", armed_invoker), ("error", armed_errors)];
    for (what, configure) in cases {
        let armed = Armed::default();
        let mut archive = Archive::connect(&configure(node.local(), &armed)).expect("archive");
        if what == "error" {
            // Nobody waits for its answer, which is an error.
            let full = "aeron:ipc?alias=full";
            let mut request = archive.request_recording(full, STREAM, SourceLocation::Local, false).expect("a request");
            assert_eq!(request.poll(&mut archive).expect("sent"), None);
        }
        armed.arm();
        let met = panic_of(what, || match what {
            "error" => archive.check_for_error_response().expect("the handler has it"),
            _ => assert_eq!(archive.list_recordings(0, 1).expect("answered"), []),
        });
        assert_eq!(met, what);
        assert_eq!(archive.list_recordings(0, 1).expect("it goes on"), []);
    }
}

#[test]
fn a_listener_of_a_persistent_subscription_may_panic() {
    let node = Node::start();
    let armed = Armed::default();
    armed.arm();
    let unknown = settings(&node, 99, "aeron:ipc").start_from(StartFrom::Start).listener(armed.clone());
    let mut persistent = PersistentSubscription::start(unknown).expect("created");
    assert_eq!(panic_of("the error", || _ = persistent.poll(9, |_, _| {})), "error");
    let error = persistent.poll(9, |_, _| {}).expect_err("it has failed");
    assert_eq!((error.kind(), persistent.has_failed()), (ErrorKind::Archive, true));

    let mut archive = node.connect();
    let publication = archive.add_recorded_exclusive_publication(CHANNEL, STREAM).expect("recorded");
    let (recording_id, _) = recording_of(&mut archive, publication.session_id());
    armed.arm();
    let replaying = settings(&node, recording_id, "aeron:ipc").start_from(StartFrom::Start).listener(armed.clone());
    let mut persistent = PersistentSubscription::start(replaying).expect("created");
    assert_eq!(panic_of("the live stream", || _ = persistent.poll(9, |_, _| {}).expect("no error")), "joined");
    assert!(persistent.is_live());
    armed.arm();
    drop(publication);
    assert_eq!(panic_of("its end", || _ = persistent.poll(9, |_, _| {}).expect("no error")), "left");
    persistent.poll(9, |_, _| {}).expect("it goes on");
}

#[test]
fn a_handler_of_a_merge_may_panic_and_loses_nothing() {
    let node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 5);
    let manual = node.aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).expect("subscription");
    let live = format!("aeron:udp?endpoint=localhost:0|control=localhost:{}", node.ports.port(1));
    let settings = ReplayMergeSettings::new(recording_id, 0, "aeron:udp", "aeron:udp?endpoint=localhost:0", live);
    let mut merge = ReplayMerge::start(archive, manual, &settings).expect("a merge");
    let mut received = Vec::new();
    for panics_at in 0..5 {
        let met = panic_of("a message", || {
            let poll = merge.poll(9, |message, _| {
                if received.len() == panics_at {
                    std::panic::panic_any("handler");
                }
                received.push(message.to_vec());
            });
            poll.expect("no error");
        });
        assert_eq!((met, received.len()), ("handler", panics_at));
        until("that message", || {
            merge.poll(1, |message, _| received.push(message.to_vec())).expect("no error");
            (received.len() > panics_at).then_some(())
        });
    }
    assert_eq!(received, (0..5).map(message).collect::<Vec<_>>());
    let (mut archive, _) = merge.finish();
    assert!(archive.list_recording(recording_id).expect("the connection goes on").is_some());
}
