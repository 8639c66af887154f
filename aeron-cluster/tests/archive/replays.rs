//! Replays to a subscription of their own, bounded and stopped ones.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{ChannelUri, FragmentAssembler, Subscription};
use aeron_cluster::archive::{Archive, ArchiveErrorCode, ReplayParams};

use crate::node::Node;
use crate::recordings::{CHANNEL, recorded, recorded_on};
use crate::{REPLAY_STREAM, STREAM, await_recorded, message, recording_of, send, until};

/// Messages of a subscription, until there are so many.
pub fn messages(subscription: &mut Subscription, count: usize) -> Vec<Vec<u8>> {
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

pub fn sent(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(message).collect()
}

#[test]
pub fn a_replay_comes_to_a_subscription_of_its_own() {
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

#[test]
fn a_replay_of_what_goes_on_stops_where_that_is_now_or_follows_it() {
    let node = Node::start();
    let mut archive = node.connect();
    let mut publication = archive.add_recorded_exclusive_publication(CHANNEL, STREAM).expect("recorded");
    let (recording_id, counter) = recording_of(&mut archive, publication.session_id());
    let start = |archive: &mut Archive, params| archive.replay(recording_id, "aeron:ipc", REPLAY_STREAM, &params);
    let empty = start(&mut archive, ReplayParams::new().until_now()).expect_err("nothing is there");
    assert_eq!(ArchiveErrorCode::of(&empty), Some(ArchiveErrorCode::EmptyRecording), "{empty}");
    let mut following = start(&mut archive, ReplayParams::new()).expect("replay");
    until("the replay", || following.is_connected().then_some(()));

    let position = send(&mut publication, 40);
    await_recorded(&mut archive, recording_id, counter, position);
    let mut stopping = start(&mut archive, ReplayParams::new().until_now()).expect("replay");
    let position = send(&mut publication, 20);
    await_recorded(&mut archive, recording_id, counter, position);
    assert_eq!(messages(&mut stopping, 40), sent(40));
    let mut late = 0;
    until("its end", || {
        stopping.poll(10, |_, _| late += 1).expect("polled");
        (!stopping.is_connected()).then_some(())
    });
    assert_eq!(late, 0, "nothing that was sent later");

    assert_eq!(messages(&mut following, 60), [sent(40), sent(20)].concat());
    send(&mut publication, 10);
    assert_eq!(messages(&mut following, 10), sent(10), "it goes on after the other's end");
}

#[test]
fn a_recording_that_begins_late_is_replayed_from_there() {
    const START: i64 = 3 * 65_536 + 1_024;
    let node = Node::start();
    let mut archive = node.connect();
    // A term id that wraps around in between.
    let channel = ChannelUri::ipc().initial_position(START, i32::MAX - 1, 65_536).expect("channel").to_string();
    let mut middle = 0;
    let recording_id = recorded_on(&mut archive, &channel, |publication| {
        middle = send(publication, 10);
        send(publication, 40);
    });
    assert_eq!(archive.start_position(recording_id).expect("asked"), Some(START));
    assert!(middle > START && archive.stop_position(recording_id).expect("asked") > Some(middle));
    let all = [sent(10), sent(40)].concat();
    for (params, expected) in [
        (ReplayParams::new(), &all[..]),
        (ReplayParams::new().position(START), &all),
        (ReplayParams::new().position(middle), &all[10..]),
    ] {
        let mut replay = archive.replay(recording_id, "aeron:ipc", REPLAY_STREAM, &params).expect("replay");
        assert_eq!(messages(&mut replay, expected.len()), expected, "{params:?}");
    }
    let early = ReplayParams::new().position(0);
    let error = archive.replay(recording_id, "aeron:ipc", REPLAY_STREAM, &early).expect_err("before its start");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
}
