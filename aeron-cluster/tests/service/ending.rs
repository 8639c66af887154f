//! The end of a container: closed at any point of its life, and when those it depends on die.

use std::ops::ControlFlow;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{self, Aeron, Header, IdleStrategy};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ClusteredServiceContainer, Context, ServiceError, SnapshotImage,
    SnapshotPublication, Termination,
};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster, wait_until};

use crate::client::Client;
use crate::probe::{Event, Probe, context, launch};
use crate::script::ended;

const PROMPT: Duration = Duration::from_secs(1);

#[test]
fn a_container_is_closed_while_it_waits_for_its_consensus_module() {
    let mut cluster = TestCluster::builder().create().unwrap();
    cluster.start_part(0, Part::Driver).unwrap();
    let (container, events) = launch(&cluster);
    let start = Instant::now();
    assert_eq!(container.close().unwrap(), Termination::Closed);
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    assert_eq!(events.rest(), []);
    // It left its mark file as one that may be taken at once.
    drop(launch(&cluster));
}

#[test]
fn a_callback_that_waits_is_told_that_the_container_closes() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    client.send("wait");
    client.send("never read");
    events.wait_for(|event| matches!(event, Event::Waiting).then_some(()));
    let start = Instant::now();
    assert_eq!(container.close().unwrap(), Termination::Closed);
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    let rest = events.rest();
    assert!(!rest.iter().any(|event| matches!(event, Event::Message { text, .. } if text == "never read")), "{rest:?}");
    assert_eq!(rest.last(), Some(&Event::Terminate));
}

#[test]
fn a_dead_driver_ends_the_container_with_an_error_and_not_the_process() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    client.send("wait");
    events.wait_for(|event| matches!(event, Event::Waiting).then_some(()));
    cluster.kill(0, Part::Driver);
    let error = ended(container).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DriverDead);
    assert_eq!(error.message(), "unexpected Aeron close");
    let rest = events.rest();
    assert!(rest.iter().any(|event| matches!(event, Event::Terminating(Err(_)))), "{rest:?}");
    assert!(!rest.contains(&Event::Terminate), "nothing can be closed in order any more: {rest:?}");
}

#[test]
fn a_dead_consensus_module_ends_the_container_in_order() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    cluster.kill(0, Part::ConsensusModule);
    assert_eq!(ended(container).unwrap(), Termination::Expected);
    assert_eq!(events.rest().last(), Some(&Event::Terminate));
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("commit-pos counter unexpectedly closed, terminating"), "{errors}");
}

#[test]
fn the_consensus_module_ends_the_container_by_abort_and_by_shutdown() {
    let mut cluster = TestCluster::builder().start().unwrap();
    for shutdown in [false, true] {
        let (container, events) = launch(&cluster);
        cluster.wait_for_leader().unwrap();
        Client::connect(&cluster).ask("echo once");
        if shutdown {
            cluster.shutdown().unwrap()
        } else {
            cluster.abort().unwrap()
        }
        assert_eq!(ended(container).unwrap(), Termination::Expected);
        let rest = events.rest();
        assert_eq!(rest.contains(&Event::Snapshot), shutdown, "{rest:?}");
        assert_eq!(rest.last(), Some(&Event::Terminate));
        cluster.start().unwrap();
    }
    let (_container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    assert!(matches!(events.next(), Event::Start { snapshot: Some(_), .. }));
}

/// A member with a driver and nothing else: its containers wait for the consensus module.
fn driver_alone() -> TestCluster {
    let mut cluster = TestCluster::builder().create().unwrap();
    cluster.start_part(0, Part::Driver).unwrap();
    cluster
}

/// Launches a container, which ends with this error: it tells the hook, and leaves the mark file to the next container.
fn ends_in_order(launch: impl FnOnce(Context) -> ClusteredServiceContainer, expected: &str) {
    let cluster = driver_alone();
    let (hook, hooked) = channel();
    let settings = context(&cluster).extended_termination_hook(move |cause| hook.send(cause.to_string()).unwrap());
    let error = ended(launch(settings)).unwrap_err().to_string();
    assert_eq!(error, expected);
    assert_eq!(hooked.recv_timeout(PATIENCE).unwrap(), error);
    let settings = context(&cluster).mark_file_wait(Duration::ZERO);
    drop(ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap());
}

#[test]
fn a_service_that_cannot_be_made_ends_the_container_in_order() {
    let make = || -> Probe { panic!("no service today") };
    ends_in_order(
        |settings| ClusteredServiceContainer::launch_with(settings, make).unwrap(),
        "making the service panicked: no service today",
    );
}

#[test]
fn an_idle_strategy_that_panics_ends_the_container_in_order() {
    struct Impatient;
    impl IdleStrategy for Impatient {
        fn idle(&mut self, _work_count: usize) {
            panic!("no more waiting");
        }
        fn reset(&mut self) {}
    }
    ends_in_order(
        |settings| {
            let settings = settings.idle_strategy_supplier(|| Box::new(Impatient));
            ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap()
        },
        "the container panicked: no more waiting",
    );
}

#[test]
fn a_container_closed_from_its_own_thread_says_so_and_ends() {
    let cluster = driver_alone();
    let (carrier, carried) = channel::<ClusteredServiceContainer>();
    let (probe, events) = Probe::new();
    let (teller, told) = channel();
    let make = move || {
        teller.send(carried.recv().unwrap().close()).unwrap();
        probe
    };
    carrier.send(ClusteredServiceContainer::launch_with(context(&cluster), make).unwrap()).unwrap();
    let error = told.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert_eq!(events.rest(), []);
}

#[test]
fn a_supplied_client_outlives_the_container_and_the_consensus_module_believes_in_it() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let aeron = Aeron::connect(aeron::Context::new().dir(cluster.aeron_dir(0)).client_name("mine")).unwrap();
    let (probe, events) = Probe::new();
    let container = ClusteredServiceContainer::launch(context(&cluster).aeron(aeron.clone()), probe).unwrap();
    cluster.wait_for_leader().unwrap();
    Client::connect(&cluster).ask("echo once");
    let counters = |type_id: i32| aeron.counters().find(|counter| counter.type_id == type_id);
    assert!(counters(215).is_some());
    assert_eq!(container.close().unwrap(), Termination::Closed);
    assert_eq!(events.rest().last(), Some(&Event::Terminate));

    // What the container added is gone, and the client is as it was.
    wait_until("the container's counters to go", PATIENCE, || {
        let left: Vec<_> =
            [215, 218, 219, 236, 237].into_iter().filter(|type_id| counters(*type_id).is_some()).collect();
        Ok(if left.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(left) })
    })
    .unwrap();
    aeron.add_publication("aeron:ipc", 1).unwrap();
    // Documented and warned of: nothing tells the consensus module until the client goes.
    assert!(cluster.process(0, Part::ConsensusModule).unwrap().is_running());
    drop(aeron);
    cluster.process(0, Part::ConsensusModule).unwrap().wait(PATIENCE).unwrap();
}

#[test]
fn a_service_that_panics_when_it_is_dropped_is_told_of() {
    struct Clinging;
    impl Drop for Clinging {
        fn drop(&mut self) {
            panic!("not yet");
        }
    }
    impl ClusteredService for Clinging {
        fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
            Ok(())
        }
        fn on_session_message(&mut self, _: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {}
        fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
            Ok(())
        }
    }
    let cluster = driver_alone();
    let container = ClusteredServiceContainer::launch(context(&cluster), Clinging).unwrap();
    assert_eq!(container.close().unwrap_err().message(), "dropping the service panicked: not yet");
}
