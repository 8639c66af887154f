//! The program `cluster_client` against the Java echo: its report, its exit status, and how it stops.

use std::process::Command;

use aeron_cluster::testing::{Java, PATIENCE, Part, Process, TestCluster};

mod support;
use support::{client_on, echo_service, java_programs, json, number, program};

fn started(java: &Java, service: &str) -> (TestCluster, Process) {
    let mut cluster = TestCluster::builder().start().unwrap();
    let service = cluster.start_java_service(0, 0, java, service).unwrap();
    cluster.wait_for_leader().unwrap();
    (cluster, service)
}

fn three_members(java: &Java) -> (TestCluster, Vec<Process>, usize) {
    let mut cluster = TestCluster::builder().members(3).start().unwrap();
    let services = (0..3).map(|member| cluster.start_java_service(member, 0, java, "EchoService").unwrap()).collect();
    let leader = cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    (cluster, services, leader)
}

fn client(cluster: &TestCluster, flags: &[&str]) -> Process {
    client_on(cluster, 0, flags)
}

#[test]
fn help_explains_every_flag() {
    let help = Command::new(program("cluster_client")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for flag in [
        "--aeron-dir <D>",
        "--ingress-endpoints <LIST>",
        "--ingress-channel <C>",
        "--egress-channel <C>",
        "--messages <N>",
        "--length <L>",
        "--window <W>",
        "--shared-ingress",
        "--client-name <NAME>",
        "--reconnect",
    ] {
        assert!(text.contains(flag), "{flag} is not in {text}");
    }
    assert!(help.status.success());
    let refused = Command::new(program("cluster_client")).args(["--aeron-dir", "x", "--length", "7"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn every_echo_is_verified_and_reported() {
    let java = java_programs();
    let (cluster, _service) = started(&java, "EchoService");
    let endpoints = cluster.ingress_endpoints();
    let mut client_a = client(&cluster, &["--ingress-endpoints", &endpoints, "--messages", "3000", "--window", "8"]);
    client_a.wait_for_success(PATIENCE).unwrap();
    let report = json(&client_a);
    assert_eq!((number(&report, "sent"), number(&report, "received"), number(&report, "bad")), (3000., 3000., 0.));
    assert!(number(&report, "per_s") > 0.);
    let quantiles = ["p50_us", "p99_us", "p999_us", "max_us"].map(|name| number(&report, name));
    assert!(quantiles[0] > 0. && quantiles.is_sorted(), "{report}");

    let channel = format!("aeron:udp?endpoint={}", endpoints.trim_start_matches("0="));
    let mut client_b =
        client(&cluster, &["--ingress-channel", &channel, "--messages", "300", "--length", "5000", "--shared-ingress"]);
    client_b.wait_for_success(PATIENCE).unwrap();
    assert_eq!(number(&json(&client_b), "received"), 300.);
}

#[test]
fn a_stopped_client_reports_what_it_did() {
    let java = java_programs();
    let (cluster, _service) = started(&java, "EchoService");
    let endpoints = cluster.ingress_endpoints();
    let mut client = client(&cluster, &["--ingress-endpoints", &endpoints, "--messages", "1000000000"]);
    client.wait_for_line("session ", PATIENCE).unwrap();
    assert!(client.stop().unwrap().success(), "{:?}", client.lines());
    let report = json(&client);
    assert_eq!(number(&report, "received"), number(&report, "sent"));
}

#[test]
fn answers_that_are_no_echoes_are_bad() {
    let java = java_programs();
    let (cluster, _service) = started(&java, "CounterService");
    let endpoints = cluster.ingress_endpoints();
    let mut client = client(&cluster, &["--ingress-endpoints", &endpoints, "--messages", "10", "--timeout", "2"]);
    assert_eq!(client.wait(PATIENCE).unwrap().code(), Some(1));
    let report = json(&client);
    assert_eq!((number(&report, "received"), number(&report, "bad")), (0., 10.));
}

#[test]
fn lost_messages_without_a_change_of_leader_are_a_failure() {
    let java = java_programs();
    let (mut cluster, _service) = started(&java, "EchoService");
    let endpoints = cluster.ingress_endpoints();
    let flags = ["--ingress-endpoints", &endpoints, "--messages", "1000000000", "--timeout", "2"];
    let mut client = client(&cluster, &flags);
    client.wait_for_line("session ", PATIENCE).unwrap();
    cluster.kill(0, Part::ConsensusModule);
    assert_eq!(client.wait(PATIENCE).unwrap().code(), Some(1));
    assert!(json(&client).starts_with("{\"sent\":"));
}

#[test]
fn a_change_of_leader_is_no_failure() {
    let java = java_programs();
    let (mut cluster, mut services, leader) = three_members(&java);
    let endpoints = cluster.ingress_endpoints();
    let flags = ["--ingress-endpoints", &endpoints, "--messages", "1000000000", "--window", "16"];
    let mut client = client_on(&cluster, (leader + 1) % 3, &flags);
    client.wait_for_line("session ", PATIENCE).unwrap();
    cluster.kill(leader, Part::ConsensusModule);
    services[leader].kill();
    client.wait_for_line("new leader: ", PATIENCE).unwrap();
    client.wait_for_line("echoes again", PATIENCE).unwrap();
    assert!(client.stop().unwrap().success(), "{:?}", client.lines());
    let report = json(&client);
    assert!(number(&report, "received") > 0. && number(&report, "bad") == 0., "{report}");
    assert!(client.lines().iter().any(|line| line.contains("leader changes 1")), "{:?}", client.lines());
}

#[test]
fn a_client_that_reconnects_goes_on_with_a_cluster_that_was_started_anew() {
    let mut cluster = TestCluster::builder().program(echo_service()).start().unwrap();
    let endpoints = cluster.ingress_endpoints();
    // The driver takes ten seconds to miss the consensus module, which is as long as the client waits for an answer by default.
    let rest = ["--messages=1000000000", "--window=16", "--reconnect", "--timeout=30"];
    let flags = [&["--ingress-endpoints", &endpoints], &rest[..]].concat();
    let mut client = client(&cluster, &flags);
    client.wait_for_line("session ", PATIENCE).unwrap();
    cluster.kill(0, Part::ConsensusModule);
    cluster.kill_service(0, 0).unwrap();
    client.wait_for_line("CONNECTED -> AWAIT_NEW_LEADER", PATIENCE).unwrap();
    cluster.start_part(0, Part::ConsensusModule).unwrap();
    cluster.start_service(0, 0).unwrap();
    // The cluster keeps the session if it is back soon enough; else the client opens a new one.
    client.wait_for_line("-> CONNECTED", PATIENCE).unwrap();
    client.wait_for_line("echoes again", PATIENCE).unwrap();
    assert!(client.stop().unwrap().success(), "{:?}", client.lines());
    let report = json(&client);
    assert!(number(&report, "received") > 0. && number(&report, "bad") == 0., "{report}");
}
