//! Joining and leaving logs.

use aeron_cluster::codec::{ActionFlags, ClusterAction};
use aeron_cluster::service::{Role, Termination};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{action, message, open, open_on};
use crate::probe::{Event, Fail};
use crate::script::Script;

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
