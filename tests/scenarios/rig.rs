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

/// Waits until a replica has told this hash as its state, and returns the line.
pub fn wait_for_hash(replica: &Process, hash: u64) -> String {
    let hash = format!("hash={hash:016x}");
    let line = replica.wait_for_line(&hash, PATIENCE).unwrap();
    assert_eq!(field(&line, "doubled"), "0", "{line}");
    line
}
