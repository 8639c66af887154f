//! A cluster without a quorum.

use aeron_cluster::testing::type_id;

use crate::rig::{Client, Replicas};

const ROLE_LEADER: i64 = 2;

#[test]
fn a_session_outlives_the_loss_of_the_quorum() {
    let replicas = Replicas::default();
    let mut cluster = replicas.builder().start().unwrap();
    let mut client = Client::connect(&mut cluster);
    client.burst();
    client.settle();
    let leader = cluster.wait_for_leader().unwrap();
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    for follower in followers {
        cluster.kill_member(follower);
    }
    assert!(cluster.wait_for_leader().is_err(), "one of three cannot lead");
    cluster.wait_for_counter(leader, type_id::NODE_ROLE, |role| role != ROLE_LEADER).unwrap();
    for follower in followers {
        cluster.start_member(follower).unwrap();
    }
    client.settle();
    client.burst();
    replicas.check(&mut cluster, &mut client);
}
