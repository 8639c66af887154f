//! Snapshots, taken and loaded through the archive.

use std::ops::ControlFlow;

use aeron_cluster::service::{ClusteredServiceContainer, Termination};
use aeron_cluster::testing::{PATIENCE, TestCluster, wait_until};

use crate::client::Client;
use crate::probe::{Event, Fail, Probe, context, launch};
use crate::script::ended;

fn is_snapshot(event: &Event) -> Option<()> {
    matches!(event, Event::Snapshot).then_some(())
}

#[test]
fn a_service_starts_from_its_snapshot_with_sessions_and_goes_on_with_the_log() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(&cluster)).collect();
    let mut ids: Vec<_> = clients.iter().map(Client::session_id).collect();
    ids.sort_unstable();
    let mut long = b"state long ".to_vec();
    long.resize(5_000, b'x');
    clients[1].send("state short");
    clients[0].send(&long);
    clients[2].send("echo all is there");
    clients[2].answer();
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    events.wait_for(is_snapshot);
    clients[0].send("state after");
    assert_eq!(clients[0].ask("echo done"), b"echo done");
    cluster.abort().unwrap();
    assert_eq!(ended(container).unwrap(), Termination::Expected);

    cluster.start().unwrap();
    let (_container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let Event::Start { position, snapshot, sessions } = events.next() else { panic!("no start") };
    assert!(position > 0);
    // In the order in which the log brought them, which no client knows.
    let mut snapshot = snapshot.unwrap();
    snapshot.sort_by_key(Vec::len);
    assert_eq!(snapshot, [b"state short".to_vec(), long]);
    assert_eq!(sessions, ids);
    events.wait_for(|event| matches!(event, Event::Message { text, .. } if text == "state after").then_some(()));
}

#[test]
fn a_snapshot_that_fails_is_dropped_and_the_service_goes_on() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::failing(Fail::SnapshotWithError);
    let _container = ClusteredServiceContainer::launch(context(&cluster), probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    // The tool waits for the end of the snapshot, and does not say whether it is one.
    let _ = cluster.cluster_tool(0, &["snapshot"]);
    assert_eq!(client.ask("echo still there"), b"echo still there");
    let recordings = cluster.cluster_tool(0, &["recording-log"]).unwrap();
    assert!(!recordings.contains("type=SNAPSHOT"), "{recordings}");
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("on_take_snapshot failed: as told"), "{errors}");

    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    events.wait_for(is_snapshot);
    assert_eq!(client.ask("echo twice"), b"echo twice");
    let recordings = cluster.cluster_tool(0, &["recording-log"]).unwrap();
    assert!(recordings.contains("serviceId=0, type=SNAPSHOT, isValid=true"), "{recordings}");
}

#[test]
fn a_panic_in_a_snapshot_is_acknowledged_and_ends_the_node() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::failing(Fail::SnapshotWithPanic);
    let container = ClusteredServiceContainer::launch(context(&cluster), probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let _ = cluster.cluster_tool(0, &["snapshot"]);
    let error = ended(container).unwrap_err().to_string();
    assert!(error.contains("service panicked in on_take_snapshot"), "{error}");
    assert!(!events.rest().contains(&Event::Terminate));
    let recordings = cluster.cluster_tool(0, &["recording-log"]).unwrap();
    assert!(!recordings.contains("type=SNAPSHOT"), "{recordings}");
}

#[test]
fn a_panic_in_background_work_during_a_snapshot_is_no_failure_of_the_snapshot_alone() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::failing(Fail::BackgroundInSnapshot);
    let container = ClusteredServiceContainer::launch(context(&cluster), probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let _ = cluster.cluster_tool(0, &["snapshot"]);
    let error = ended(container).unwrap_err().to_string();
    assert!(error.contains("service panicked in do_background_work"), "{error}");
    let rest = events.rest();
    assert_eq!(rest.iter().filter(|event| **event == Event::Background).count(), 1, "called again: {rest:?}");
    assert!(!rest.contains(&Event::Terminate), "{rest:?}");
}

#[test]
fn a_service_that_ends_its_node_in_a_snapshot_acknowledges_it_as_failed() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::failing(Fail::SnapshotWithTermination);
    let container = ClusteredServiceContainer::launch(context(&cluster), probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let _ = cluster.cluster_tool(0, &["snapshot"]);
    assert_eq!(ended(container).unwrap(), Termination::Expected);
    assert_eq!(events.rest().last(), Some(&Event::Terminate));
    wait_until("the consensus module to hear of it", PATIENCE, || {
        let errors = cluster.cluster_tool(0, &["errors"])?;
        let heard = errors.contains("failed to take snapshot");
        Ok(if heard { ControlFlow::Break(()) } else { ControlFlow::Continue(errors) })
    })
    .unwrap();
}
