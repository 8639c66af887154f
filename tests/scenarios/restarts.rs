//! A replica starts again: from its log, from snapshots, and from both.

use aeron_cluster::testing::{PATIENCE, TestCluster};

use crate::replica::{Command, ReplicaClient};
use crate::rig::{java_replica, replica, state_of, wait_for_hash};
use crate::support::java_programs;

#[test]
fn from_the_log_and_from_a_snapshot_on_either_container() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let mut first = replica(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut client = ReplicaClient::connect(&cluster, 0);
    client.call(Command::ScheduleTimer { id: 1, delay_ms: 1 });
    client.call(Command::Offer(b"to the log"));
    client.call(Command::Keep { length: 200_000 });
    client.call(Command::Note(b"a note"));
    let hash = client.call(Command::ScheduleTimer { id: 2, delay_ms: 100_000 });
    println!("{}", wait_for_hash(&first, hash));
    cluster.abort().unwrap();
    first.wait_for_success(PATIENCE).unwrap();
    drop(client);
    let end = first.wait_for_line("terminate", PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut second = java_replica(&cluster, &java);
    cluster.wait_for_leader().unwrap();
    let line = second.wait_for_line("role=LEADER", PATIENCE).unwrap();
    println!("{end}\n{line}");
    assert_eq!(state_of(&line), state_of(&end));
    cluster.shutdown().unwrap();
    let taken = second.wait_for_line("snapshot", PATIENCE).unwrap();
    second.wait(PATIENCE).unwrap();

    cluster.start().unwrap();
    let third = replica(&cluster);
    cluster.wait_for_leader().unwrap();
    let line = third.wait_for_line("start", PATIENCE).unwrap();
    assert_eq!(state_of(&line), state_of(&taken));
    println!("{}", third.wait_for_line("role=LEADER", PATIENCE).unwrap());
}
