//! Joining and leaving logs.

use std::time::{Duration, Instant};

use aeron_cluster::codec::{ActionFlags, ClusterAction, RequestServiceAck};
use aeron_cluster::service::{FailurePolicy, Role, Termination};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{action, message, open, open_on, terminate_at};
use crate::probe::{Event, Fail};
use crate::script::{LOG_STREAM, Script, join_request, wait_for};

#[test]
fn the_subscription_to_the_log_has_our_alias_and_keeps_its_tags() {
    let mut script = Script::start(|context| context);
    let log = script.log(0);
    let channel = format!("{}|alias=log|tags=4711", log.channel());
    script.tell(&log.request(0, Role::Follower, &channel));
    script.ack();
    let mut labels = Vec::new();
    script.aeron.counters().for_each(|counter| labels.push(counter.label.to_owned()));
    let label = labels.iter().find(|label| label.starts_with("sub-pos: ") && label.contains("alias=log-sc-0"));
    let label = label.unwrap_or_else(|| panic!("no subscription with our alias: {labels:?}"));
    assert!(label.contains("tags=4711") && !label.contains("alias=log|"), "{label}");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_leader_that_starts_up_connects_to_no_client() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &open(3));
    script.append(&mut log, &message(3, 9, "opened"));
    assert_eq!(script.events.text(), "opened");
    let _client = script.aeron.add_subscription("aeron:ipc", 102).unwrap();
    log = script.log(log.position);
    script.tell(&log.special_request(Role::Leader, true, false));
    script.ack();
    script.append(&mut log, &message(3, 9, "echo"));
    // The client would hear it, and the service does not expect that it does not.
    let error = script.ended().0.unwrap_err().to_string();
    assert!(error.ends_with("refused: not connected"), "{error}");
}

#[test]
fn a_new_leader_forgets_which_sessions_were_closing() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open(3));
    for _ in 0..2 {
        script.append(&mut log, &message(3, 9, "close"));
        script.heard(|event| matches!(event, aeron_cluster::codec::ServiceEvent::CloseSession(_)).then_some(()));
        // The request got lost with the leader.
        log = script.log(log.position);
        script.join(&log, Role::Leader);
    }
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_client_whose_channel_is_refused_is_told_of_and_the_session_goes_on() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open_on(3, "aeron:udp?endpoint=no.such.host.invalid:1"));
    let told = script.errors.recv_timeout(PATIENCE).unwrap();
    assert!(told.starts_with("failed to connect session response publication: "), "{told}");
    script.append(&mut log, &message(3, 9, "goes on"));
    assert_eq!(script.events.text(), "goes on");
    script.append(&mut log, &message(3, 9, "echo"));
    let error = script.ended().0.unwrap_err().to_string();
    assert!(error.ends_with("refused: not connected"), "{error}");
}

#[test]
fn a_standby_takes_the_snapshots_that_are_for_standby_nodes() {
    let mut script = Script::start_failing(Fail::Never, |context| context);
    let mut log = script.log(0);
    script.tell(&log.special_request(Role::Follower, false, true));
    script.ack();
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::STANDBY_SNAPSHOT));
    // There is no archive here: the acknowledgement of a snapshot that failed.
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (2, position, -1));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_log_that_is_gone_is_left_and_only_a_change_of_role_is_told() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    let end = script.append(&mut log, &message(3, 9, "last"));
    assert_eq!(script.events.text(), "last");
    drop(log);
    let role = |event: &Event| if let Event::Role(role) = event { Some(*role) } else { None };
    assert_eq!(script.events.wait_for(role), Role::Follower);
    let mut next = script.log(end);
    let ack = script.join(&next, Role::Follower);
    assert_eq!((ack.ack_id, ack.log_position), (2, end));
    script.append(&mut next, &message(3, 9, "goes on"));
    assert!(matches!(script.events.next(), Event::Message { .. }), "a follower stays one");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

/// Asks for a log that does not come.
fn ask_for_nothing(script: &Script) {
    script.tell(&join_request(4242, 0, Role::Follower, "aeron:ipc"));
    // Of another session, but it sees that somebody subscribes.
    let witness = script.aeron.add_exclusive_publication("aeron:ipc", LOG_STREAM).unwrap();
    wait_for(|| witness.is_connected());
}

#[test]
fn a_newer_request_to_join_takes_the_place_of_one_whose_log_does_not_come() {
    let mut script = Script::start(|context| context);
    ask_for_nothing(&script);
    let mut log = script.log(0);
    let ack = script.join(&log, Role::Follower);
    assert_eq!((ack.ack_id, ack.log_position), (1, 0));
    script.append(&mut log, &message(1, 1, "joined"));
    assert_eq!(script.events.text(), "joined");
    // The log that was given up is not joined when it comes after all.
    let late = script.aeron.add_exclusive_publication("aeron:ipc?session-id=4242", LOG_STREAM).unwrap();
    script.append(&mut log, &message(1, 2, "still"));
    assert_eq!(script.events.text(), "still");
    assert!(!late.is_connected());
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_termination_is_heard_while_a_log_does_not_come() {
    let mut script = Script::start(|context| context);
    ask_for_nothing(&script);
    script.tell(&terminate_at(0, true));
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (1, 0, -1));
    let (ended, events, _) = script.ended();
    assert_eq!(ended.unwrap(), Termination::Expected);
    assert_eq!(events.last(), Some(&Event::Terminate));
}

#[test]
fn a_log_is_acknowledged_before_what_was_asked_after_it() {
    let mut script = Script::start(|context| context);
    ask_for_nothing(&script);
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    // Heard, and put off: the request behind it is done.
    script.tell(&terminate_at(1 << 40, false));
    wait_for(|| script.is_heard());
    assert_eq!(script.unheard(), 0);
    let _log = script.aeron.add_exclusive_publication("aeron:ipc?session-id=4242", LOG_STREAM).unwrap();
    for id in [1, 2] {
        let ack = script.ack();
        assert_eq!((ack.ack_id, ack.log_position), (id, 0));
    }
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_log_that_cannot_be_joined_is_tried_again_after_a_pause_that_grows() {
    const A_WHILE: Duration = Duration::from_millis(600);
    for channel in ["aeron:udp?endpoint=no.such.host.invalid:1", "no channel at all"] {
        let mut script = Script::start(|context| context.failure_policy(FailurePolicy::LogAndContinue));
        let log = script.log(0);
        let start = Instant::now();
        script.tell(&log.request(0, Role::Follower, channel));
        let mut tries = 0;
        while start.elapsed() < A_WHILE {
            tries += script.errors.recv_timeout(A_WHILE).iter().count();
        }
        // 10, 20, 40, ... ms, where a tick is 1 ms.
        assert!((2..=8).contains(&tries), "{tries} tries to join {channel}");
        // What else is to be done does not wait.
        script.tell(&terminate_at(0, true));
        assert_eq!(script.ack().ack_id, 1);
        assert_eq!(script.ended().0.unwrap(), Termination::Expected);
    }
}
