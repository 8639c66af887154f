//! The container on a client whose conductor has no thread: the container works it, from its start to its end.

use std::sync::mpsc::channel;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{self, Aeron, BackoffIdleStrategy, IdleStrategy};
use aeron_cluster::codec::{ActionFlags, ClusterAction};
use aeron_cluster::service::{ClusteredServiceAgent, ClusteredServiceContainer, Role, Termination, Work};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster};

use crate::client::Client;
use crate::messages::{action, message, open};
use crate::probe::{Event, Fail, Probe, context};
use crate::script::{Recovery, Stage, ended, wait_for};

/// A client of the first member's driver that nobody works.
fn invoker(cluster: &TestCluster) -> Aeron {
    let context = aeron::Context::new().dir(cluster.aeron_dir(0)).driver_timeout(Duration::from_secs(2));
    Aeron::connect(context.use_conductor_agent_invoker(true)).unwrap()
}

#[test]
fn a_container_starts_answers_and_snapshots_on_a_client_that_it_works_itself() {
    let stage = Stage::with(TestCluster::builder(), &[Part::Driver, Part::Archive]);
    let mut client = stage.aeron.add_subscription("aeron:ipc", 102).unwrap();
    let supplied = invoker(&stage.cluster);
    let mut script = stage.launch(&Recovery::NOTHING, Fail::Never, |context| context.aeron(supplied.clone()));
    script.started(&Recovery::NOTHING);
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open(1));
    wait_for(|| client.is_connected());
    script.append(&mut log, &message(1, 7, "echo here"));
    let mut answer = Vec::new();
    wait_for(|| client.poll(1, |message, _| answer = message.to_vec()).unwrap() == 1);
    assert!(answer.ends_with(b"here"), "{answer:?}");
    script.append(&mut log, &message(1, 8, "state kept"));
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position), (2, position));
    assert_ne!(ack.relevant_id, -1, "{:?}", script.errors.try_iter().collect::<Vec<_>>());
    // What the container gave up is closed when its owner works the client again.
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert!(client.is_connected());
    wait_for(|| {
        supplied.do_work().unwrap();
        !client.is_connected()
    });
    drop((script.commit_position, log));

    let recovery = Recovery {
        cluster_id: 1,
        leadership_term_id: 0,
        log_position: position,
        timestamp: 6,
        recording_id: Some(ack.relevant_id),
    };
    let mut script = stage.launch(&recovery, Fail::Never, |context| context.aeron(supplied));
    script.started(&recovery);
    let Event::Start { snapshot, sessions, .. } = script.events.next() else { panic!("no start") };
    assert_eq!((snapshot, sessions), (Some(vec![b"state kept".to_vec()]), vec![1]));
}

/// The driver gives up a client that nobody works, and a service may take longer than that to be made.
#[test]
fn a_container_works_its_client_while_its_service_is_made() {
    const HEARTBEAT_TYPE_ID: i32 = 11;
    /// Several signs of life, in ms.
    const A_WHILE: i64 = 2_500;
    let stage = Stage::with_driver();
    let supplied = invoker(&stage.cluster);
    let (making, is_made) = channel::<()>();
    let make = move || {
        is_made.recv_timeout(PATIENCE).unwrap();
        Probe::new().0
    };
    let settings = context(&stage.cluster).aeron(supplied.clone());
    let container = ClusteredServiceContainer::launch_with(settings, make).unwrap();
    let heartbeat = || {
        let counters = stage.aeron.counters();
        counters.find_by_registration_id(HEARTBEAT_TYPE_ID, supplied.client_id()).and_then(|id| counters.value(id))
    };
    wait_for(|| heartbeat().is_some());
    let begin = heartbeat().unwrap();
    wait_for(|| heartbeat().is_some_and(|now| now >= begin + A_WHILE));
    making.send(()).unwrap();
    assert_eq!(container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_dead_driver_ends_a_container_that_works_its_client() {
    let mut cluster = TestCluster::builder().create().unwrap();
    cluster.start_part(0, Part::Driver).unwrap();
    let settings = context(&cluster).aeron(invoker(&cluster));
    let container = ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap();
    cluster.kill(0, Part::Driver);
    let error = ended(container).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::DriverDead, "unexpected Aeron close"));
}

/// The service's half of a node, client and container, on the thread of the test.
#[test]
fn a_driven_service_and_its_client_share_one_thread() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::new();
    let aeron = invoker(&cluster);
    let mut agent = ClusteredServiceAgent::new(context(&cluster).aeron(aeron), probe).unwrap();
    let closer = agent.closer();
    let user = std::thread::spawn(move || {
        cluster.wait_for_leader().unwrap();
        let mut client = Client::connect(&cluster);
        assert_eq!(client.ask("echo once"), b"echo once");
        cluster.cluster_tool(0, &["snapshot"]).unwrap();
        assert_eq!(client.ask("echo twice"), b"echo twice");
        closer.close();
        cluster
    });
    let mut idle = BackoffIdleStrategy::default();
    let ended = loop {
        match agent.do_work().unwrap() {
            Work::Done(work_count) => idle.idle(work_count),
            Work::Ended(termination) => break termination,
        }
    };
    assert_eq!(ended, Termination::Closed);
    drop(user.join().unwrap());
    assert!(events.rest().contains(&Event::Snapshot));
}
