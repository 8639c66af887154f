//! What the consensus module says over the control channel, and what it is told there.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use aeron_cluster::codec::{ActionFlags, ClusterAction, RequestServiceAck, ServiceEvent};
use aeron_cluster::service::mark_file::mark_file_name;
use aeron_cluster::service::{FailurePolicy, Role, Termination};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{action, message, open, terminate_at};
use crate::probe::{Event, Fail};
use crate::script::{Recovery, Script, Stage, activity, ended, wait_for};

/// Where the mark file says of which member it is.
const MEMBER_ID_OFFSET: usize = 64;

fn mark_file(script: &Script) -> Vec<u8> {
    std::fs::read(script.cluster.cluster_dir(0).join(mark_file_name(0))).unwrap()
}

#[test]
fn a_service_waits_for_the_counters_of_its_own_cluster() {
    let stage = Stage::with_driver();
    let _others = stage.publish(&Recovery { cluster_id: 9, log_position: 640, ..Recovery::NOTHING });
    let recovery = Recovery { timestamp: 77, ..Recovery::NOTHING };
    let mut script = stage.launch(&recovery, Fail::Never, |context| context);
    script.started(&recovery);
    assert!(matches!(script.events.next(), Event::Start { position: 0, .. }));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn what_is_foreign_on_the_control_channel_is_an_error_and_what_is_unknown_is_not() {
    let mut foreign = RequestServiceAck { log_position: 0 }.encode();
    foreign[4..6].copy_from_slice(&112u16.to_le_bytes());
    let mut unknown = RequestServiceAck { log_position: 0 }.encode();
    unknown[2..4].copy_from_slice(&999u16.to_le_bytes());
    for policy in [FailurePolicy::Terminate, FailurePolicy::LogAndContinue] {
        let mut script = Script::start(|context| context.failure_policy(policy));
        script.tell(&unknown);
        script.tell(&RequestServiceAck { log_position: 0 }.encode());
        assert_eq!(script.ack().ack_id, 1);
        assert_eq!(script.errors.try_iter().count(), 0);
        script.tell(&foreign);
        let told = script.errors.recv_timeout(PATIENCE).unwrap();
        assert!(told.contains("expected schemaId=111, actual=112"), "{told}");
        if policy == FailurePolicy::LogAndContinue {
            script.tell(&RequestServiceAck { log_position: 0 }.encode());
            assert_eq!(script.ack().ack_id, 2);
            assert_eq!(script.container.close().unwrap(), Termination::Closed);
        } else {
            assert_eq!(script.ended().0.unwrap_err().to_string(), told);
        }
    }
}

#[test]
fn a_long_request_is_put_together() {
    let mut script = Script::start(|context| context);
    let log = script.log(0);
    // More than one packet, for the length of a parameter that the driver does not know.
    let channel = format!("{}|note={}", log.channel(), "x".repeat(3_000));
    script.tell(&log.request(0, Role::Follower, &channel));
    assert_eq!(script.ack().ack_id, 1);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn other_actions_than_snapshots_change_position_and_time_and_nothing_else() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    for other in [ClusterAction::Suspend, ClusterAction::Resume] {
        // The position is the one in the message, wherever it lies itself.
        script.append(&mut log, &action(4096, other, ActionFlags::DEFAULT));
    }
    script.tell(&RequestServiceAck { log_position: 4096 }.encode());
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.timestamp), (2, 4096, 6));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    assert!(!script.events.rest().contains(&Event::Snapshot));
}

#[test]
fn a_termination_without_acknowledgement_is_expected_and_no_error() {
    let mut script = Script::start_failing(Fail::TerminateWithPanic, |context| context);
    script.tell(&terminate_at(0, false));
    assert_eq!(script.events.rest().last(), Some(&Event::Terminate));
    assert_eq!(script.unheard(), 0, "nobody asked for an acknowledgement");
    assert_eq!(ended(script.container).unwrap(), Termination::Expected);
    // What goes wrong in `on_terminate` is told and changes nothing.
    let told: Vec<_> = script.errors.try_iter().collect();
    assert!(matches!(&told[..], [panic] if panic.contains("service panicked in on_terminate")), "{told:?}");
}

#[test]
fn an_unexpected_termination_is_told_and_the_ack_of_one_is_given_up_when_nobody_listens() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &message(1, 9, "passed"));
    assert_eq!(script.events.text(), "passed");
    script.stop_listening();
    // As a consensus module that dies says it.
    script.tell(&terminate_at(0, true));
    let (ended, events, told) = script.ended();
    assert_eq!(ended.unwrap(), Termination::Unexpected);
    assert_eq!(events.last(), Some(&Event::Terminate));
    assert_eq!(told.last().map(String::as_str), Some("unexpected termination"));
}

#[test]
fn a_consensus_module_that_does_not_listen_is_an_error() {
    let mut script = Script::start(|context| context);
    script.stop_listening();
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    assert_eq!(script.ended().0.unwrap_err().message(), "publication is not connected");
}

#[test]
fn a_lost_commit_position_ends_the_container_in_order() {
    let mut script = Script::start(|context| context);
    script.commit_position = None;
    let (ended, events, told) = script.ended();
    assert_eq!(ended.unwrap(), Termination::Expected);
    assert_eq!(events.last(), Some(&Event::Terminate));
    assert!(told.iter().all(|error| error.contains("commit-pos counter unexpectedly closed, terminating")), "{told:?}");
}

#[test]
fn followers_offer_to_the_log_too_with_the_id_of_their_service() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &open(3));
    script.append(&mut log, &message(3, 9, "offer"));
    let (session, payload) = script.heard(|event| match event {
        ServiceEvent::SessionMessage { header, payload } => Some((header.cluster_session_id, payload.to_vec())),
        _ => None,
    });
    assert_eq!((session, payload), (0, b"from the service".to_vec()));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn the_mark_file_names_the_member_and_shows_life_each_second_whatever_the_service_does() {
    const SEVERAL_UPDATES: i64 = 2_000;
    let mut script = Script::start(|context| context);
    let start = Instant::now();
    let begin = activity(&script.cluster);
    wait_for(|| activity(&script.cluster) >= begin + SEVERAL_UPDATES);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &message(3, 9, "wait"));
    let begin = activity(&script.cluster);
    wait_for(|| activity(&script.cluster) >= begin + SEVERAL_UPDATES);
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    assert_eq!(mark_file(&script)[MEMBER_ID_OFFSET..MEMBER_ID_OFFSET + 4], 7i32.to_le_bytes());
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn an_acknowledgement_that_cannot_be_sent_uses_up_no_id() {
    let mut script = Script::start(|context| context.failure_policy(FailurePolicy::LogAndContinue));
    script.stop_listening();
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    assert_eq!(script.errors.recv_timeout(PATIENCE).unwrap(), "publication is not connected");
    script.listen_again();
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    assert_eq!(script.ack().ack_id, 1);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn back_pressure_of_the_consensus_module_is_no_error() {
    let mut script = Script::start(|context| context);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &open(3));
    // Until the channel takes no more.
    script.append(&mut log, &message(3, 9, "fill"));
    assert_eq!(script.events.text(), "fill");
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    wait_for(|| script.is_heard());
    // It waits, and takes nothing else meanwhile.
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    assert_eq!(script.ack().ack_id, 2);
    assert_eq!(script.ack().ack_id, 3);
    let told: Vec<_> = script.errors.try_iter().collect();
    assert!(told.iter().all(|error| error.starts_with("invalid ack request: ")), "{told:?}");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_channel_to_the_consensus_module_at_its_last_position_is_an_error() {
    // One frame is left of the last term, and it is too short for an acknowledgement.
    let last = "aeron:ipc?term-length=64k|init-term-id=0|term-id=2147483647|term-offset=65472";
    let script = Stage::with_driver().launch(&Recovery::NOTHING, Fail::Never, |context| context.control_channel(last));
    let error = script.ended().0.unwrap_err().to_string();
    assert_eq!(error, "publication at max position: term-length=65536");
}

#[test]
fn requests_are_taken_one_a_tick() {
    const REQUESTS: i64 = 50;
    let mut script = Script::start(|context| context);
    let start = Instant::now();
    for _ in 0..REQUESTS {
        script.tell(&RequestServiceAck { log_position: 0 }.encode());
    }
    // Two taken at once would be one.
    for id in 1..=REQUESTS {
        assert_eq!(script.ack().ack_id, id);
    }
    assert!(start.elapsed() >= Duration::from_millis(REQUESTS as u64), "{:?}", start.elapsed());
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn an_unexpected_termination_is_told_and_not_counted() {
    const ERROR_COUNTER: i32 = 215;
    let stage = Stage::with_driver();
    let (hook, hooked) = channel();
    let aeron = stage.aeron.clone();
    let mut script = stage.launch(&Recovery::NOTHING, Fail::Never, |context| {
        context.extended_termination_hook(move |cause| {
            let counters = aeron.counters();
            let count = counters.find(|counter| counter.type_id == ERROR_COUNTER).and_then(|id| counters.value(id));
            hook.send((cause.to_string(), count)).unwrap();
        })
    });
    script.started(&Recovery::NOTHING);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &message(1, 1, "terminate false"));
    assert_eq!(hooked.recv_timeout(PATIENCE).unwrap(), ("unexpected termination".to_owned(), Some(0)));
    let (ended, _, told) = script.ended();
    assert_eq!(ended.unwrap(), Termination::Unexpected);
    assert_eq!(told, ["unexpected termination"]);
}
