//! Several services on a member: they see the same log, and one that fails does not pass unnoticed.

use aeron_cluster::testing::{PATIENCE, Part, Process, TestCluster, type_id};

use crate::replica::{Command, ReplicaClient, Reply, Targets};
use crate::rig::{assert_applied, builder, field, replica_with, wait_for_same_state};

const SERVICES: usize = 3;

fn start_services(cluster: &TestCluster, members: impl IntoIterator<Item = usize>, services: usize) -> Vec<Process> {
    let services = |member| (0..services).map(move |service_id| replica_with(cluster, member, service_id, &[]));
    members.into_iter().flat_map(services).collect()
}

/// Lets every service send messages to the log, and schedule timers.
fn send_messages_and_timers(client: &mut ReplicaClient, count: i64) {
    for id in 0..count {
        client.send(Command::Offer(format!("message {id}").as_bytes()));
        client.send(Command::ScheduleTimer { id, delay_ms: id % 7 });
    }
    client.call(Command::Note(b"the last"));
}

/// Whether a state has so many messages and timers, all of them once.
fn has(line: &str, service_messages: i64, timers: i64) -> bool {
    field(line, "doubled") == "0"
        && field(line, "service_messages") == service_messages.to_string()
        && field(line, "timers") == timers.to_string()
}

fn shut_down(cluster: &mut TestCluster, services: Vec<Process>) {
    cluster.abort().unwrap();
    for mut service in services {
        service.wait_for_success(PATIENCE).unwrap();
    }
}

/// Three services on one member: messages to the log and timers of each are the same to all, over restarts from the log and from
/// snapshots. A snapshot that one of them fails is none, and the cluster goes on.
#[test]
fn three_services_of_a_member_apply_the_same() {
    let mut cluster = builder().service_count(SERVICES).start().unwrap();
    let services = start_services(&cluster, [0], SERVICES);
    cluster.wait_for_leader().unwrap();
    let mut client = ReplicaClient::connect(&cluster, 0);
    send_messages_and_timers(&mut client, 20);
    wait_for_same_state(&services, |line| has(line, 60, 60));
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    send_messages_and_timers(&mut client, 10);
    client.close();
    let before = wait_for_same_state(&services, |line| has(line, 90, 90));
    for service in &services {
        service.wait_for_line("snapshot ", PATIENCE).unwrap();
    }
    shut_down(&mut cluster, services);

    cluster.start().unwrap();
    let services = start_services(&cluster, [0], SERVICES);
    cluster.wait_for_leader().unwrap();
    for service in &services {
        let start = service.wait_for_line("start ", PATIENCE).unwrap();
        assert!(has(&start, 60, 60), "{start}");
        let caught_up = service.wait_for_line("role=LEADER", PATIENCE).unwrap();
        assert!(has(&caught_up, 90, 90), "{caught_up}\n{before}");
    }
    let mut client = ReplicaClient::connect(&cluster, 0);
    client.call(Command::FailSnapshot(Targets::service(1)));
    cluster.cluster_tool(0, &["snapshot"]).unwrap();
    let failure = services[1].wait_for_line("told to fail its snapshot", PATIENCE).unwrap();
    println!("{failure}");
    send_messages_and_timers(&mut client, 10);
    client.close();
    let before = wait_for_same_state(&services, |line| has(line, 120, 120));
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("told to fail its snapshot"), "{errors}");
    assert_eq!(cluster.counter(0, type_id::SNAPSHOT_COUNT).unwrap(), Some(0));
    shut_down(&mut cluster, services);

    cluster.start().unwrap();
    let services = start_services(&cluster, [0], SERVICES);
    cluster.wait_for_leader().unwrap();
    for service in &services {
        let start = service.wait_for_line("start ", PATIENCE).unwrap();
        assert!(has(&start, 60, 60), "the snapshot before the failed one: {start}");
        let caught_up = service.wait_for_line("role=LEADER", PATIENCE).unwrap();
        assert_eq!(field(&caught_up, "messages"), field(&before, "messages"));
        assert!(has(&caught_up, 120, 120), "{caught_up}");
    }
}

/// A service that cannot start ends its whole member, and every part says why.
#[test]
fn a_service_that_fails_to_start_ends_the_member() {
    let mut cluster = builder().service_count(2).start().unwrap();
    let mut good = replica_with(&cluster, 0, 0, &[]);
    let mut bad = replica_with(&cluster, 0, 1, &["--fail-start"]);
    assert_eq!(bad.wait(PATIENCE).unwrap().code(), Some(1));
    bad.wait_for_line("failed to start service=1", PATIENCE).unwrap();
    bad.wait_for_line("told to fail its start", PATIENCE).unwrap();
    good.wait_for_success(PATIENCE).unwrap();
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("told to fail its start"), "{errors}");
    assert!(errors.contains("failed to start clustered service"), "{errors}");
    // The consensus module is closed, but at 1.51.0 its process stays.
    cluster.kill(0, Part::ConsensusModule);

    cluster.start().unwrap();
    let services = start_services(&cluster, [0], 2);
    cluster.wait_for_leader().unwrap();
    let mut client = ReplicaClient::connect(&cluster, 0);
    send_messages_and_timers(&mut client, 3);
    wait_for_same_state(&services, |line| has(line, 6, 6));
}

/// Two services on each of three members: the leader is killed under load, a follower takes over, the killed one comes back. No message of a
/// service and no timer is lost or comes twice, on any of the six.
#[test]
fn two_services_on_three_members_over_a_killed_leader() {
    let mut cluster = builder().members(3).service_count(2).start().unwrap();
    let mut services = start_services(&cluster, 0..3, 2);
    let leader = cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    let mut client = ReplicaClient::connect(&cluster, (leader + 1) % 3);
    send_messages_and_timers(&mut client, 20);
    cluster.cluster_tool(leader, &["snapshot"]).unwrap();

    // Some are answered, some on their way to the log, when the leader dies.
    let first = client.received().len();
    let answered = client.last_number() + 10;
    for id in 0..20 {
        client.send(Command::Offer(b"under way"));
        client.send(Command::ScheduleTimer { id: 100 + id, delay_ms: 500 });
    }
    client.wait_for(first, "an answer", |reply| {
        matches!(reply, Reply::Done { number, .. } if *number == answered).then_some(())
    });
    cluster.kill_member(leader);
    services[2 * leader].kill();
    services[2 * leader + 1].kill();
    let next = cluster.wait_for_leader().unwrap();
    assert_ne!(next, leader);
    client.poll_until("the new leader", |client| (!client.new_leaders().is_empty()).then_some(()));
    send_messages_and_timers(&mut client, 10);

    cluster.start().unwrap();
    for service_id in 0..2 {
        services[2 * leader + service_id] = replica_with(&cluster, leader, service_id, &[]);
    }
    cluster.wait_for_members().unwrap();
    client.call(Command::Note(b"the last"));
    // What the old leader did not commit is lost with it: each of those commands would have brought two messages and two timers.
    let state = wait_for_same_state(&services, |line| {
        let applied: i64 = field(line, "messages").parse().unwrap();
        let lost = client.last_number() as i64 - applied;
        let count = |name: &str| field(line, name).parse::<i64>().unwrap();
        lost >= 0 && count("service_messages") + count("timers") == 2 * (applied - 3)
    });
    assert_eq!(field(&state, "doubled"), "0", "{state}");
    assert_applied(&state, &mut client);
}
