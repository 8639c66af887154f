//! Clusters of replicas, and what their lines say.

use std::process::Command as Program;

use aeron_cluster::testing::{Java, PATIENCE, Process, TestCluster};

use crate::support::program;

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
