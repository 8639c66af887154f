//! The programs that need no cluster, and the service whose engine is C.

use std::ops::ControlFlow;
use std::process::Command;

use aeron_cluster::aeron::{self, Aeron, Subscription};
use aeron_cluster::client::{self, AeronCluster, on_message};
use aeron_cluster::testing::{PATIENCE, Part, Process, TestCluster, wait_until};

mod support;
use support::program;

fn run(name: &str, flags: &[&str]) -> Process {
    let mut command = Command::new(program(name));
    command.args(flags);
    Process::spawn(name, &command).unwrap()
}

/// Runs a program to its end, which must be a good one. Returns what it printed.
fn output_of(name: &str, flags: &[&str]) -> Vec<String> {
    let mut process = run(name, flags);
    process.wait_for_success(PATIENCE).unwrap();
    process.lines()
}

fn driver_and(parts: &[Part]) -> (TestCluster, String) {
    let mut cluster = TestCluster::builder().create().unwrap();
    for part in [Part::Driver].iter().chain(parts) {
        cluster.start_part(0, *part).unwrap();
    }
    let dir = cluster.aeron_dir(0).to_str().unwrap().to_owned();
    (cluster, dir)
}

#[test]
fn ping_pong_on_a_driver_of_its_own_and_between_two_programs() {
    let few = ["--messages", "2000", "--warm-up", "100", "--idle", "yield"];
    let lines = output_of("ping_pong", &few);
    assert!(lines.iter().any(|line| line.starts_with("2000 round trips of 32 bytes")), "{lines:?}");
    assert!(lines.iter().any(|line| line.trim_start().starts_with("p99.9 ")), "{lines:?}");

    let (_cluster, dir) = driver_and(&[]);
    let on_driver = ["--aeron-dir", &dir, "--idle", "yield"];
    let mut pong = run("ping_pong", &[&on_driver[..], &["--role", "pong"]].concat());
    let ping = ["--aeron-dir", &dir, "--role", "ping", "--length", "1000"];
    output_of("ping_pong", &[&ping[..], &few].concat());
    assert!(pong.stop().unwrap().success());
}

#[test]
fn streaming_rate_counts_what_is_received() {
    for length in ["32", "1000"] {
        let lines = output_of("streaming_rate", &["--seconds", "1", "--length", length, "--idle", "yield"]);
        let (count, _) = lines.last().unwrap().split_once(' ').unwrap();
        assert!(count.parse::<u64>().unwrap() > 0, "{lines:?}");
    }
    let mut refused = run("streaming_rate", &["--length", "100000"]);
    assert!(!refused.wait(PATIENCE).unwrap().success());
}

#[test]
fn stat_shows_the_counters_of_a_driver() {
    let (_cluster, dir) = driver_and(&[]);
    let aeron = Aeron::connect(aeron::Context::new().dir(&dir)).unwrap();
    let counter = aeron.add_counter(1234, &[], "shown by stat").unwrap();
    counter.set(42);
    let on_driver = ["--aeron-dir", &dir];
    let lines = output_of("stat", &[&on_driver[..], &["--once", "--type", "1234"]].concat());
    let [head, line] = &lines[..] else { panic!("{lines:?}") };
    assert!(head.contains(&dir) && head.contains("alive"), "{head}");
    assert!(line.contains(" 42 ") && line.ends_with("- shown by stat"), "{line}");
    assert!(output_of("stat", &[&on_driver[..], &["--once", "--errors"]].concat()).len() > 20);
    let mut live = run("stat", &[&on_driver[..], &["--label", "shown", "--interval", "20"]].concat());
    live.wait_for_line(" 42 ", PATIENCE).unwrap();
    counter.set(43);
    live.wait_for_line(" 43 ", PATIENCE).unwrap();
    assert!(live.stop().unwrap().success());
}

#[test]
fn a_recording_comes_back_as_it_was_sent() {
    let (_cluster, dir) = driver_and(&[Part::Archive]);
    for length in ["100", "5000"] {
        let flags = ["--aeron-dir", &dir, "--messages", "1000", "--length", length];
        let lines = output_of("archive_record_replay", &flags);
        assert!(lines.last().unwrap().starts_with("replayed 1000 messages, all as they were sent"), "{lines:?}");
    }
}

fn auction(cluster: &TestCluster) -> Process {
    let mut command = Command::new(program("mixed_c_rust"));
    command.arg("--aeron-dir").arg(cluster.aeron_dir(0)).arg("--cluster-dir").arg(cluster.cluster_dir(0));
    Process::spawn("mixed_c_rust", &command).unwrap()
}

/// A best bid and a count of bids.
fn state(bytes: &[u8]) -> (i64, i64) {
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap());
    (number(&bytes[..8]), number(&bytes[8..]))
}

fn bid(client: &mut AeronCluster, amount: i64) -> (i64, i64) {
    let mut answer = None;
    wait_until("ingress", PATIENCE, || {
        Ok(match client.offer(&amount.to_le_bytes()) {
            Ok(_) => ControlFlow::Break(()),
            Err(reason) => ControlFlow::Continue(reason),
        })
    })
    .unwrap();
    wait_until("an answer", PATIENCE, || {
        client.poll_egress(&mut on_message(|_, _, message, _| answer = Some(state(message))))?;
        Ok(answer.map_or(ControlFlow::Continue(()), ControlFlow::Break))
    })
    .unwrap()
}

fn published(subscription: &mut Subscription) -> (i64, i64) {
    wait_until("what the C side publishes", PATIENCE, || {
        let mut published = None;
        subscription.poll(1, |message, _| published = Some(state(message)))?;
        Ok(published.map_or(ControlFlow::Continue(()), ControlFlow::Break))
    })
    .unwrap()
}

#[test]
fn a_service_whose_engine_is_c_answers_publishes_and_comes_back() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let connect = |cluster: &TestCluster| {
        let context = client::Context::new()
            .aeron_dir(cluster.aeron_dir(0))
            .ingress_channel("aeron:udp")
            .ingress_endpoints(cluster.ingress_endpoints())
            .egress_channel(cluster.egress_channel());
        AeronCluster::connect(context).unwrap()
    };
    let service = auction(&cluster);
    cluster.wait_for_leader().unwrap();
    service.wait_for_line("role=LEADER", PATIENCE).unwrap();
    let aeron = Aeron::connect(aeron::Context::new().dir(cluster.aeron_dir(0))).unwrap();
    let mut listener = aeron.add_subscription("aeron:ipc", 2001).unwrap();
    let mut client = connect(&cluster);
    assert_eq!((bid(&mut client, 10), published(&mut listener)), ((10, 1), (10, 1)));
    assert_eq!((bid(&mut client, 7), bid(&mut client, 12)), ((10, 2), (12, 3)));
    assert_eq!(published(&mut listener), (12, 3));
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    assert_eq!(bid(&mut client, 11), (12, 4));
    drop((client, listener, aeron));
    cluster.abort().unwrap();
    service.wait_for_line("terminate", PATIENCE).unwrap();

    cluster.start().unwrap();
    let mut service = auction(&cluster);
    cluster.wait_for_leader().unwrap();
    service.wait_for_line("start State { best: 12, bids: 3 }", PATIENCE).unwrap();
    assert_eq!(bid(&mut connect(&cluster), 1), (12, 5));
    assert!(service.stop().unwrap().success());
}
