//! Followers that are late, slow or empty.

use crate::rig::{Client, Replicas};

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
