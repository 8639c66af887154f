//! Replays to a subscription of their own, bounded and stopped ones.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{FragmentAssembler, Subscription};
use aeron_cluster::archive::{Archive, ReplayParams};

use crate::node::Node;
use crate::recordings::recorded;
use crate::{REPLAY_STREAM, message, until};

/// Messages of a subscription, until there are so many.
fn messages(subscription: &mut Subscription, count: usize) -> Vec<Vec<u8>> {
    let (mut assembler, mut found) = (FragmentAssembler::new(), Vec::new());
    until("the messages", || {
        let polled = subscription.controlled_poll(10, |fragment, header| {
            assembler.on_fragment(fragment, header, |message, _| {
                found.push(message.to_vec());
                aeron_cluster::aeron::Action::Continue
            })
        });
        polled.expect("polled");
        (found.len() >= count).then_some(())
    });
    found
}

fn sent(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(message).collect()
}

#[test]
fn a_replay_comes_to_a_subscription_of_its_own() {
    let node = Node::start();
    let mut archive = Archive::connect(&node.remote()).expect("archive");
    let recording_id = recorded(&mut archive, 40);
    let port = node.ports.port(1);
    let response = format!("aeron:udp?control-mode=response|control=localhost:{port}");
    for channel in ["aeron:ipc", &format!("aeron:udp?endpoint=localhost:{}", node.ports.port(2)), &response] {
        let mut subscription =
            archive.replay(recording_id, channel, REPLAY_STREAM, &ReplayParams::new()).expect(channel);
        assert_eq!(messages(&mut subscription, 40), sent(40), "{channel}");
    }
    let error = archive.replay(99, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    let error = archive.replay(99, &response, REPLAY_STREAM, &ReplayParams::new()).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    archive.check_for_error_response().expect("no answer is left over");
}

#[test]
fn a_bounded_replay_stops_at_its_counter_and_every_replay_when_told() {
    let node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 40);
    let bound = node.aeron.add_counter(1001, &[], "bound").expect("counter");
    // The first message and its header.
    bound.set(64);
    let params = ReplayParams::new().position(0).bounding_limit_counter_id(bound.id()).file_io_max_length(4096);
    let mut subscription = archive.replay(recording_id, "aeron:ipc", REPLAY_STREAM, &params).expect("replay");
    assert_eq!(messages(&mut subscription, 1), sent(1));
    let mut early = 0;
    subscription.poll(10, |_, _| early += 1).expect("polled");
    assert_eq!(early, 0, "nothing behind the bound");
    bound.set(archive.stop_position(recording_id).expect("position").expect("stopped"));
    assert_eq!(messages(&mut subscription, 39), sent(40)[1..]);

    bound.set(0);
    for stop_all in [Some(recording_id), None] {
        let mut replay = archive.replay(recording_id, "aeron:ipc", REPLAY_STREAM, &params).expect("replay");
        until("the replay", || replay.is_connected().then_some(()));
        archive.stop_all_replays(stop_all).expect("stopped");
        until("its end", || {
            replay.poll(10, |_, _| {}).expect("polled");
            (!replay.is_connected()).then_some(())
        });
    }
    let session = archive.start_replay(recording_id, "aeron:ipc", REPLAY_STREAM, &params).expect("replay");
    archive.stop_replay(session).expect("stopped");
    archive.stop_replay(session).expect("stopped before, which is no error");
    let whole = ReplayParams::new().until_now();
    let mut subscription = archive.replay(recording_id, "aeron:ipc", REPLAY_STREAM, &whole).expect("replay");
    assert_eq!(messages(&mut subscription, 40), sent(40));
}
