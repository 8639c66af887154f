//! Followers that are late, slow or empty.

use aeron_cluster::testing::{PATIENCE, Process, TestCluster, type_id};

use crate::rig::{Client, MEMBERS, Replicas};
use crate::support::java_programs;

#[test]
fn a_follower_that_is_late_catches_up_and_so_does_one_that_lost_everything() {
    let replicas = Replicas::default();
    let mut cluster = replicas.builder().create().unwrap();
    cluster.start_member(0).unwrap();
    cluster.start_member(1).unwrap();
    let leader = cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&mut cluster);
    client.burst();
    client.settle();
    cluster.snapshot().unwrap();
    client.burst();
    cluster.start_member(2).unwrap();
    replicas.check(&mut cluster, &mut client);

    let follower = 1 - leader;
    cluster.kill_member(follower);
    cluster.wipe_member(follower).unwrap();
    client.burst();
    cluster.start_member(follower).unwrap();
    replicas.check(&mut cluster, &mut client);
}

#[test]
fn a_follower_that_is_slow_holds_nobody_up() {
    let replicas = Replicas::default();
    let mut cluster = replicas.builder().start().unwrap();
    let leader = cluster.wait_for_leader().unwrap();
    let follower = (leader + 1) % 3;
    let mut client = Client::connect(&mut cluster);
    client.settle();
    cluster.wait_until_applied().unwrap();

    // Its service cannot apply anything while somebody else looks at its state.
    let state = replicas.shared_state(follower);
    let held = state.lock().unwrap();
    client.burst();
    client.settle();
    assert!(held.messages < replicas.state(leader).messages);
    drop(held);
    replicas.check(&mut cluster, &mut client);
    assert_eq!(cluster.wait_for_leader().unwrap(), leader);
}

/// Removes what a member's archive has of the log before its latest snapshot.
fn purge(cluster: &TestCluster, member: usize) {
    let mut command = java_programs().command("ClusterActions", [("aeron.dir", cluster.aeron_dir(member))]);
    command.arg("purge").arg(cluster.cluster_dir(member));
    let mut program = Process::spawn("ClusterActions purge", &command).unwrap();
    program.wait_for_success(PATIENCE).unwrap();
    assert!(program.lines().iter().any(|line| line == "purged=2"), "{:?}", program.lines());
}

#[test]
fn a_member_comes_back_to_a_log_whose_beginning_is_gone() {
    let replicas = Replicas::default();
    let mut cluster = replicas.builder().start().unwrap();
    let mut client = Client::connect(&mut cluster);
    client.fill(320);
    client.settle();
    cluster.snapshot().unwrap();
    for member in 0..MEMBERS {
        cluster.wait_for_counter(member, type_id::SNAPSHOT_COUNT, |count| count == 1).unwrap();
        purge(&cluster, member);
    }

    let leader = cluster.wait_for_leader().unwrap();
    cluster.stop_member(leader).unwrap();
    client.wait_for_other_leader(leader);
    client.burst();
    client.settle();
    cluster.start_member(leader).unwrap();
    replicas.check(&mut cluster, &mut client);
    let lines = replicas.lines(leader);
    assert!(lines[0].starts_with("start ") && lines[0].contains(" messages=321 "), "{}", lines[0]);
}
