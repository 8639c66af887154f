//! Everything that comes from an archive client goes in many orders: beside a living driver, when it was killed, and when another is there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use aeron_cluster::aeron::{Aeron, Context as AeronContext};
use aeron_cluster::archive::{
    Archive, AsyncConnect, Context, PersistentSubscription, PersistentSubscriptionSettings, ReplayMerge,
    ReplayMergeSettings, ReplayParams, StartFrom,
};
use aeron_cluster::testing::{PATIENCE, PortBlock, Process, WorkDir};

use crate::killable::{DRIVER_TIMEOUT, start_driver};
use crate::node::archive_command;
use crate::orders::{Handle, boxed, let_go, with_each_order};
use crate::recordings::recorded;
use crate::{REPLAY_STREAM, STREAM, until};

const KINDS: usize = 9;
/// Of the driver's counters of itself, and of recordings that go on.
const SYSTEM_COUNTER: i32 = 0;
const RECORDING_POSITION: i32 = 100;
/// Of publications, and of the subscribers that are connected to them.
const PUBLISHER_LIMIT: i32 = 1;
const SUBSCRIPTION_POSITION: i32 = 4;
/// How far those that are under way have come.
const POLLS: [usize; 6] = [0, 1, 5, 20, 100, 400];

/// A driver and an archive that can be killed. The fields end in this order.
struct Host {
    connection: Mutex<Archive>,
    aeron: Aeron,
    archive: Process,
    driver: Process,
    dir: PathBuf,
    ports: PortBlock,
    /// Of a few messages.
    recording_id: i64,
    /// How many sets.
    made: AtomicI32,
    memory: WorkDir,
    _disk: WorkDir,
}

/// A set, and the order in which it goes.
struct Set {
    aeron: Aeron,
    handles: Vec<Handle>,
    order: Vec<usize>,
}

fn connection(aeron: &Aeron) -> Context {
    Context::new(aeron)
        .control_request_channel("aeron:ipc?term-length=64k")
        .control_request_stream_id(10)
        .control_response_channel("aeron:ipc?term-length=64k")
        .control_response_stream_id(121)
        .message_timeout(PATIENCE)
}

impl Host {
    fn start(memory: WorkDir) -> Host {
        let dir = memory.path().join("aeron");
        let disk = WorkDir::new().expect("directory");
        let ports = PortBlock::reserve().expect("ports");
        let driver = start_driver(&dir, &[]);
        // All sets at once, and those that the archive has not quite let go.
        let limits =
            [("aeron.archive.max.concurrent.recordings", "500"), ("aeron.archive.max.concurrent.replays", "500")];
        let command = archive_command(&dir, disk.path(), &ports, &limits);
        let archive = Process::spawn("archive", &command).expect("archive");
        let aeron = Aeron::connect(AeronContext::new().dir(&dir).driver_timeout(PATIENCE)).expect("client");
        let mut connection = Archive::connect(&connection(&aeron)).expect("archive");
        let recording_id = recorded(&mut connection, 5);
        let host = Host {
            connection: Mutex::new(connection),
            aeron,
            archive,
            driver,
            dir,
            ports,
            recording_id,
            made: AtomicI32::new(0),
            memory,
            _disk: disk,
        };
        until("nothing to be left but the connection", || host.is_quiet().then_some(()));
        host
    }

    /// One of each kind, on streams that no other set has.
    fn set(&self, number: usize, order: &[usize], driver_timeout: Duration) -> Set {
        let context = AeronContext::new().dir(&self.dir).driver_timeout(driver_timeout);
        let aeron = Aeron::connect(context.use_conductor_agent_invoker(number % 2 == 1)).expect("client");
        let context = connection(&aeron);
        let stream = 10 * self.made.fetch_add(1, Ordering::Relaxed);
        let polls = POLLS[number % POLLS.len()];
        let mut archive = Archive::connect(&context).expect("archive");
        let replayed = REPLAY_STREAM + stream;
        let replay = aeron.add_subscription("aeron:ipc", replayed).expect("subscription");
        let mut pending =
            archive.request_replay(self.recording_id, "aeron:ipc", replayed, &ReplayParams::new()).expect("a request");
        polled(polls / 20, || pending.poll(&mut archive).expect("no error").is_none());
        let mut connecting = AsyncConnect::start(&context).expect("started");
        polled(polls / 5, || connecting.poll().expect("no error").is_none());
        let recorded = archive.add_recorded_exclusive_publication("aeron:ipc", STREAM + stream).expect("recorded");
        let merge = self.merge(&aeron, STREAM + stream + 1, polls);
        let persistent = self.persistent(&context, replayed + 1, polls);
        let handles = vec![
            boxed(aeron.clone()),
            boxed(context),
            boxed(connecting),
            boxed(archive),
            boxed(pending),
            boxed(replay),
            boxed(recorded),
            boxed(merge),
            boxed(persistent),
        ];
        assert_eq!(handles.len(), KINDS);
        Set { aeron, handles, order: order.to_vec() }
    }

    /// It has a connection and a subscription of its own.
    fn merge(&self, aeron: &Aeron, stream: i32, polls: usize) -> ReplayMerge {
        let archive = Archive::connect(&connection(aeron)).expect("archive");
        let manual = aeron.add_subscription("aeron:udp?control-mode=manual", stream).expect("subscription");
        let live = format!("aeron:udp?endpoint=localhost:0|control=localhost:{}", self.ports.port(1));
        let settings =
            ReplayMergeSettings::new(self.recording_id, 0, "aeron:udp", "aeron:udp?endpoint=localhost:0", live);
        let mut merge = ReplayMerge::start(archive, manual, &settings).expect("a merge");
        polled(polls, || merge.poll(1, |_, _| {}).is_ok());
        merge
    }

    fn persistent(&self, context: &Context, stream: i32, polls: usize) -> PersistentSubscription {
        let (context, recording_id) = (context.clone(), self.recording_id);
        let settings =
            PersistentSubscriptionSettings::new(context, recording_id, "aeron:ipc", stream + 1, "aeron:ipc", stream);
        let mut persistent = PersistentSubscription::start(settings.start_from(StartFrom::Start)).expect("created");
        polled(polls, || persistent.poll(1, |_, _| {}).is_ok());
        persistent
    }

    fn sets(&self) -> Vec<Set> {
        with_each_order(KINDS, |number, order| self.set(number, order, DRIVER_TIMEOUT))
    }

    /// How many counters the driver has of each type, but for its own.
    fn census(&self) -> BTreeMap<i32, usize> {
        let mut census = BTreeMap::new();
        self.aeron.counters().for_each(|counter| *census.entry(counter.type_id).or_default() += 1);
        census.remove(&SYSTEM_COUNTER);
        census
    }

    /// Whether there is the connection, which has two directions, and nothing else.
    fn is_quiet(&self) -> bool {
        let census = self.census();
        let count = |type_id| census.get(&type_id).copied().unwrap_or(0);
        [RECORDING_POSITION, PUBLISHER_LIMIT, SUBSCRIPTION_POSITION].map(count) == [0, 2, 2]
    }

    fn goes_on(&self) {
        let mut connection = self.connection.lock().unwrap();
        assert!(connection.list_recording(self.recording_id).expect("answered").is_some());
    }

    /// Kills the driver, and the archive, which has nothing to live on. What the driver left stays.
    fn kill(mut self) -> WorkDir {
        self.driver.kill();
        self.archive.kill();
        self.memory
    }
}

/// Polls what is under way so many times, or until it is over.
fn polled(polls: usize, mut poll: impl FnMut() -> bool) {
    for _ in 0..polls {
        if !poll() {
            break;
        }
        std::thread::yield_now();
    }
}

fn notice(sets: &[Set]) {
    until("the clients to notice", || {
        // Nothing for a client with a conductor thread.
        sets.iter().for_each(|set| drop(set.aeron.do_work()));
        sets.iter().all(|set| set.aeron.is_closed()).then_some(())
    });
}

/// All at once: what waits for an answer of a driver that died waits for its time-out, and none is to have the others' time to notice.
fn go(sets: Vec<Set>) {
    std::thread::scope(|scope| {
        for Set { aeron, handles, order } in sets {
            scope.spawn(move || {
                drop(aeron);
                let_go(handles, &order);
            });
        }
    });
}

#[test]
fn every_kind_with_a_living_driver() {
    let host = Host::start(WorkDir::new().expect("directory"));
    let before = host.census();
    with_each_order(KINDS, |number, order| {
        let Set { aeron, handles, order } = host.set(number, order, PATIENCE);
        drop(aeron);
        let_go(handles, &order);
    });
    until("what there was", || (host.census() == before).then_some(()));
    host.goes_on();
}

/// A third of them before anybody noticed, a third after that, and a third when another driver is there.
#[test]
fn every_kind_with_a_killed_driver_and_beside_another() {
    let host = Host::start(WorkDir::new().expect("directory"));
    let [unaware, aware, late] = [host.sets(), host.sets(), host.sets()];
    let memory = host.kill();
    go(unaware);
    notice(&aware);
    notice(&late);
    go(aware);
    let another = Host::start(memory);
    let before = another.census();
    go(late);
    assert_eq!(another.census(), before, "what the other driver has is untouched");
    another.goes_on();
}
