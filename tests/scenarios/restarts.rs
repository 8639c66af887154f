//! A replica starts again: from its log, from snapshots, and from both.

use aeron_cluster::testing::{PATIENCE, Process, TestCluster, type_id};

use crate::replica::{Command, ReplicaClient};
use crate::rig::{abort, builder, cluster_actions, field, java_replica, replica, state_of, take_snapshot};
use crate::support::java_programs;

/// Adds to the state, and waits until all of it is there.
fn work(cluster: &mut TestCluster, commands: &[Command<'_>]) {
    let mut client = ReplicaClient::connect(cluster, 0);
    for command in commands {
        client.call(*command);
    }
    client.close();
}

/// The line with which a replica starts, and the one when it has caught up.
fn start_of(cluster: &mut TestCluster, replica: &Process) -> (String, String) {
    cluster.wait_for_leader().unwrap();
    let start = replica.wait_for_line("start ", PATIENCE).unwrap();
    (start, replica.wait_for_line("role=LEADER", PATIENCE).unwrap())
}

/// What a wrong restart would lose or repeat: timers, messages of the service, a state of several fragments, a session.
const WORK: [Command<'_>; 5] = [
    Command::Offer(b"to the log"),
    Command::ScheduleTimer { id: 1, delay_ms: 1 },
    Command::ScheduleTimer { id: 2, delay_ms: 3_600_000 },
    Command::Keep { length: 200_000 },
    Command::Note(b"a note"),
];

/// From the log alone, from a snapshot, and from a snapshot and the log after it; under both containers in turn.
#[test]
fn a_service_restarts_from_the_log_from_a_snapshot_and_from_both() {
    let java = java_programs();
    let mut cluster = builder().start().unwrap();
    let mut first = replica(&cluster);
    assert_eq!(field(&start_of(&mut cluster, &first).0, "messages"), "0");
    work(&mut cluster, &WORK);
    let ended = abort(&mut cluster, &mut first);
    assert_eq!((field(&ended, "messages"), field(&ended, "doubled")), ("5", "0"), "{ended}");

    cluster.start().unwrap();
    let mut second = java_replica(&cluster, &java);
    let (start, caught_up) = start_of(&mut cluster, &second);
    assert_eq!(field(&start, "messages"), "0");
    assert_eq!(state_of(&caught_up), state_of(&ended));
    work(&mut cluster, &WORK);
    cluster.shutdown().unwrap();
    second.wait(PATIENCE).unwrap();
    let taken = second.wait_for_line("snapshot", PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut third = replica(&cluster);
    let (start, caught_up) = start_of(&mut cluster, &third);
    assert_eq!(state_of(&start), state_of(&taken));
    assert_eq!(state_of(&caught_up), state_of(&taken));
    work(&mut cluster, &WORK);
    let between = take_snapshot(&cluster, &third);
    work(&mut cluster, &WORK);
    let ended = abort(&mut cluster, &mut third);
    assert_eq!((field(&ended, "messages"), field(&ended, "doubled")), ("20", "0"), "{ended}");

    cluster.start().unwrap();
    let fourth = replica(&cluster);
    let (start, caught_up) = start_of(&mut cluster, &fourth);
    assert_eq!(state_of(&start), state_of(&between));
    assert_eq!(state_of(&caught_up), state_of(&ended));
}

/// With the last of three snapshots invalidated the one before serves; with none left the replayed log brings the snapshot actions
/// again, and a replica takes the same snapshots again.
#[test]
fn a_service_restarts_from_what_invalidated_snapshots_leave() {
    let mut cluster = builder().start().unwrap();
    let mut first = replica(&cluster);
    start_of(&mut cluster, &first);
    let mut taken = Vec::new();
    for _ in 0..3 {
        work(&mut cluster, &WORK);
        taken.push(take_snapshot(&cluster, &first));
    }
    work(&mut cluster, &WORK);
    let ended = abort(&mut cluster, &mut first);

    cluster.cluster_tool(0, &["invalidate-latest-snapshot"]).unwrap();
    cluster.start().unwrap();
    let mut second = replica(&cluster);
    let (start, caught_up) = start_of(&mut cluster, &second);
    assert_eq!(state_of(&start), state_of(&taken[1]));
    assert_eq!(state_of(&caught_up), state_of(&ended));
    let again = second.wait_for_line("snapshot", PATIENCE).unwrap();
    assert_eq!(again, taken[2], "the third snapshot is taken again where the log asks for it");
    let ended = abort(&mut cluster, &mut second);

    for _ in 0..3 {
        cluster.cluster_tool(0, &["invalidate-latest-snapshot"]).unwrap();
    }
    cluster.start().unwrap();
    let third = replica(&cluster);
    let (start, caught_up) = start_of(&mut cluster, &third);
    assert_eq!(field(&start, "messages"), "0");
    assert_eq!(state_of(&caught_up), state_of(&ended));
    let again: Vec<_> = third.lines().into_iter().filter(|line| line.starts_with("snapshot")).collect();
    assert_eq!(again, taken);
}

/// A log whose beginning is gone: a snapshot and the rest of the log are enough. A snapshot that is for standby nodes is taken by
/// nobody here.
#[test]
fn a_service_restarts_from_a_purged_log() {
    let java = java_programs();
    let mut cluster = builder().start().unwrap();
    let mut first = replica(&cluster);
    start_of(&mut cluster, &first);
    let note = vec![7; 60_000];
    work(&mut cluster, &[Command::Note(&note); 40]);
    cluster_actions(&cluster, &java, "standby-snapshot");
    let taken = take_snapshot(&cluster, &first);
    assert_eq!(first.lines().iter().filter(|line| line.starts_with("snapshot")).count(), 1);
    assert_eq!(cluster.counter(0, type_id::SNAPSHOT_COUNT).unwrap(), Some(1));

    let purge = cluster_actions(&cluster, &java, "purge");
    assert_eq!(field(&purge, "purged"), "2", "{purge}");
    work(&mut cluster, &WORK);
    let ended = abort(&mut cluster, &mut first);

    cluster.start().unwrap();
    let second = replica(&cluster);
    let (start, caught_up) = start_of(&mut cluster, &second);
    assert_eq!(state_of(&start), state_of(&taken));
    assert_eq!(state_of(&caught_up), state_of(&ended));
}
