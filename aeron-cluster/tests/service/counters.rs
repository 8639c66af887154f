//! The container's counters: those that Java's has, with its keys and labels.

use std::time::Duration;

use aeron_cluster::service::ClusteredServiceContainer;
use aeron_cluster::testing::{DriverCounters, TestCluster};

use crate::client::Client;
use crate::probe::{Event, Probe, context};

#[test]
fn counters_have_javas_types_keys_and_labels_and_tell_durations() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::new();
    let settings =
        context(&cluster).cycle_threshold(Duration::from_millis(1500)).snapshot_duration_threshold(Duration::ZERO);
    let _container = ClusteredServiceContainer::launch(settings, probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let counters = || DriverCounters::open(&cluster.aeron_dir(0)).unwrap().unwrap().all().unwrap();
    let value = |type_id: i32| counters().into_iter().find(|counter| counter.type_id == type_id).unwrap().value;
    for (type_id, label) in [
        (215, "Cluster Container Errors - clusterId=0 serviceId=0 version=1.54.0 commit="),
        (218, "Cluster container max cycle time in ns - clusterId=0 serviceId=0"),
        (219, "Cluster container work cycle time exceeded count: threshold=1500ms - clusterId=0 serviceId=0"),
        (236, "Clustered service max snapshot duration in ns - clusterId=0 serviceId=0"),
        (237, "Clustered service max snapshot duration exceeded count: threshold=0ns - clusterId=0 serviceId=0"),
    ] {
        let counter = counters().into_iter().find(|counter| counter.type_id == type_id).unwrap();
        assert!(counter.label.starts_with(label), "{}", counter.label);
        assert_eq!(counter.key[..8], [0; 8]);
    }
    assert_eq!((value(215), value(236), value(237)), (0, 0, 0));
    assert!(value(218) > 0);

    Client::connect(&cluster).ask("echo once");
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    events.wait_for(|event| matches!(event, Event::Snapshot).then_some(()));
    Client::connect(&cluster).ask("echo after the snapshot");
    assert_eq!(value(237), 1);
    assert!(value(236) > 0 && value(218) >= value(236), "a snapshot is a part of a duty cycle");
}
