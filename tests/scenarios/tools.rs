//! What an operator's tools show of a Rust service: what they show of a Java one, line by line.

use aeron_cluster::testing::{Java, PATIENCE, Process, TestCluster};

use crate::replica::{Command, ReplicaClient, Targets};
use crate::rig::{builder, java_replica, replica, take_snapshot};
use crate::support::java_1_54;

const FAILURE: &str = "this replica was told to fail its snapshot";

/// Values that two runs of one service have different too.
const OF_THE_RUN: [&str; 4] = ["activityTimestamp=", "startTimestamp=", "pid=", "timestamp="];

/// Counters that are there for as long as a service runs; others come and go with sessions and snapshots.
const OF_THE_SERVICE: [&str; 6] = [
    "serviceId=0",
    "client-heartbeat: id=",
    "alias=log-sc-0",
    " 104 aeron:ipc",
    " 105 aeron:ipc",
    "Cluster snapshot count",
];

/// A line of ClusterTool without what belongs to the run.
fn of_tool(line: &str) -> Option<String> {
    // The cause of an error is told in each language's own way.
    if line.trim().is_empty() || line.starts_with('\t') {
        return None;
    }
    if line.contains(FAILURE) {
        return Some(FAILURE.to_owned());
    }
    if let Some((count, _)) = line.split_once(" observations from") {
        return Some(format!("{count} observations"));
    }
    if line.starts_with("Type: ") {
        return Some(line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    }
    let separator = if line.contains('|') { "|" } else { ", " };
    let masked = line.split(separator).map(|field| {
        let name = OF_THE_RUN.iter().find(|name| field.starts_with(**name));
        name.map_or_else(|| field.to_owned(), |name| format!("{name}*"))
    });
    Some(masked.collect::<Vec<_>>().join(separator))
}

/// A line of AeronStat about the service, without the counter's id and, where time or chance made it, the value; nor the revision of the
/// software, and ids in a label.
fn of_stat(line: &str) -> Option<String> {
    let (_, counter) = line.trim().split_once(':')?;
    let (value, label) = counter.trim().split_once(" - ")?;
    let is_wanted = OF_THE_SERVICE.iter().any(|part| label.contains(part));
    let is_service = !label.starts_with("client-heartbeat") || label.contains("clustered-service");
    if !is_wanted || !is_service {
        return None;
    }
    let is_count = ["Errors", "snapshot count"].iter().any(|part| label.contains(part));
    let words = label.split(' ').map(|word| {
        let is_id = word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let is_ours = ["commit=", "id="].iter().any(|name| word.starts_with(name)) || word.contains("session-id=");
        if is_id || is_ours { "*" } else { word }
    });
    let label = words.collect::<Vec<_>>().join(" ");
    // The first of the numbers of a stream is its registration.
    let label = label.split_once(": ").map_or(label.clone(), |(name, rest)| match rest.split_once(' ') {
        Some((id, rest)) if id.bytes().all(|byte| byte.is_ascii_digit()) => format!("{name}: * {rest}"),
        _ => label.clone(),
    });
    Some(format!("{} - {label}", if is_count { value } else { "*" }))
}

fn stat(cluster: &TestCluster, java: &Java) -> Vec<String> {
    let mut command = java.command("io.aeron.samples.AeronStat", [("aeron.dir", cluster.aeron_dir(0))]);
    command.arg("watch=false");
    let mut stat = Process::spawn("AeronStat", &command).unwrap();
    stat.wait_for_success(PATIENCE).unwrap();
    let mut lines: Vec<_> = stat.lines().iter().filter_map(|line| of_stat(line)).collect();
    // In the order of their ids, which depends on who came first.
    lines.sort();
    lines
}

/// What the tools say of a member that took a snapshot and failed one.
fn shown(java: &Java, start: impl Fn(&TestCluster) -> Process) -> Vec<(&'static str, Vec<String>)> {
    let mut cluster = builder().java(java.clone()).start().unwrap();
    let service = start(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut client = ReplicaClient::connect(&cluster, 0);
    take_snapshot(&cluster, &service);
    client.call(Command::FailSnapshot(Targets::ALL));
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    client.call(Command::Note(b"after the failure"));
    let dir = cluster.cluster_dir(0);
    let dir = dir.parent().unwrap().display().to_string();
    let of_member = |command| {
        let text = cluster.cluster_tool(0, &[command]).unwrap().replace(&dir, "DIR");
        (command, text.lines().filter_map(of_tool).collect())
    };
    let mut shown: Vec<_> = ["describe", "errors", "recording-log"].map(of_member).into();
    shown.push(("AeronStat", stat(&cluster, java)));
    shown
}

#[test]
fn tools_show_a_rust_service_as_a_java_one() {
    let java = java_1_54();
    let of_rust = shown(&java, replica);
    let of_java = shown(&java, |cluster| java_replica(cluster, &java));
    for (rust, java) in of_rust.iter().zip(&of_java) {
        assert_eq!(rust, java);
    }
    let text = |index: usize| of_rust[index].1.join("\n");
    let (describe, errors, recording_log, stat) = (text(0), text(1), text(2), text(3));
    println!("{describe}\n{errors}\n{recording_log}\n{stat}");
    assert!(describe.contains("componentType=CONTAINER") && describe.contains("serviceName='clustered-service-0-0'"));
    assert!(errors.contains(FAILURE) && errors.contains("1 observations"), "{errors}");
    assert_eq!(recording_log.matches("type=SNAPSHOT").count(), 2, "{recording_log}");
    assert!(stat.contains("1 - Cluster Container Errors - clusterId=0 serviceId=0"), "{stat}");
}
