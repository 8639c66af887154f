//! Messages of every length, whole and in fragments, of several clients at once.

use std::path::Path;

use aeron_cluster::client::Context;
use aeron_cluster::testing::{DriverCounters, PATIENCE, Process, TestCluster};

use crate::replica::{Command, ReplicaClient, Reply};
use crate::rig::{abort, builder, field, replica, state_of, take_snapshot};

const MTU: usize = 1408;
/// Of Aeron's frame and of the cluster's session, in front of the message.
const HEADERS: usize = 32 + 32;

fn client_with(cluster: &TestCluster, aeron_dir: &Path, parameters: &str) -> ReplicaClient {
    ReplicaClient::with(
        Context::new()
            .aeron_dir(aeron_dir)
            .ingress_channel(format!("aeron:udp?{parameters}"))
            .ingress_endpoints(cluster.ingress_endpoints())
            .egress_channel(format!("{}|{parameters}", cluster.egress_channel()))
            .message_timeout(PATIENCE),
    )
}

/// A cluster whose ingress, log and egress have this term length and MTU.
fn started(parameters: &str) -> (TestCluster, Process) {
    let channel = format!("aeron:udp?{parameters}");
    let mut cluster = builder()
        .property("aeron.cluster.ingress.channel", &channel)
        .property("aeron.cluster.log.channel", &channel)
        .property("aeron.archive.segment.file.length", "16m")
        .start()
        .unwrap();
    let service = replica(&cluster);
    cluster.wait_for_leader().unwrap();
    (cluster, service)
}

fn content(length: usize, seed: usize) -> Vec<u8> {
    // Never a command: those begin with a small number.
    (0..length).map(|index| 0x40 | (seed + index * 3) as u8).collect()
}

/// Changes the term length and the MTU of a cluster that does not run.
fn change(cluster: &mut TestCluster, parameters: &str) {
    for name in ["aeron.cluster.ingress.channel", "aeron.cluster.log.channel"] {
        cluster.set_property(name, &format!("aeron:udp?{parameters}"));
    }
}

/// Every client sends messages of these lengths at the same time; each gets its own back, in order and whole.
fn exchange(clients: &mut [ReplicaClient], lengths: &[usize]) {
    let starts: Vec<_> = clients.iter().map(|client| client.received().len()).collect();
    for (index, length) in lengths.iter().enumerate() {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send_raw(&content(*length, number * 100 + index));
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let end = starts[number] + lengths.len();
        client.poll_until("all echoes", |client| (client.received().len() >= end).then_some(()));
        for (index, length) in lengths.iter().enumerate() {
            let echo = &client.received()[starts[number] + index];
            assert!(*echo == content(*length, number * 100 + index), "message {index} of {length} bytes");
        }
    }
}

/// From nothing to the longest message that the term allows: whole up to the last byte of a packet, in fragments beyond.
#[test]
fn every_length_up_to_the_longest() {
    let (cluster, service) = started("term-length=4m");
    let aeron_dir = cluster.aeron_dir(0);
    let mut clients: Vec<_> = (0..3).map(|_| client_with(&cluster, &aeron_dir, "term-length=4m")).collect();
    let longest = clients[0].session().max_message_length().unwrap();
    assert_eq!(longest, 4 * 1024 * 1024 / 8 - 32);
    let packet = MTU - HEADERS;
    let lengths = [
        0,
        1,
        8,
        9,
        31,
        32,
        33,
        100,
        packet - 1,
        packet,
        packet + 1,
        2 * packet + 32,
        2 * packet + 33,
        10_000,
        65_504,
        65_505,
        longest - 1,
        longest,
        0,
        1,
    ];
    exchange(&mut clients, &lengths);
    for length in [0, 1, packet as u32, 100_000, longest as u32 - 10] {
        let sent = clients[0].send(Command::Reply { length });
        let first = clients[0].received().len().saturating_sub(1);
        let got = clients[0].wait_for(first, "a long reply", |reply| match reply {
            Reply::Bytes { number, bytes, .. } if *number == sent => Some(bytes.len()),
            _ => None,
        });
        assert_eq!(got, length as usize);
    }
    let state = service.wait_for_line(&format!("messages={}", 3 * lengths.len() + 5), PATIENCE).unwrap();
    assert_eq!(field(&state, "doubled"), "0");
}

/// The channel of the log as the leader publishes it.
fn log_channel(cluster: &TestCluster) -> String {
    let counters = DriverCounters::open(&cluster.aeron_dir(0)).unwrap().unwrap().all().unwrap();
    let of_log = |label: &String| label.starts_with("pub-pos (exclusive)") && label.contains(" 100 aeron:udp");
    counters.into_iter().map(|counter| counter.label).find(of_log).unwrap()
}

/// Ingress and egress change at once. The consensus module keeps those of the log, until a log begins anew behind a snapshot.
#[test]
fn mtu_and_term_length_change_between_restarts() {
    const FIRST: &str = "term-length=262144|mtu=1408";
    const OTHER_MTU: &str = "term-length=262144|mtu=8192";
    const OTHER_TERM: &str = "term-length=2097152|mtu=4096";
    let (mut cluster, mut service) = started(FIRST);
    let mut ended = None;
    for (parameters, is_from_snapshot) in [(FIRST, false), (OTHER_MTU, false), (OTHER_TERM, true)] {
        if let Some(ended) = &ended {
            change(&mut cluster, parameters);
            cluster.start().unwrap();
            service = replica(&cluster);
            cluster.wait_for_leader().unwrap();
            let start = service.wait_for_line("start ", PATIENCE).unwrap();
            assert_eq!(field(&start, "messages") != "0", is_from_snapshot, "{start}");
            let caught_up = service.wait_for_line("role=LEADER", PATIENCE).unwrap();
            assert_eq!(&state_of(&caught_up), ended, "{parameters}");
        }
        let log = log_channel(&cluster);
        let of_log = if is_from_snapshot { OTHER_TERM } else { FIRST };
        let (term, mtu) = of_log.split_once('|').unwrap();
        assert!(log.contains(term) && log.contains(mtu), "{log}");
        let aeron_dir = cluster.aeron_dir(0);
        let mut clients: Vec<_> = (0..2).map(|_| client_with(&cluster, &aeron_dir, parameters)).collect();
        let longest = clients[0].session().max_message_length().unwrap();
        exchange(&mut clients, &[0, 1_000, 1_344, 1_345, 8_128, 8_129, longest, 20_000]);
        let before = service.line_count();
        drop(clients);
        service.wait_for_line_from(before, "sessions=0/", PATIENCE).unwrap();
        if parameters == OTHER_MTU {
            take_snapshot(&cluster, &service);
        }
        ended = Some(state_of(&abort(&mut cluster, &mut service)).to_owned());
        if parameters == OTHER_MTU {
            // What the log brought after the snapshot went with it.
            cluster.cluster_tool(0, &["seed-recording-log-from-snapshot"]).unwrap();
        }
    }
}
