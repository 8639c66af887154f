//! A leader that is cut off, in a network of the test's own.

use std::ops::ControlFlow;

use aeron_cluster::testing::{PATIENCE, Part, TestCluster, wait_until};

use crate::replica::ReplicaClient;
use crate::rig::{Client, Replicas};

fn started(replicas: &Replicas) -> (TestCluster, Client, usize) {
    let mut cluster = replicas.builder().partitionable().start().unwrap();
    let leader = cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&mut cluster);
    client.burst();
    client.settle();
    (cluster, client, leader)
}

/// Waits until a member's service is told that it leads no more.
fn await_follower(replicas: &Replicas, member: usize) {
    wait_until("the old leader's role", PATIENCE, || {
        let lines = replicas.lines(member);
        let is_follower = lines.iter().any(|line| line.starts_with("role=FOLLOWER"));
        Ok(if is_follower { ControlFlow::Break(()) } else { ControlFlow::Continue(lines) })
    })
    .unwrap();
}

#[test]
fn a_leader_that_is_cut_off_is_told_that_it_follows_and_comes_back() {
    let replicas = Replicas::default();
    let (mut cluster, mut client, leader) = started(&replicas);
    cluster.wait_until_applied().unwrap();

    cluster.partition(leader).unwrap();
    let next = cluster.wait_for_other_leader(leader).unwrap();
    client.wait_for_other_leader(leader);
    client.burst();
    client.settle();
    await_follower(&replicas, leader);
    assert!(replicas.state(leader).messages < replicas.state(next).messages, "it heard nothing meanwhile");

    cluster.heal(leader).unwrap();
    replicas.check(&mut cluster, &mut client);
    assert!(cluster.process(leader, Part::ConsensusModule).unwrap().is_running());
}

#[test]
fn a_leader_that_is_cut_off_applies_nothing_uncommitted() {
    let replicas = Replicas::default();
    let (mut cluster, mut client, leader) = started(&replicas);
    // A client on the leader's machine reaches it also when nobody else does.
    let mut inside = Client::with(ReplicaClient::with(cluster.client_context(leader)));
    inside.settle();
    cluster.wait_until_applied().unwrap();

    cluster.partition(leader).unwrap();
    let before = replicas.state(leader);
    inside.burst();
    cluster.wait_for_other_leader(leader).unwrap();
    client.wait_for_other_leader(leader);
    client.burst();
    client.settle();
    assert_eq!(replicas.state(leader), before, "what is not committed is not applied");

    cluster.heal(leader).unwrap();
    // Its consensus module cuts the log back, and joins the others.
    replicas.check(&mut cluster, &mut client);
    await_follower(&replicas, leader);
    let applied = replicas.state(leader).sessions[&inside.session_id()].count;
    assert_eq!(applied, before.sessions[&inside.session_id()].count);
}
