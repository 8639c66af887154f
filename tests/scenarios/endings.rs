//! How a service ends with its consensus module, at 1.51.0 (which never asks for acknowledgements by name) and at 1.54.0.

use aeron_cluster::testing::{Java, PATIENCE, Part, Process, TestCluster};

use crate::replica::{Command, ReplicaClient, Targets};
use crate::rig::{builder, field, replica, state_of, take_snapshot};
use crate::support::{java_1_54, java_programs};

/// A missing acknowledgement would hold the consensus module up for this long, which no test waits for.
const TERMINATION_TIMEOUT: (&str, &str) = ("aeron.cluster.termination.timeout", "120s");

fn started(cluster: &mut TestCluster) -> Process {
    cluster.start().unwrap();
    let replica = replica(cluster);
    cluster.wait_for_leader().unwrap();
    replica.wait_for_line("role=LEADER", PATIENCE).unwrap();
    replica
}

fn every_ending(java: Java) {
    let (name, value) = TERMINATION_TIMEOUT;
    let mut cluster = builder().java(java).property(name, value).create().unwrap();

    // SHUTDOWN: a snapshot, then the end.
    let mut service = started(&mut cluster);
    let mut client = ReplicaClient::connect(&cluster, 0);
    client.call(Command::Note(b"a note"));
    drop(client);
    cluster.shutdown().unwrap();
    service.wait_for_success(PATIENCE).unwrap();
    let taken = service.wait_for_line("snapshot ", PATIENCE).unwrap();
    let end = service.wait_for_line("terminate ", PATIENCE).unwrap();
    assert_eq!(state_of(&end), state_of(&taken));

    // ABORT: no snapshot.
    let mut service = started(&mut cluster);
    assert_eq!(state_of(&service.wait_for_line("start ", PATIENCE).unwrap()), state_of(&taken));
    cluster.abort().unwrap();
    service.wait_for_success(PATIENCE).unwrap();
    service.wait_for_line("terminate ", PATIENCE).unwrap();
    assert!(!service.lines().iter().any(|line| line.starts_with("snapshot ")));

    // Closed in order: SIGTERM.
    let mut service = started(&mut cluster);
    cluster.process(0, Part::ConsensusModule).unwrap().stop().unwrap();
    service.wait_for_success(PATIENCE).unwrap();
    service.wait_for_line("terminate ", PATIENCE).unwrap();

    // Crashed: SIGKILL.
    let mut service = started(&mut cluster);
    cluster.kill(0, Part::ConsensusModule);
    service.wait_for_success(PATIENCE).unwrap();
    service.wait_for_line("terminate ", PATIENCE).unwrap();

    // The state went through all of it.
    let service = started(&mut cluster);
    assert_eq!(field(&take_snapshot(&cluster, &service), "messages"), "1");
}

#[test]
fn every_ending_at_1_51() {
    every_ending(java_programs());
}

#[test]
fn every_ending_at_1_54() {
    every_ending(java_1_54());
}

/// Sends a command that ends the service, and waits for the end of both.
fn end_by(cluster: &mut TestCluster, command: Command<'_>) -> Process {
    let mut service = started(cluster);
    let mut client = ReplicaClient::connect(cluster, 0);
    client.send(command);
    service.wait(PATIENCE).unwrap();
    drop(client);
    cluster.process(0, Part::ConsensusModule).unwrap().wait(PATIENCE).unwrap();
    service
}

/// Ends that the service itself brings about: its consensus module ends too, and its exit status tells what it was. A service that
/// panicked is not told to terminate.
#[test]
fn a_service_ends_its_member() {
    let mut cluster = builder().create().unwrap();
    let mut service = end_by(&mut cluster, Command::Terminate { targets: Targets::ALL, expected: true });
    service.wait_for_success(PATIENCE).unwrap();
    service.wait_for_line("terminate ", PATIENCE).unwrap();

    let mut cluster = builder().create().unwrap();
    let mut service = end_by(&mut cluster, Command::Terminate { targets: Targets::ALL, expected: false });
    assert_eq!(service.wait(PATIENCE).unwrap().code(), Some(1));
    service.wait_for_line("terminated unexpectedly", PATIENCE).unwrap();

    let mut cluster = builder().create().unwrap();
    let mut service = end_by(&mut cluster, Command::Panic(Targets::ALL));
    assert_eq!(service.wait(PATIENCE).unwrap().code(), Some(1));
    service.wait_for_line("told to panic", PATIENCE).unwrap();
    assert!(!service.lines().iter().any(|line| line.starts_with("terminate ")));
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("told to panic"), "{errors}");
}

/// A consensus module without its archive ends, and tells its service that this was not planned: the program's exit status tells it on.
fn lost_archive(java: Java) {
    let mut cluster = builder().java(java).create().unwrap();
    let mut service = started(&mut cluster);
    cluster.kill(0, Part::Archive);
    assert_eq!(service.wait(PATIENCE).unwrap().code(), Some(1));
    service.wait_for_line("terminate ", PATIENCE).unwrap();
    service.wait_for_line("unexpected termination", PATIENCE).unwrap();
    cluster.process(0, Part::ConsensusModule).unwrap().wait(PATIENCE).unwrap();
}

#[test]
fn a_lost_archive_at_1_51() {
    lost_archive(java_programs());
}

#[test]
fn a_lost_archive_at_1_54() {
    lost_archive(java_1_54());
}
