//! Everything that there is of containers goes in many orders: beside a living driver, when it was killed, and when another is there.

use std::any::Any;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::aeron::{self, Aeron, Counter, IdleStrategy, Publication, SleepingIdleStrategy, Subscription};
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options, mark_file_name};
use aeron_cluster::service::{ClusteredServiceAgent, ClusteredServiceContainer, Context, Termination, Work};
use aeron_cluster::testing::{PATIENCE, TestCluster};

use crate::killable::{DRIVER_TIMEOUT, start_driver};
use crate::orders::{let_go, orders};
use crate::probe::{Event, Events, Probe, context};
use crate::script::{CONTROL_CHANNEL, Recovery, Stage, wait_for};

const KINDS: usize = 9;
/// Of clusters of which there is no consensus module.
const ABSENT: i32 = 99;
const PUBLISHER_LIMIT: i32 = 1;
const SUBSCRIPTION_POSITION: i32 = 4;
const HEARTBEAT: i32 = 11;
const NOW: i64 = 1_700_000_000_000;

/// One of each, and the mark files that they have.
struct Set {
    aeron: Aeron,
    handles: Vec<Option<Box<dyn Any>>>,
    mark_files: Vec<PathBuf>,
}

fn boxed(handle: impl Any) -> Option<Box<dyn Any>> {
    Some(Box::new(handle))
}

fn started(events: &Events) {
    events.wait_for(|event| matches!(event, Event::Start { .. }).then_some(()));
}

/// A service that has started, of a container or driven.
fn running(settings: Context, is_driven: bool) -> [Option<Box<dyn Any>>; 2] {
    let (probe, events) = Probe::new();
    if is_driven {
        let mut agent = ClusteredServiceAgent::new(settings, probe).unwrap();
        assert!(matches!(agent.do_work().unwrap(), Work::Done(_)));
        let closer = agent.closer();
        return [boxed(agent), boxed(closer)];
    }
    let container = ClusteredServiceContainer::launch(settings, probe).unwrap();
    started(&events);
    let closer = container.closer();
    [boxed(container), boxed(closer)]
}

impl Set {
    /// With mark files that no other set has. `number` tells sets of one cluster apart.
    fn new(cluster: &TestCluster, number: usize, driver_timeout: Duration) -> Set {
        let connect =
            || Aeron::connect(aeron::Context::new().dir(cluster.aeron_dir(0)).driver_timeout(driver_timeout)).unwrap();
        let dir = cluster.cluster_dir(0).join(number.to_string());
        let settings = |service_id: i32| {
            // There are a hundred of them at a time.
            let idle =
                || Box::new(SleepingIdleStrategy::new(Duration::from_millis(10))) as Box<dyn IdleStrategy + Send>;
            let settings = context(cluster).idle_strategy_supplier(idle).mark_file_wait(Duration::ZERO);
            settings.cluster_directory_name(&dir).service_id(service_id)
        };
        let aeron = connect();
        let unused = settings(0).aeron(aeron.clone());
        let [supplied, closer] = running(settings(1).aeron(aeron.clone()), number.is_multiple_of(2));
        // One of its own has Aeron's own patience, for which a test that kills the driver has none.
        let alone = if driver_timeout == PATIENCE { settings(2) } else { settings(2).aeron(connect()) };
        let [alone, closer_alone] = running(alone, number.is_multiple_of(3));
        let waiting = settings(3).cluster_id(ABSENT).aeron(aeron.clone());
        let waiting = ClusteredServiceContainer::launch(waiting, Probe::new().0).unwrap();
        let mark_files: Vec<_> = (1..5).map(|service_id| dir.join(mark_file_name(service_id))).collect();
        let mark_file = ClusterMarkFile::open(&Options::new(&mark_files[3]), || NOW).unwrap();
        mark_file.signal_ready(NOW).unwrap();
        let error_log = mark_file.error_log().clone();
        assert!(error_log.record(NOW, "an error"));
        let handles = vec![
            boxed(aeron.clone()),
            boxed(unused),
            supplied,
            closer,
            alone,
            closer_alone,
            boxed(waiting),
            boxed(mark_file),
            boxed(error_log),
        ];
        assert_eq!(handles.len(), KINDS);
        Set { aeron, handles, mark_files }
    }

    /// Lets the handles go in an order. Somebody else may have the mark files at once.
    fn go(self, order: &[usize]) {
        let Set { aeron, handles, mark_files } = self;
        drop(aeron);
        let_go(handles, order);
        for path in mark_files {
            drop(ClusterMarkFile::open(&Options::new(path), || NOW).unwrap());
        }
    }
}

/// A consensus module that has recovered nothing. What services tell it keeps their publications open until it is taken.
struct ConsensusModule {
    from_service: Subscription,
    _to_service: Publication,
    _counters: [Counter; 2],
}

impl ConsensusModule {
    fn new(stage: &Stage) -> ConsensusModule {
        ConsensusModule {
            from_service: stage.aeron.add_subscription(CONTROL_CHANNEL, 105).unwrap(),
            _to_service: stage.aeron.add_publication(CONTROL_CHANNEL, 104).unwrap(),
            _counters: stage.publish(&Recovery::NOTHING),
        }
    }
}

fn count(aeron: &Aeron, type_id: i32) -> usize {
    let mut count = 0;
    aeron.counters().for_each(|counter| count += usize::from(counter.type_id == type_id));
    count
}

#[test]
fn every_kind_with_a_living_driver() {
    let cluster = Rc::new(TestCluster::builder().create().unwrap());
    let _driver = start_driver(&cluster.aeron_dir(0), &[]);
    let stage = Stage::on(&cluster);
    let mut module = ConsensusModule::new(&stage);
    for (number, order) in orders(KINDS).iter().enumerate() {
        Set::new(&cluster, number, PATIENCE).go(order);
    }
    wait_for(|| {
        module.from_service.poll(10, |_, _| {}).unwrap();
        let left = [PUBLISHER_LIMIT, SUBSCRIPTION_POSITION, HEARTBEAT].map(|type_id| count(&stage.aeron, type_id));
        left == [1, 0, 1]
    });
}

/// A third of them before anybody noticed, a third after that, and a third when another driver is there.
#[test]
fn every_kind_with_a_killed_driver_and_beside_another() {
    let cluster = Rc::new(TestCluster::builder().create().unwrap());
    let mut killed = start_driver(&cluster.aeron_dir(0), &[]);
    let stage = Stage::on(&cluster);
    let module = ConsensusModule::new(&stage);
    let orders = orders(KINDS);
    let sets = |third: usize| -> Vec<Set> {
        (0..orders.len()).map(|number| Set::new(&cluster, number + third * orders.len(), DRIVER_TIMEOUT)).collect()
    };
    let go = |sets: Vec<Set>| sets.into_iter().zip(&orders).for_each(|(set, order)| set.go(order));
    let [unaware, aware, late] = [sets(0), sets(1), sets(2)];
    killed.kill();
    go(unaware);
    wait_for(|| aware.iter().chain(&late).all(|set| set.aeron.is_closed()));
    go(aware);
    drop((module, stage));

    let _another = start_driver(&cluster.aeron_dir(0), &[]);
    let stage = Stage::on(&cluster);
    let _module = ConsensusModule::new(&stage);
    let (probe, events) = Probe::new();
    let container = ClusteredServiceContainer::launch(context(&cluster).service_id(0), probe).unwrap();
    started(&events);
    go(late);
    assert!(!container.is_ended(), "what the other driver has is untouched");
    assert_eq!(container.close().unwrap(), Termination::Closed);
    assert_eq!(events.rest().last(), Some(&Event::Terminate));
}
