//! An archive that is killed while requests of every kind wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aeron_cluster::aeron::{IdleStrategy, Subscription};
use aeron_cluster::archive::{
    Archive, AsyncConnect, PendingRequest, ReplayMerge, ReplayMergeSettings, ReplayParams, ReplicationParams,
    SourceLocation,
};
use aeron_cluster::{ErrorKind, Result};

use crate::node::Node;
use crate::recordings::recorded;
use crate::response_channels::kept_in_use;
use crate::{CHANNEL, REPLAY_STREAM, STREAM, until};

/// Shows that a request waits for its answer.
#[derive(Clone, Default)]
struct Waiting(Arc<AtomicBool>);

impl IdleStrategy for Waiting {
    fn idle(&mut self, _work_count: usize) {
        self.0.store(true, Ordering::Relaxed);
        thread::yield_now();
    }

    fn reset(&mut self) {}
}

const IPC: &str = "aeron:ipc";

/// One of each kind, of those that C has one way for one: an id of a recording, an answer, and what is listed.
type Call = fn(&mut Archive) -> Result<()>;
const CALLS: [(&str, Call); 17] = [
    ("start", |archive| archive.start_recording(CHANNEL, STREAM, SourceLocation::Local, false).map(drop)),
    ("extend", |archive| archive.extend_recording(0, CHANNEL, STREAM, SourceLocation::Local, false).map(drop)),
    ("record", |archive| archive.add_recorded_exclusive_publication(CHANNEL, STREAM).map(drop)),
    ("stop", |archive| archive.stop_recording(0)),
    ("try stop", |archive| archive.try_stop_recording(0).map(drop)),
    ("list", |archive| archive.list_recordings(0, 9).map(drop)),
    ("find", |archive| archive.find_last_matching_recording(0, CHANNEL, STREAM, 0).map(drop)),
    ("subscriptions", |archive| archive.list_recording_subscriptions(0, 9, CHANNEL, Some(STREAM)).map(drop)),
    ("position", |archive| archive.max_recorded_position(0).map(drop)),
    ("replay", |archive| archive.replay(0, IPC, REPLAY_STREAM, &ReplayParams::new()).map(drop)),
    ("stop replay", |archive| archive.stop_replay(0)),
    ("truncate", |archive| archive.truncate_recording(0, 0).map(drop)),
    ("purge", |archive| archive.purge_recording(0).map(drop)),
    ("segments", |archive| archive.attach_segments(0).map(drop)),
    ("migrate", |archive| archive.migrate_segments(0, 1).map(drop)),
    ("update", |archive| archive.update_channel(0, CHANNEL).map(drop)),
    ("replicate", |archive| archive.replicate(0, IPC, 10, &ReplicationParams::new()).map(drop)),
];

#[test]
fn requests_of_every_kind_end_when_the_archive_is_killed() {
    let mut node = Node::start();
    let recording_id = recorded(&mut node.connect(), 10);
    let response = format!("aeron:udp?control-mode=response|control=localhost:{}", node.ports.port(1));
    let waiting: Vec<_> = CALLS
        .iter()
        .map(|(what, call)| {
            let waiting = Waiting::default();
            let archive = Archive::connect(&node.local().idle_strategy(waiting.clone())).expect("archive");
            waiting.0.store(false, Ordering::Relaxed);
            (*what, *call, archive, waiting)
        })
        .collect();

    let _kept = kept_in_use(&node, recording_id, &response);
    let mut polled = Polled::start(&node, recording_id, &response);
    let manual = node.aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).expect("subscription");
    let live = format!("aeron:udp?endpoint=localhost:0|control=localhost:{}", node.ports.port(2));
    let settings = ReplayMergeSettings::new(recording_id, 0, "aeron:udp", "aeron:udp?endpoint=localhost:0", live);
    let mut merge = ReplayMerge::start(node.connect(), manual, &settings).expect("a merge");

    node.archive.pause().expect("it stands still");
    let calls: Vec<(&str, JoinHandle<_>)> = waiting
        .into_iter()
        .map(|(what, call, mut archive, waiting)| {
            let calling = thread::spawn(move || {
                let first = call(&mut archive);
                (first.map_err(|error| error.kind()), archive)
            });
            until(what, || waiting.0.load(Ordering::Relaxed).then_some(()));
            (what, calling)
        })
        .collect();
    polled.step();
    let context = node.local().message_timeout(Duration::from_secs(2));
    let mut connecting = AsyncConnect::start(&context).expect("started");
    let connected = until("the end of the attempt", || connecting.poll().transpose());
    assert_eq!(connected.expect_err("it stands still").kind(), ErrorKind::Timeout);
    let mut connecting = AsyncConnect::start(&node.local()).expect("started");
    connecting.poll().expect("it waits");
    merge.do_work().expect("it waits");
    node.archive.kill();

    for (what, calling) in calls {
        let (first, mut archive) = calling.join().expect(what);
        assert_eq!(first, Err(ErrorKind::NotConnected), "{what}");
        let error = archive.stop_all_replays(None).expect_err("it is dead");
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{what}: {error}");
        drop(archive);
    }
    polled.all_end();
    let error = until("the end of the merge", || merge.do_work().err());
    assert!(matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::Timeout), "{error:?}");
    drop((merge, connecting));
}

/// Requests that are polled, at each of their steps.
struct Polled {
    requests: Vec<(Archive, PendingRequest)>,
    /// Of those over a response channel.
    _subscription: Subscription,
}

impl Polled {
    fn start(node: &Node, recording_id: i64, response: &str) -> Polled {
        let request = |make: &dyn Fn(&mut Archive) -> PendingRequest, steps: usize| {
            let mut archive = Archive::connect(&node.remote()).expect("archive");
            let mut request = make(&mut archive);
            for _ in 0..steps {
                if let Some(replay) = request.poll(&mut archive).expect("no error") {
                    // An archive has room for twenty, and many may be answered in a thousand steps on a busy machine.
                    archive.stop_replay(replay).expect("it stops");
                    request = make(&mut archive);
                }
                thread::yield_now();
            }
            (archive, request)
        };
        let record = |archive: &mut Archive| {
            archive.request_recording(CHANNEL, STREAM, SourceLocation::Local, false).expect("a request")
        };
        let replay = |archive: &mut Archive| {
            archive.request_replay(recording_id, IPC, REPLAY_STREAM, &ReplayParams::new()).expect("a request")
        };
        let subscription = node.aeron.add_subscription(response, REPLAY_STREAM).expect("subscription");
        let params = ReplayParams::new().subscription_registration_id(subscription.registration_id());
        let respond = |archive: &mut Archive| {
            archive.request_replay(recording_id, response, REPLAY_STREAM, &params).expect("a request")
        };
        let mut requests = vec![request(&record, 0), request(&replay, 0)];
        requests.extend([0, 1, 10, 100, 1000].map(|steps| request(&respond, steps)));
        Polled { requests, _subscription: subscription }
    }

    /// Sends what is not sent yet, to nobody who answers.
    fn step(&mut self) {
        // What was answered before it stood still waits for nothing.
        self.requests.retain_mut(|(archive, request)| request.poll(archive).expect("no error").is_none());
        assert!(self.requests.len() >= 2, "those that go out only now");
    }

    fn all_end(self) {
        for (mut archive, mut request) in self.requests {
            let error = until("the end of a polled request", || request.poll(&mut archive).err());
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{error:?}");
            assert_eq!(request.poll(&mut archive).expect_err("over").kind(), ErrorKind::State);
        }
    }
}
