//! What the integration tests share: our Java programs, and clusters of the official servers in two versions.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aeron_cluster::testing::{Java, PATIENCE, Process, TestCluster};

/// Compiling the Java sources of Aeron takes its time on a loaded machine, and prints nothing meanwhile.
const COMPILATION: Duration = Duration::from_secs(300);

/// The repository's root, from the tests of either package.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|dir| dir.join("tests/java").is_dir()).unwrap().to_path_buf()
}

/// The programs of `tests/java` with Aeron 1.51.0.
pub fn java_programs() -> Java {
    Java::aeron_all().unwrap().compile(&root().join("tests/java")).unwrap()
}

/// Aeron 1.54.0, compiled from the pinned sources by `ci/java-1.54` (once), with the programs of `tests/java`.
pub fn java_1_54() -> Java {
    let command = Command::new(root().join("ci/java-1.54"));
    let mut script = Process::spawn("ci/java-1.54", &command).unwrap();
    script.wait_for_success(COMPILATION).unwrap();
    let class_path = script.lines().pop().unwrap();
    Java::with_class_path(class_path).unwrap().compile(&root().join("tests/java")).unwrap()
}

/// Runs the Java client on a member's driver to its end and returns its line of JSON.
pub fn run_java_client(cluster: &TestCluster, member: usize, java: &Java, properties: &[(&str, &str)]) -> String {
    let mut client = cluster.start_java_client(member, java, properties).unwrap();
    client.wait_for_success(PATIENCE).unwrap();
    client.wait_for_line("{\"sent\"", PATIENCE).unwrap()
}

/// Starts a Java service on every member.
pub fn start_java_services(cluster: &TestCluster, members: usize, java: &Java, main_class: &str) -> Vec<Process> {
    (0..members).map(|member| cluster.start_java_service(member, 0, java, main_class).unwrap()).collect()
}
