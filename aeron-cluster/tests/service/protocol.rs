//! The container's side of the protocol, message by message, against a consensus module played by the test.

use std::time::{Duration, Instant};

use aeron_cluster::codec::{ActionFlags, ClusterAction, MessageHeader, NewLeadershipTermEvent, RequestServiceAck};
use aeron_cluster::service::{ClusterTimeUnit, FailurePolicy, Role, SemanticVersion, Termination};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{action, close, message, open, terminate_at};
use crate::probe::{Event, Fail};
use crate::script::{LOG_STREAM, Script, ended, join_request, wait_for};

#[test]
fn acknowledgements_count_up_over_all_their_kinds() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    let ack = script.join(&log, Role::Follower);
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (1, 0, -1));

    script.tell(&RequestServiceAck { log_position: 64 }.encode());
    let position = script.append(&mut log, &message(1, 9, ""));
    assert_eq!(position, 64);
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id, ack.timestamp), (2, 64, -1, 9));

    // A snapshot for standby nodes is none of this one's business: no acknowledgement.
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::STANDBY_SNAPSHOT));
    let position = script.append(&mut log, &message(1, 9, "passed"));
    while script.events.text() != "passed" {}
    // A position that was passed is acknowledged all the same.
    script.tell(&RequestServiceAck { log_position: 64 }.encode());
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position), (3, position));
    assert_eq!(
        script.errors.recv_timeout(PATIENCE).unwrap(),
        format!("invalid ack request: logPosition={position} > requestedAckPosition=64")
    );

    // A consensus module before 1.53 does not say whether it waits: it does.
    let mut old = terminate_at(position, false);
    old.truncate(MessageHeader::ENCODED_LENGTH + 8);
    old[0..2].copy_from_slice(&8u16.to_le_bytes());
    old[6..8].copy_from_slice(&16u16.to_le_bytes());
    script.tell(&old);
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (4, position, -1));
    assert_eq!(ended(script.container).unwrap(), Termination::Expected);
    assert_eq!(script.events.rest().last(), Some(&Event::Terminate));
}

#[test]
fn the_log_is_not_read_past_the_commit_position() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    let first = log.append(&message(1, 1, "first"));
    let second = log.append(&message(1, 2, "second"));
    script.commit(first);
    assert_eq!(script.events.text(), "first");
    script.tell(&RequestServiceAck { log_position: first }.encode());
    assert_eq!(script.ack().log_position, first);
    script.commit(second);
    assert_eq!(script.events.text(), "second");
    // A termination whose position was passed is none that was expected.
    script.tell(&terminate_at(first, true));
    assert_eq!(script.ack().log_position, second);
    assert_eq!(ended(script.container).unwrap(), Termination::Unexpected);
    let expected = format!("service terminate: logPosition={second} > terminationPosition={first}");
    assert!(script.errors.try_iter().any(|error| error == expected), "{expected}");
}

#[test]
fn a_log_that_the_driver_refuses_is_tried_again_until_another_comes() {
    let mut script = Script::start(|context| context);
    let log = script.log(0);
    script.tell(&log.request(0, Role::Follower, "aeron:udp?endpoint=no.such.host.invalid:1"));
    for _ in 0..2 {
        let error = script.errors.recv_timeout(PATIENCE).unwrap();
        assert!(error.starts_with("failed to join active log, will retry: "), "{error}");
    }
    let ack = script.join(&log, Role::Follower);
    assert_eq!((ack.ack_id, ack.log_position), (1, 0));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_log_that_does_not_go_on_where_the_last_one_ended_is_fatal() {
    for (joins_at, says, error) in [
        (64, 64, "joining image: expectedPosition=0 joinPosition=64"),
        (0, 128, "active log event: expectedPosition=0 eventPosition=128"),
    ] {
        let script = Script::start(|context| context);
        let log = script.log(joins_at);
        script.tell(&log.request(says, Role::Follower, &log.channel()));
        let ended = ended(script.container).unwrap_err().to_string();
        assert_eq!(ended, format!("Cluster log must be contiguous for {error}"));
        assert_eq!(script.events.rest().last(), Some(&Event::Terminate));
    }
}

#[test]
fn a_log_is_left_at_its_end_and_the_next_one_joined_there_in_another_role() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open(3));
    let end = script.append(&mut log, &message(3, 8, "last"));
    assert_eq!(script.events.text(), "last");
    let mut next = script.log(end);
    let ack = script.join(&next, Role::Leader);
    assert_eq!((ack.ack_id, ack.log_position), (2, end));
    // Left and joined: a follower in between.
    let role = |event: &Event| if let Event::Role(role) = event { Some(*role) } else { None };
    assert_eq!(script.events.wait_for(role), Role::Follower);
    assert_eq!(script.events.wait_for(role), Role::Leader);
    script.append(&mut next, &message(3, 9, "goes on"));
    let (session, position) = script.events.wait_for(|event| match event {
        Event::Message { session, position, .. } => Some((*session, *position)),
        _ => None,
    });
    assert_eq!((session, position), (Some(3), next.position));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn what_is_wrong_in_the_log_ends_the_node_or_is_passed_over_as_the_policy_says() {
    let mut foreign = message(1, 1, "foreign");
    foreign[4..6].copy_from_slice(&112u16.to_le_bytes());
    for (bad, error) in [
        (open(3), "clashing open clusterSessionId=3 leadershipTermId=0"),
        (foreign, "expected schemaId=111, actual=112"),
        (message(1, 1, "panic"), "service panicked in on_session_message at log position"),
    ] {
        for policy in [FailurePolicy::Terminate, FailurePolicy::LogAndContinue] {
            let mut script = Script::start(|context| context.failure_policy(policy));
            let mut log = script.log(0);
            script.join(&log, Role::Follower);
            script.append(&mut log, &open(3));
            // Unknown: told, and passed over whatever the policy.
            script.append(&mut log, &close(99));
            script.append(&mut log, &bad);
            script.append(&mut log, &message(3, 9, "after"));
            let told = script.errors.recv_timeout(PATIENCE).unwrap();
            assert!(told.starts_with("unknown session close: clusterSessionId=99 closeReason="), "{told}");
            let told = script.errors.recv_timeout(PATIENCE).unwrap();
            assert!(told.contains(error), "{told}");
            if policy == FailurePolicy::LogAndContinue {
                assert_eq!(script.events.text(), "after");
                assert_eq!(script.container.close().unwrap(), Termination::Closed);
            } else {
                assert_eq!(ended(script.container).unwrap_err().to_string(), told);
                let rest = script.events.rest();
                assert!(!rest.iter().any(|event| matches!(event, Event::Message { .. })), "{rest:?}");
            }
            assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
        }
    }
}

#[test]
fn unknown_messages_and_changes_of_membership_are_passed_over() {
    const MEMBERSHIP_CHANGE: u16 = 25;
    const UNKNOWN: u16 = 999;
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    for template_id in [MEMBERSHIP_CHANGE, UNKNOWN] {
        // Long enough for every field of the change.
        let mut other = message(1, 1, &"\0".repeat(100));
        other[0..2].copy_from_slice(&56u16.to_le_bytes());
        other[2..4].copy_from_slice(&template_id.to_le_bytes());
        script.append(&mut log, &other);
    }
    script.append(&mut log, &message(1, 2, "after"));
    let Event::Message { text, time, .. } = script.events.wait_for(|event| {
        // The start comes before, and nothing else.
        (!matches!(event, Event::Start { .. })).then(|| event.clone())
    }) else {
        panic!("no message")
    };
    assert_eq!((text.as_str(), time), ("after", 2));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_term_of_another_application_version_ends_the_node_whatever_the_policy() {
    let mut script = Script::start(|context| {
        context.app_version(SemanticVersion::new(1, 2, 3)).failure_policy(FailurePolicy::LogAndContinue)
    });
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    for major in [1, 2] {
        let event = NewLeadershipTermEvent {
            leadership_term_id: 4,
            log_position: log.position_after(56),
            timestamp: 10,
            term_base_log_position: 0,
            leader_member_id: 7,
            log_session_id: 1,
            time_unit: ClusterTimeUnit::Nanos,
            app_version: Some(SemanticVersion::new(major, 0, 0)),
        };
        script.append(&mut log, &event.encode());
    }
    assert_eq!(ended(script.container).unwrap_err().to_string(), "incompatible version: 1.2.3 log=2.0.0");
    let rest = script.events.rest();
    let terms = rest
        .iter()
        .filter(|event| matches!(event, Event::Term { event, member_id: 7 } if event.leadership_term_id == 4));
    assert_eq!(terms.count(), 1, "{rest:?}");
    assert_eq!(rest.last(), Some(&Event::Terminate));
}

/// The session of a log that is not there yet.
const LATE_SESSION: i32 = 4242;

/// Asks for a log that is not there yet, and waits until the service waits for it.
fn join_late(script: &Script) {
    // Of another session, but it sees that somebody subscribes.
    let witness = script.aeron.add_exclusive_publication("aeron:ipc", LOG_STREAM).unwrap();
    script.tell(&join_request(LATE_SESSION, 0, Role::Follower, "aeron:ipc"));
    wait_for(|| witness.is_connected());
}

#[test]
fn a_container_is_closed_while_it_waits_for_a_log_or_an_archive() {
    const PROMPT: Duration = Duration::from_secs(1);
    let script = Script::start(|context| context);
    join_late(&script);
    let start = Instant::now();
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());

    let mut script = Script::start(|context| context);
    let archive_that_never_answers = script.aeron.add_subscription("aeron:ipc", 10).unwrap();
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
    wait_for(|| archive_that_never_answers.is_connected());
    let start = Instant::now();
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
}

#[test]
fn a_snapshot_without_an_archive_is_acknowledged_as_failed_and_the_service_goes_on() {
    let mut script = Script::start(|context| context.snapshot_duration_threshold(Duration::ZERO));
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id, ack.timestamp), (2, position, -1, 6));
    // The time that it took counts all the same.
    let counters = script.aeron.counters();
    assert_eq!(counters.value(counters.find(|counter| counter.type_id == 237).unwrap()), Some(1));
    let told = script.errors.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("cannot connect to archive"), "{told}");
    script.append(&mut log, &message(1, 9, "goes on"));
    assert_eq!(script.events.text(), "goes on");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn background_work_that_fails_does_not_lose_the_log_that_is_being_joined() {
    let mut script =
        Script::start_failing(Fail::BackgroundNow, |context| context.failure_policy(FailurePolicy::LogAndContinue));
    join_late(&script);
    for _ in script.errors.try_iter() {}
    for _ in 0..3 {
        let told = script.errors.recv_timeout(PATIENCE).unwrap();
        assert!(told.contains("service panicked in do_background_work"), "{told}");
    }
    let _log = script.aeron.add_exclusive_publication("aeron:ipc?session-id=4242", LOG_STREAM).unwrap();
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position), (1, 0));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn only_a_leader_is_connected_to_the_clients() {
    let mut script = Script::start(|context| context);
    let mut client = script.aeron.add_subscription("aeron:ipc", 102).unwrap();
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open(3));
    wait_for(|| client.is_connected());

    log = script.log(log.position);
    script.join(&log, Role::Follower);
    wait_for(|| !client.is_connected());
    // It answers all the same, to nobody.
    script.append(&mut log, &message(3, 9, "echo as a follower"));
    assert_eq!(script.events.text(), "echo as a follower");

    log = script.log(log.position);
    script.join(&log, Role::Leader);
    script.append(&mut log, &message(3, 9, "echo as a leader"));
    let mut heard = Vec::new();
    wait_for(|| {
        client.poll(1, |message, _| heard = message[32..].to_vec()).unwrap();
        !heard.is_empty()
    });
    assert_eq!(heard, b"echo as a leader");
    script.append(&mut log, &close(3));
    wait_for(|| !client.is_connected());
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}
