//! Clusters of replicas, and what their lines say.

use std::ops::ControlFlow;
use std::process::Command as Program;

use aeron_cluster::testing::{Builder, Java, PATIENCE, Process, TestCluster, wait_until};

use crate::replica::ReplicaClient;
use crate::support::program;

/// A cluster whose sessions outlive what a test does between two looks at its clients.
pub fn builder() -> Builder {
    TestCluster::builder().property("aeron.cluster.session.timeout", "60s")
}

/// Starts the replica program as a service of a member.
pub fn replica_with(cluster: &TestCluster, member: usize, service_id: usize, flags: &[&str]) -> Process {
    let mut command = Program::new(program("replica"));
    command.arg("--aeron-dir").arg(cluster.aeron_dir(member)).arg("--cluster-dir").arg(cluster.cluster_dir(member));
    command.arg("--service-id").arg(service_id.to_string()).args(flags);
    Process::spawn(format!("replica {service_id} of member {member}"), &command).unwrap()
}

/// The replica as the only service of the only member.
pub fn replica(cluster: &TestCluster) -> Process {
    replica_with(cluster, 0, 0, &[])
}

/// The same on the official container.
pub fn java_replica(cluster: &TestCluster, java: &Java) -> Process {
    cluster.start_java_service(0, 0, java, "ReplicaService").unwrap()
}

/// The value of a field in a line of a replica: `hash`, `messages`, …
pub fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {line:?}"))
}

/// What a line says of the state, without what comes before it.
pub fn state_of(line: &str) -> &str {
    line.find("hash=").map(|at| &line[at..]).unwrap_or_else(|| panic!("no state in {line:?}"))
}

/// Takes a snapshot, and returns the line in which the replica tells of it.
pub fn take_snapshot(cluster: &TestCluster, replica: &Process) -> String {
    let before = replica.line_count();
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    replica.wait_for_line_from(before, "snapshot ", PATIENCE).unwrap()
}

/// Runs `ClusterActions` on the only member, and returns what it printed.
pub fn cluster_actions(cluster: &TestCluster, java: &Java, action: &str) -> String {
    let mut command = java.command("ClusterActions", [("aeron.dir", cluster.aeron_dir(0))]);
    command.arg(action).arg(cluster.cluster_dir(0));
    let mut program = Process::spawn(format!("ClusterActions {action}"), &command).unwrap();
    program.wait_for_success(PATIENCE).unwrap();
    program.lines().join(" ")
}

/// Ends the cluster and its replica, without a snapshot. Returns the last line of the replica.
pub fn abort(cluster: &mut TestCluster, replica: &mut Process) -> String {
    cluster.abort().unwrap();
    replica.wait(PATIENCE).unwrap();
    replica.wait_for_line("terminate", PATIENCE).unwrap()
}

/// Waits until all replicas have told the same state at the same position, and it is as wanted.
pub fn wait_for_same_state<'a>(
    replicas: impl IntoIterator<Item = &'a Process>,
    is_wanted: impl Fn(&str) -> bool,
) -> String {
    let replicas: Vec<_> = replicas.into_iter().collect();
    let last = |replica: &&Process| replica.lines().into_iter().rfind(|line| line.contains("hash="));
    wait_until("the same state of all replicas", PATIENCE, || {
        let lines: Vec<_> = replicas.iter().map(last).collect();
        let is_same = |pair: &[Option<String>]| match pair {
            [Some(one), Some(other)] => state_of(one) == state_of(other),
            _ => false,
        };
        Ok(match lines.first() {
            Some(Some(first)) if lines.windows(2).all(is_same) && is_wanted(first) => ControlFlow::Break(first.clone()),
            _ => ControlFlow::Continue(lines),
        })
    })
    .unwrap()
}

/// Asserts that whatever a client was told of as done is in a state.
pub fn assert_applied(line: &str, client: &mut ReplicaClient) {
    let session = format!("{}:", client.session().cluster_session_id());
    let of_session = field(line, "numbers").split(',').find_map(|numbers| numbers.strip_prefix(&session)).unwrap_or("");
    let ranges: Vec<(u64, u64)> = of_session
        .split('+')
        .filter_map(|range| range.split_once('-'))
        .map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()))
        .collect();
    for number in client.answered() {
        let is_there = ranges.iter().any(|(first, last)| (*first..=*last).contains(&number));
        assert!(is_there, "message {number} was answered and is not in {line}");
    }
}
