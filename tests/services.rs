//! The programs `echo_service` and `counter_service` in real clusters, with the official client and our own.

use std::process::Command;

use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{DriverKind, Java, PATIENCE, Part, Process, TestCluster};

mod support;
use support::{client_on, java_1_54, java_programs, json, number, program, run_java_client};

/// Starts a service program on a member.
fn service(cluster: &TestCluster, member: usize, name: &str) -> Process {
    let mut command = Command::new(program(name));
    command.arg("--aeron-dir").arg(cluster.aeron_dir(member)).arg("--cluster-dir").arg(cluster.cluster_dir(member));
    Process::spawn(format!("{name} of member {member}"), &command).unwrap()
}

fn services(cluster: &TestCluster, members: usize, name: &str) -> Vec<Process> {
    (0..members).map(|member| service(cluster, member, name)).collect()
}

/// Runs the official Java client to its end. Returns its line of JSON.
fn java_client(cluster: &TestCluster, java: &Java, messages: &str, reply: &str) -> String {
    run_java_client(cluster, 0, java, &[("echo.messages", messages), ("echo.reply", reply), ("echo.length", "3000")])
}

/// Runs our client to its end, on the driver of a member. Returns its line of JSON.
fn rust_client(cluster: &TestCluster, member: usize, messages: &str) -> String {
    let endpoints = cluster.ingress_endpoints();
    let flags = ["--ingress-endpoints", &endpoints, "--messages", messages, "--length", "100", "--window", "32"];
    let mut client = client_on(cluster, member, &flags);
    client.wait_for_success(PATIENCE).unwrap();
    json(&client)
}

fn assert_all_echoed(report: &str, messages: f64) {
    let counts = (number(report, "sent"), number(report, "received"), number(report, "bad"));
    assert_eq!(counts, (messages, messages, 0.), "{report}");
}

/// One member: the Rust echo service between the official client and ours.
fn echo_on_one_member(mut cluster: TestCluster, java: &Java) {
    let mut service = service(&cluster, 0, "echo_service");
    cluster.wait_for_leader().unwrap();
    service.wait_for_line("role=LEADER", PATIENCE).unwrap();
    assert_all_echoed(&java_client(&cluster, java, "2000", "echo"), 2000.);
    assert_all_echoed(&rust_client(&cluster, 0, "2000"), 2000.);
    assert!(service.stop().unwrap().success(), "SIGTERM ends a service with status 0");
    service.wait_for_line("terminate log_position=", PATIENCE).unwrap();
}

#[test]
fn rust_echo_on_one_member_with_the_c_driver_as_a_program() {
    echo_on_one_member(TestCluster::builder().start().unwrap(), &java_programs());
}

#[test]
fn rust_echo_on_one_member_with_the_java_driver() {
    echo_on_one_member(TestCluster::builder().driver(DriverKind::Java).start().unwrap(), &java_programs());
}

#[test]
fn rust_echo_on_one_member_with_the_c_driver_in_this_process() {
    let mut cluster = TestCluster::builder().driver(DriverKind::External).create().unwrap();
    let context = DriverContext::new()
        .dir(cluster.aeron_dir(0))
        .threading_mode(ThreadingMode::Shared)
        .term_buffer_sparse_file(true)
        .dir_delete_on_shutdown(true);
    let driver = MediaDriver::launch(context).unwrap();
    cluster.start().unwrap();
    echo_on_one_member(cluster, &java_programs());
    driver.close().unwrap();
}

#[test]
fn rust_echo_with_servers_at_1_54() {
    let java = java_1_54();
    echo_on_one_member(TestCluster::builder().java(java.clone()).start().unwrap(), &java);
}

#[test]
fn rust_client_with_a_java_echo_at_1_54() {
    let java = java_1_54();
    let mut cluster = TestCluster::builder().java(java.clone()).start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    assert_all_echoed(&rust_client(&cluster, 0, "2000"), 2000.);
}

#[test]
fn three_members_go_on_when_the_leader_is_killed() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().members(3).start().unwrap();
    let mut services = services(&cluster, 3, "counter_service");
    let leader = cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    let counted = java_client(&cluster, &java, "500", "count");
    assert_eq!(number(&counted, "last_count"), 500., "{counted}");

    cluster.kill(leader, Part::ConsensusModule);
    services[leader].kill();
    let next = cluster.wait_for_leader().unwrap();
    assert_ne!(next, leader);
    let line = services[next].wait_for_line("role=LEADER count=", PATIENCE).unwrap();
    assert_eq!(line, "role=LEADER count=500");
    let counted = java_client(&cluster, &java, "500", "count");
    assert_eq!(number(&counted, "last_count"), 1000., "{counted}");

    // The killed member comes back, and catches up from its log.
    cluster.start_part(leader, Part::ConsensusModule).unwrap();
    services[leader] = service(&cluster, leader, "counter_service");
    cluster.wait_for_members().unwrap();
    cluster.abort().unwrap();
    for mut service in services {
        service.wait_for_success(PATIENCE).unwrap();
        service.wait_for_line("terminate count=1000", PATIENCE).unwrap();
    }
}

#[test]
fn three_members_echo_to_both_clients() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().members(3).start().unwrap();
    let _services = services(&cluster, 3, "echo_service");
    cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    assert_all_echoed(&java_client(&cluster, &java, "500", "echo"), 500.);
    assert_all_echoed(&rust_client(&cluster, 2, "2000"), 2000.);
}

#[test]
fn the_counter_restarts_from_its_log_and_from_a_snapshot_and_java_reads_it() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let mut first = service(&cluster, 0, "counter_service");
    cluster.wait_for_leader().unwrap();
    first.wait_for_line("start count=0", PATIENCE).unwrap();
    assert_eq!(number(&java_client(&cluster, &java, "100", "count"), "last_count"), 100.);
    cluster.abort().unwrap();
    first.wait_for_success(PATIENCE).unwrap();
    first.wait_for_line("terminate count=100", PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut second = service(&cluster, 0, "counter_service");
    cluster.wait_for_leader().unwrap();
    second.wait_for_line("start count=0", PATIENCE).unwrap();
    second.wait_for_line("role=LEADER count=100", PATIENCE).unwrap();
    assert_eq!(number(&java_client(&cluster, &java, "100", "count"), "last_count"), 200.);
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    assert_eq!(number(&java_client(&cluster, &java, "1", "count"), "last_count"), 201.);
    cluster.abort().unwrap();
    second.wait_for_success(PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut third = service(&cluster, 0, "counter_service");
    cluster.wait_for_leader().unwrap();
    third.wait_for_line("start count=200", PATIENCE).unwrap();
    third.wait_for_line("role=LEADER count=201", PATIENCE).unwrap();
    cluster.shutdown().unwrap();
    third.wait_for_success(PATIENCE).unwrap();

    // The snapshot that the Rust service took at the shutdown, in the Java service.
    cluster.start().unwrap();
    let mut fourth = cluster.start_java_service(0, 0, &java, "CounterService").unwrap();
    cluster.wait_for_leader().unwrap();
    fourth.wait_for_line("start count=201", PATIENCE).unwrap();
    cluster.shutdown().unwrap();
    fourth.wait(PATIENCE).unwrap();

    // And the Java service's, in the Rust service.
    cluster.start().unwrap();
    let fifth = service(&cluster, 0, "counter_service");
    cluster.wait_for_leader().unwrap();
    fifth.wait_for_line("start count=201", PATIENCE).unwrap();
}

#[test]
fn a_killed_driver_ends_a_service_program_with_a_clear_error() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let mut service = service(&cluster, 0, "echo_service");
    cluster.wait_for_leader().unwrap();
    cluster.kill(0, Part::Driver);
    assert_eq!(service.wait(PATIENCE).unwrap().code(), Some(1));
    service.wait_for_line("the service failed", PATIENCE).unwrap();
    service.wait_for_line("unexpected Aeron close", PATIENCE).unwrap();
}

#[test]
fn a_killed_service_ends_its_consensus_module_and_both_start_again() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let mut first = service(&cluster, 0, "counter_service");
    cluster.wait_for_leader().unwrap();
    assert_eq!(number(&java_client(&cluster, &java, "10", "count"), "last_count"), 10.);
    first.kill();
    cluster.process(0, Part::ConsensusModule).unwrap().wait(PATIENCE).unwrap();

    // The mark file of the killed service looks active still; the lock on it tells that nobody is there.
    cluster.start_part(0, Part::ConsensusModule).unwrap();
    let second = service(&cluster, 0, "counter_service");
    cluster.wait_for_leader().unwrap();
    second.wait_for_line("role=LEADER count=10", PATIENCE).unwrap();
    assert_eq!(number(&java_client(&cluster, &java, "10", "count"), "last_count"), 20.);
}

#[test]
fn a_killed_consensus_module_ends_the_service_program_in_order() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let mut service = service(&cluster, 0, "echo_service");
    cluster.wait_for_leader().unwrap();
    cluster.kill(0, Part::ConsensusModule);
    service.wait_for_success(PATIENCE).unwrap();
    service.wait_for_line("terminate log_position=", PATIENCE).unwrap();
}

#[test]
fn help_explains_every_flag() {
    for name in ["echo_service", "counter_service"] {
        let help = Command::new(program(name)).arg("--help").output().unwrap();
        let text = String::from_utf8(help.stdout).unwrap();
        for flag in ["--aeron-dir <D>", "--cluster-dir <D>", "--service-id <N>", "--idle <IDLE>", "backoff"] {
            assert!(text.contains(flag), "{flag} is not in {text}");
        }
        assert!(help.status.success());
    }
}
