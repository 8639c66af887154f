//! What the tests of the example programs share: finding the programs, running them on a cluster, reading their reports.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

use std::path::PathBuf;
use std::process::Command;

use aeron_cluster::testing::{PATIENCE, Place, Process, TestCluster};

#[path = "../../aeron-cluster/tests/support/mod.rs"]
mod cluster;
pub use cluster::{java_1_54, java_programs, run_java_client};

/// An example program. Cargo puts the examples beside the directory of the tests, and builds them for a test run without a
/// filter.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing: run cargo build --examples before this test alone", program.display());
    program
}

/// Runs `echo_service` as a service of a member.
pub fn echo_service() -> impl Fn(&Place) -> Command + Send + Sync + 'static {
    let echo = program("echo_service");
    move |place| {
        let mut command = Command::new(&echo);
        command.arg("--aeron-dir").arg(place.aeron_dir()).arg("--cluster-dir").arg(place.cluster_dir());
        command
    }
}

/// Starts `cluster_client` on the media driver of a member.
pub fn client_on(cluster: &TestCluster, member: usize, flags: &[&str]) -> Process {
    let mut command = Command::new(program("cluster_client"));
    command.arg("--aeron-dir").arg(cluster.aeron_dir(member));
    command.args(["--egress-channel", cluster.egress_channel()]).args(flags);
    Process::spawn("cluster_client", &command).unwrap()
}

/// The line of JSON that a client prints at its end.
pub fn json(client: &Process) -> String {
    client.wait_for_line("{\"sent\"", PATIENCE).unwrap()
}

/// The number behind a name in the line of JSON.
pub fn number(json: &str, name: &str) -> f64 {
    let (_, rest) = json.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name} in {json}"));
    rest.split([',', '}']).next().unwrap().parse().unwrap()
}
