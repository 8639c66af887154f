//! Leaders that go and come back.

use std::process::Command;

use aeron_cluster::testing::{PATIENCE, TestCluster};

use crate::rig::{Client, MEMBERS, Replicas};
use crate::support::program;

#[test]
fn one_leader_is_stopped_and_the_next_killed_and_both_come_back() {
    let replicas = Replicas::default();
    let mut cluster = replicas.builder().start().unwrap();
    let mut client = Client::connect(&mut cluster);
    client.burst();
    client.settle();

    let first = cluster.wait_for_leader().unwrap();
    client.burst();
    cluster.stop_member(first).unwrap();
    client.wait_for_other_leader(first);
    client.burst();
    client.settle();
    cluster.start_member(first).unwrap();
    replicas.check(&mut cluster, &mut client);

    let second = cluster.wait_for_leader().unwrap();
    client.burst();
    cluster.kill_member(second);
    client.wait_for_other_leader(second);
    client.burst();
    client.settle();
    cluster.start_member(second).unwrap();
    replicas.check(&mut cluster, &mut client);
}

/// The last state that a program told; it tells it when nothing happens.
fn told_state(cluster: &mut TestCluster, member: usize, position: i64) -> String {
    let process = cluster.service_process(member, 0).unwrap().unwrap();
    let line = process.wait_for_line(&format!("state position={position} "), PATIENCE).unwrap();
    line.split_once(" hash=").unwrap().1.to_owned()
}

#[test]
fn a_leader_killed_with_its_service_comes_back_with_the_state_of_the_others() {
    let replica = program("replica");
    let mut cluster = TestCluster::builder()
        .members(MEMBERS)
        .program(move |place| {
            let mut command = Command::new(&replica);
            command.arg("--aeron-dir").arg(place.aeron_dir()).arg("--cluster-dir").arg(place.cluster_dir());
            command
        })
        .start()
        .unwrap();
    let mut client = Client::connect(&mut cluster);
    client.burst();
    client.settle();
    let leader = cluster.wait_for_leader().unwrap();
    client.burst();
    cluster.kill_service(leader, 0).unwrap();
    cluster.kill_member(leader);
    client.wait_for_other_leader(leader);
    client.settle();
    cluster.start_member(leader).unwrap();
    cluster.wait_for_members().unwrap();
    client.settle();
    let position = cluster.wait_until_applied().unwrap();
    let states = [0, 1, 2].map(|member| told_state(&mut cluster, member, position));
    assert!(states[0] == states[1] && states[1] == states[2], "{states:#?}");
    assert!(states[0].contains(" doubled=0 "), "{}", states[0]);
}
