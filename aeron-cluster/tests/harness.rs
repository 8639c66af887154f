//! The harness itself: Java services and Java clients on clusters of one and three members.
#![cfg(feature = "testing")]

mod support;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aeron_cluster::aeron::CncFile;
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{DriverKind, PATIENCE, Part, Process, TestCluster, proc_state, type_id, wait_until};
use support::{java_1_54, java_programs, run_java_client, start_java_services};

#[test]
fn java_echo_on_one_member_with_the_c_driver() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    assert_eq!(cluster.wait_for_leader().unwrap(), 0);
    let result = run_java_client(&cluster, 0, &java, &[("echo.messages", "2000"), ("echo.length", "3000")]);
    assert!(result.contains(r#""sent":2000,"received":2000,"bad":0"#), "{result}");
}

#[test]
fn java_echo_on_one_member_with_the_java_driver() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().driver(DriverKind::Java).start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    let result = run_java_client(&cluster, 0, &java, &[("echo.messages", "2000")]);
    assert!(result.contains(r#""received":2000,"bad":0"#), "{result}");
}

#[test]
fn java_echo_on_one_member_with_a_driver_in_this_process() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().driver(DriverKind::External).create().unwrap();
    let context = DriverContext::new().dir(cluster.aeron_dir(0)).threading_mode(ThreadingMode::Shared);
    let driver = MediaDriver::launch(context).unwrap();
    cluster.start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    let result = run_java_client(&cluster, 0, &java, &[("echo.messages", "2000")]);
    assert!(result.contains(r#""received":2000,"bad":0"#), "{result}");
    cluster.shutdown().unwrap();
    driver.close().unwrap();
}

#[test]
fn java_counter_restarts_from_its_log_and_from_a_snapshot() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().start().unwrap();
    let count = [("echo.messages", "100"), ("echo.reply", "count")];

    let mut service = cluster.start_java_service(0, 0, &java, "CounterService").unwrap();
    cluster.wait_for_leader().unwrap();
    let first = run_java_client(&cluster, 0, &java, &count);
    assert!(first.contains(r#""last_count":100"#), "{first}");
    cluster.abort().unwrap();
    service.wait(PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut service = cluster.start_java_service(0, 0, &java, "CounterService").unwrap();
    cluster.wait_for_leader().unwrap();
    let after_log = run_java_client(&cluster, 0, &java, &count);
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
    let mut cluster = TestCluster::builder().property("aeron.client.liveness.timeout", "5s").start().unwrap();
    let constants = CncFile::open(cluster.aeron_dir(0), Duration::ZERO).unwrap().constants();
    assert_eq!(constants.client_liveness_timeout, Duration::from_secs(5), "drivers have the property too");
    let service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    cluster.kill(0, Part::ConsensusModule);
    assert!(cluster.wait_for_leader().is_err(), "no leader without a consensus module");
    let words = cluster.last_words(3);
    assert!(
        words.contains("ConsensusModule of member 0 has ended") && words.contains("Driver of member 0 runs"),
        "{words}"
    );
    drop(service);

    cluster.start_part(0, Part::ConsensusModule).unwrap();
    let mark = cluster.cluster_dir(0).join("cluster-mark-service-0.dat");
    assert!(mark.exists());
    std::fs::remove_file(mark).unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    let result = run_java_client(&cluster, 0, &java, &[("echo.messages", "100")]);
    assert!(result.contains(r#""received":100,"bad":0"#), "{result}");
}

#[test]
fn java_echo_on_three_members_goes_on_with_a_new_leader() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().members(3).start().unwrap();
    let mut services = start_java_services(&cluster, 3, &java, "EchoService");
    let leader = cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    let result = run_java_client(&cluster, 0, &java, &[("echo.messages", "1000")]);
    assert!(result.contains(r#""received":1000,"bad":0"#), "{result}");

    cluster.kill_member(leader);
    services[leader].kill();
    let next = cluster.wait_for_leader().unwrap();
    assert_ne!(next, leader);
    cluster.wait_for_members().unwrap();
    assert!(cluster.counter(next, type_id::LEADERSHIP_TERM_ID).unwrap() > Some(0));
    let result = run_java_client(&cluster, next, &java, &[("echo.messages", "1000")]);
    assert!(result.contains(r#""received":1000,"bad":0"#), "{result}");
}

#[test]
fn java_echo_with_servers_at_1_54() {
    let java = java_1_54();
    let mut cluster = TestCluster::builder().java(java.clone()).start().unwrap();
    let _service = cluster.start_java_service(0, 0, &java, "EchoService").unwrap();
    cluster.wait_for_leader().unwrap();
    let result = run_java_client(&cluster, 0, &java, &[("echo.messages", "1000")]);
    assert!(result.contains(r#""received":1000,"bad":0"#), "{result}");
    cluster.shutdown().unwrap();
}

const HELPER: &str = "AERON_CLUSTER_TEST_HELPER";

/// Not a test by itself: with the variable set, the process that the next test starts and kills.
#[test]
fn helper_with_a_child() {
    if std::env::var_os(HELPER).is_none() {
        return;
    }
    let mut command = Command::new("sleep");
    command.arg("600");
    let mut child = Process::spawn("sleep", &command).unwrap();
    println!("child={}", child.id());
    child.wait(10 * PATIENCE).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn children_die_with_a_killed_test() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "helper_with_a_child", "--nocapture"]).env(HELPER, "1");
    let mut helper = Process::spawn("a test with a child", &command).unwrap();
    let line = helper.wait_for_line("child=", PATIENCE).unwrap();
    let child = Path::new("/proc").join(line.rsplit('=').next().unwrap());
    assert!(is_running(&child));
    helper.kill();
    wait_until("the child's end", PATIENCE, || {
        Ok(if is_running(&child) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
    .unwrap();
}

/// Whether a process, by its directory in `/proc`, has not ended. One that has may stay there until the system's first process, whose child it
/// became, asks how it ended.
fn is_running(process: &Path) -> bool {
    proc_state(process).is_some_and(|state| !['Z', 'X'].contains(&state))
}
