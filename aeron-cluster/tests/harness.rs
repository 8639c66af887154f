//! The harness itself: Java services and Java clients on clusters of one and three members.
#![cfg(feature = "testing")]

use std::path::Path;

use aeron_cluster::testing::{DriverKind, Java, PATIENCE, Part, Process, TestCluster, type_id};

fn java_programs() -> Java {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/java");
    Java::aeron_all().unwrap().compile(&sources).unwrap()
}

/// Runs the Java client to its end and returns its line of JSON.
fn run_client(cluster: &TestCluster, java: &Java, properties: &[(&str, &str)]) -> String {
    let mut client = cluster.start_java_client(0, java, properties).unwrap();
    client.wait_for_success(PATIENCE).unwrap();
    client.wait_for_line("{\"sent\"", PATIENCE).unwrap()
}

fn start_services(cluster: &TestCluster, members: usize, java: &Java, main_class: &str) -> Vec<Process> {
    (0..members).map(|member| cluster.start_java_service(member, 0, java, main_class).unwrap()).collect()
}

#[test]
fn java_echo_on_one_member_with_the_c_driver() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    assert_eq!(cluster.wait_for_leader().unwrap(), 0);
    let result = run_client(&cluster, &java, &[("echo.messages", "2000"), ("echo.length", "3000")]);
    assert!(result.contains(r#""sent":2000,"received":2000,"bad":0"#), "{result}");
}

#[test]
fn java_echo_on_one_member_with_the_java_driver() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().driver(DriverKind::Java).start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    let result = run_client(&cluster, &java, &[("echo.messages", "2000")]);
    assert!(result.contains(r#""received":2000,"bad":0"#), "{result}");
}

#[test]
fn java_counter_restarts_from_its_log_and_from_a_snapshot() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let count = [("echo.messages", "100"), ("echo.reply", "count")];

    let mut service = cluster.start_java_service(0, 0, &java, "CounterService").unwrap();
    cluster.wait_for_leader().unwrap();
    let first = run_client(&cluster, &java, &count);
    assert!(first.contains(r#""last_count":100"#), "{first}");
    cluster.abort().unwrap();
    service.wait(PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut service = cluster.start_java_service(0, 0, &java, "CounterService").unwrap();
    cluster.wait_for_leader().unwrap();
    let after_log = run_client(&cluster, &java, &count);
    assert!(after_log.contains(r#""last_count":200"#), "{after_log}");
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    service.wait_for_line("snapshot count=200", PATIENCE).unwrap();
    cluster.abort().unwrap();
    service.wait(PATIENCE).unwrap();

    cluster.start().unwrap();
    let service = cluster.start_java_service(0, 0, &java, "CounterService").unwrap();
    cluster.wait_for_leader().unwrap();
    service.wait_for_line("start count=200", PATIENCE).unwrap();
}

#[test]
fn a_killed_consensus_module_starts_again() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    cluster.kill(0, Part::ConsensusModule);
    assert!(cluster.wait_for_leader().is_err(), "no leader without a consensus module");
    drop(service);

    cluster.start_part(0, Part::ConsensusModule).unwrap();
    let mark = cluster.cluster_dir(0).join("cluster-mark-service-0.dat");
    assert!(mark.exists());
    std::fs::remove_file(mark).unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    let result = run_client(&cluster, &java, &[("echo.messages", "100")]);
    assert!(result.contains(r#""received":100,"bad":0"#), "{result}");
}

#[test]
fn java_echo_on_three_members_goes_on_with_a_new_leader() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().members(3).start().unwrap();
    let mut services = start_services(&cluster, 3, &java, "EchoService");
    let leader = cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    let result = run_client(&cluster, &java, &[("echo.messages", "1000")]);
    assert!(result.contains(r#""received":1000,"bad":0"#), "{result}");

    cluster.kill(leader, Part::ConsensusModule);
    services[leader].kill();
    let next = cluster.wait_for_leader().unwrap();
    assert_ne!(next, leader);
    assert!(cluster.counter(next, type_id::LEADERSHIP_TERM_ID).unwrap() > Some(0));
    let result = run_client(&cluster, &java, &[("echo.messages", "1000")]);
    assert!(result.contains(r#""received":1000,"bad":0"#), "{result}");
}
