//! Several connections on one client, and handles that go in any order.

use std::sync::mpsc;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context as AeronContext};
use aeron_cluster::archive::{Archive, Context, RecordingSignal, ReplayParams, SourceLocation};
use aeron_cluster::testing::PATIENCE;

use crate::node::Node;
use crate::recordings::recorded;
use crate::response_channels::kept_in_use;
use crate::{REPLAY_STREAM, STREAM, until};

#[test]
fn two_connections_of_one_client_do_not_hear_of_each_other() {
    let node = Node::start();
    let connect = || {
        let (sender, signals) = mpsc::channel::<RecordingSignal>();
        let context = node.remote().on_recording_signal(move |signal| _ = sender.send(*signal));
        (Archive::connect(&context).expect("archive"), signals)
    };
    let ((mut one, signals), (mut other, others)) = (connect(), connect());
    assert_ne!(one.control_session_id(), other.control_session_id());
    let record = |archive: &mut Archive, stream_id: i32| {
        archive.request_recording("aeron:ipc", stream_id, SourceLocation::Local, false).expect("a request")
    };
    let (mut first, mut second) = (record(&mut one, STREAM + 1), record(&mut other, STREAM + 2));
    let error = first.poll(&mut other).expect_err("not with that one");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    // In turns.
    let mut answers = (None, None);
    until("both answers", || {
        answers.0 = answers.0.or_else(|| first.poll(&mut one).expect("no error"));
        answers.1 = answers.1.or_else(|| second.poll(&mut other).expect("no error"));
        answers.0.zip(answers.1)
    });
    assert_ne!(answers.0, answers.1);
    let recording_id = recorded(&mut one, 1);
    until("its start", || {
        one.poll_for_recording_signals().expect("no error");
        signals.try_iter().find(|signal| signal.recording_id == recording_id)
    });
    other.stop_all_replays(None).expect("answered");
    assert_eq!(other.poll_for_recording_signals().expect("no error"), 0);
    assert_eq!(others.try_iter().collect::<Vec<_>>(), []);
    drop(one);
    assert!(other.list_recording(recording_id).expect("it goes on").is_some());
}

/// What a connection in use is made of; each part can go first.
enum Part {
    Client(#[allow(dead_code, reason = "it is dropped")] Aeron),
    Archive(#[allow(dead_code, reason = "it is dropped")] Archive),
    Pending(#[allow(dead_code, reason = "it is dropped")] aeron_cluster::archive::PendingRequest),
    Subscription(#[allow(dead_code, reason = "it is dropped")] aeron_cluster::aeron::Subscription),
}

#[test]
fn handles_go_in_any_order_while_a_request_is_under_way() {
    let node = Node::start();
    let recording_id = recorded(&mut node.connect(), 3);
    let response = format!("aeron:udp?control-mode=response|control=localhost:{}", node.ports.port(1));
    let _kept = kept_in_use(&node, recording_id, &response);
    for order in 0..24 {
        let aeron = Aeron::connect(AeronContext::new().dir(node.driver.dir())).expect("client");
        let context = Context::new(&aeron)
            .control_request_channel(node.control_channel())
            .control_response_channel("aeron:udp?endpoint=localhost:0")
            .message_timeout(PATIENCE);
        let mut archive = Archive::connect(&context).expect("archive");
        drop(context);
        // The one before may not be quite gone.
        let subscription = until("subscription", || match aeron.add_subscription(&response, REPLAY_STREAM) {
            Err(error) if error.kind() == ErrorKind::ResourceTemporarilyUnavailable => None,
            added => Some(added.expect("subscription")),
        });
        let params = ReplayParams::new().subscription_registration_id(subscription.registration_id());
        let mut pending = archive.request_replay(recording_id, &response, REPLAY_STREAM, &params).expect("a request");
        for _ in 0..order * 20 {
            if pending.poll(&mut archive).expect("no error").is_some() {
                break;
            }
            std::thread::yield_now();
        }
        let mut parts =
            vec![Part::Client(aeron), Part::Archive(archive), Part::Pending(pending), Part::Subscription(subscription)];
        // The factorial numbers name every order once.
        let mut number = order;
        for left in (1..=parts.len()).rev() {
            drop(parts.remove(number % left));
            number /= left;
        }
    }
    let mut archive = node.connect();
    assert!(archive.list_recording(recording_id).expect("it goes on").is_some());
}
