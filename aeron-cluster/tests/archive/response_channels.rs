//! Answers and replays that come back the way that a request goes: for programs that nobody can reach.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Counter, Subscription};
use aeron_cluster::archive::{Archive, Context, ReplayParams};

use crate::node::Node;
use crate::recordings::recorded;
use crate::replays::{messages, sent};
use crate::{REPLAY_STREAM, until};

/// Where the archive's media driver takes the subscribers of answers. Nobody else has an address that is known.
fn response_channel(node: &Node, port: u16) -> String {
    format!("aeron:udp?control-mode=response|control=localhost:{}", node.ports.port(port))
}

/// A connection whose answers come back that way.
fn context(node: &Node) -> Context {
    node.remote().control_response_channel(response_channel(node, 1))
}

fn subscribe(archive: &Archive, channel: &str) -> Subscription {
    archive.aeron().add_subscription(channel, REPLAY_STREAM).expect("subscription")
}

/// Keeps the address of a response channel in use, by a replay that waits for ever. Between its last user and the closing of its socket
/// the driver refuses it.
pub fn kept_in_use(node: &Node, recording_id: i64, channel: &str) -> (Subscription, Counter, Archive) {
    let mut archive = Archive::connect(&node.remote()).expect("archive");
    let bound = node.aeron.add_counter(1002, &[], "nothing").expect("counter");
    let params = ReplayParams::new().bounding_limit_counter_id(bound.id());
    let waiting = archive.replay(recording_id, channel, REPLAY_STREAM + 1, &params).expect("a replay");
    (waiting, bound, archive)
}

#[test]
pub fn a_session_whose_answers_come_back_the_way_of_its_requests() {
    let node = Node::start();
    let mut archive = Archive::connect(&context(&node)).expect("archive");
    let settings = archive.settings();
    assert!(settings.control_request_channel.contains("response-correlation-id="), "{settings:?}");
    assert!(!settings.control_request_channel.contains("session-id="), "{settings:?}");
    let recording_id = recorded(&mut archive, 20);
    assert!(archive.list_recording(recording_id).expect("listed").is_some());

    // Replays of such a session, and of one that is answered at an address: waiting, in two steps, polled, and bounded by a counter.
    let mut plain = Archive::connect(&node.remote()).expect("archive");
    let bound = node.aeron.add_counter(1001, &[], "bound").expect("counter");
    bound.set(archive.stop_position(recording_id).expect("position").expect("stopped"));
    let bounded = ReplayParams::new().position(0).bounding_limit_counter_id(bound.id());
    let channel = response_channel(&node, 2);
    let _kept = kept_in_use(&node, recording_id, &channel);
    for archive in [&mut archive, &mut plain] {
        for params in [ReplayParams::new(), bounded] {
            let mut subscription = archive.replay(recording_id, &channel, REPLAY_STREAM, &params).expect("a replay");
            assert_eq!(messages(&mut subscription, 20), sent(20), "{params:?}");

            let mut subscription = subscribe(archive, &channel);
            let params = params.subscription_registration_id(subscription.registration_id());
            let started = archive.start_replay(recording_id, &channel, REPLAY_STREAM, &params).expect("a replay");
            assert_eq!(messages(&mut subscription, 20), sent(20), "{params:?}");

            let mut subscription = subscribe(archive, &channel);
            let params = params.subscription_registration_id(subscription.registration_id());
            let mut request =
                archive.request_replay(recording_id, &channel, REPLAY_STREAM, &params).expect("a request");
            let polled = until("the replay", || request.poll(archive).expect("no error"));
            assert_ne!(started, polled);
            assert_eq!(request.poll(archive).expect_err("it was answered").kind(), ErrorKind::State);
            assert_eq!(messages(&mut subscription, 20), sent(20), "{params:?}");
        }
        archive.check_for_error_response().expect("no answer is left over");
    }
}

#[test]
fn what_cannot_come_back_that_way_is_refused() {
    let node = Node::start();
    let mut archive = Archive::connect(&node.remote()).expect("archive");
    let recording_id = recorded(&mut archive, 1);
    let channel = response_channel(&node, 2);
    let _kept = kept_in_use(&node, recording_id, &channel);
    // Nobody is named to whom it would go.
    let (none, stream) = (ReplayParams::new(), REPLAY_STREAM);
    let waited = archive.start_replay(recording_id, &channel, stream, &none).expect_err("no subscription");
    let polled = archive.request_replay(recording_id, &channel, stream, &none).expect_err("no subscription");
    for error in [waited, polled] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().contains("subscription_registration_id"), "{error}");
    }
    // Unknown recordings, at each of both requests.
    let subscription = subscribe(&archive, &channel);
    let params = none.subscription_registration_id(subscription.registration_id());
    let mut request = archive.request_replay(99, &channel, stream, &params).expect("a request");
    let error = until("the refusal", || request.poll(&mut archive).err());
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    assert!(error.message().contains("99"), "{error}");
    let late = params.position(1 << 40);
    let mut request = archive.request_replay(recording_id, &channel, stream, &late).expect("a request");
    let error = until("the refusal", || request.poll(&mut archive).err());
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");

    // Given up at every step, it leaves nothing in the way of the next.
    for steps in [0, 1, 2, 5, 20, 100] {
        let mut request = archive.request_replay(recording_id, &channel, stream, &params).expect("a request");
        for _ in 0..steps {
            if request.poll(&mut archive).expect("no error").is_some() {
                break;
            }
            std::thread::yield_now();
        }
    }
    archive.check_for_error_response().expect("no answer is left over");
}

#[test]
fn it_works_over_shared_memory_too_and_between_the_two_it_is_refused() {
    let node = Node::start();
    let (local, remote) = ("aeron:ipc?control-mode=response", &response_channel(&node, 1));
    let mut archive = Archive::connect(&node.local().control_response_channel(local)).expect("archive");
    let recording_id = recorded(&mut archive, 20);
    let mut subscription = archive.replay(recording_id, local, REPLAY_STREAM, &ReplayParams::new()).expect("a replay");
    assert_eq!(messages(&mut subscription, 20), sent(20));

    let params = ReplayParams::new().subscription_registration_id(subscription.registration_id());
    let refused = [
        Archive::connect(&node.local().control_response_channel(remote)).map(drop),
        Archive::connect(&node.remote().control_response_channel(local)).map(drop),
        archive.replay(recording_id, remote, REPLAY_STREAM, &params).map(drop),
        archive.start_replay(recording_id, remote, REPLAY_STREAM, &params).map(drop),
        archive.request_replay(recording_id, remote, REPLAY_STREAM, &params).map(drop),
    ];
    for refused in refused {
        let error = refused.expect_err("another media");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().contains("both aeron:udp or both aeron:ipc"), "{error}");
    }
}
