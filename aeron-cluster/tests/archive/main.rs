//! The archive client against the official archive server: what is recorded comes back byte for byte, and what fails
//! says so in time.
#![cfg(feature = "testing")]

mod connecting;
mod drop_matrix;
mod endings;
mod falling_out;
mod handles;
#[path = "../support/killable.rs"]
mod killable;
mod killed;
mod losses;
mod merging;
#[path = "../support/mounts.rs"]
mod mounts;
mod node;
#[path = "../support/orders.rs"]
mod orders;
mod panics;
mod persistent;
mod persistent_failures;
mod recordings;
mod replays;
mod replication;
mod requests;
mod response_channels;
mod segments;
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod versions;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Aeron, ChannelUri, ExclusivePublication, FrameFlags, Subscription};
use aeron_cluster::archive::{
    Archive, AsyncConnect, Context, PersistentSubscription, ReplayMerge, ReplayParams, SourceLocation,
};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, PortBlock, WorkDir, wait_until};
use aeron_cluster::{Error, ErrorKind, Result};

use node::Node;

const STREAM: i32 = 1106;
const REPLAY_STREAM: i32 = 1103;
const CHANNEL: &str = "aeron:ipc?alias=snapshot";

/// Waits for a state that an event of no other kind announces.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = wait_until(what, PATIENCE, || Ok(look().map_or(ControlFlow::Continue(()), ControlFlow::Break)));
    found.expect(what)
}

fn with_session_id(channel: &str, session_id: i32) -> String {
    let mut uri = ChannelUri::parse(channel).expect("channel");
    uri.put("session-id", session_id.to_string());
    uri.to_string()
}

fn message(number: usize) -> Vec<u8> {
    (0..number * 7 % 3000 + 1).map(|index| (number + index) as u8).collect()
}

/// Sends messages, some in several fragments, and returns the position after the last.
fn send(publication: &mut ExclusivePublication, count: usize) -> i64 {
    for number in 0..count {
        let message = message(number);
        until("room to send", || publication.offer(&message).ok());
    }
    publication.position().expect("open")
}

/// Records a publication as a service container records a snapshot. Returns its recording's id and counter.
fn record(archive: &mut Archive, publication: &ExclusivePublication) -> (i64, i32) {
    let channel = with_session_id(CHANNEL, publication.session_id());
    archive.start_recording(&channel, STREAM, SourceLocation::Local, true).expect("recording");
    recording_of(archive, publication.session_id())
}

/// Waits for the recording of a session to begin. Returns its id and counter.
fn recording_of(archive: &mut Archive, session_id: i32) -> (i64, i32) {
    let counter = until("the recording's counter", || {
        archive.check_for_error_response().expect("no error");
        archive.recording_counter(session_id)
    });
    (archive.recording_id(counter).expect("a recording's counter"), counter)
}

fn await_recorded(archive: &mut Archive, recording_id: i64, counter: i32, position: i64) {
    until("the recording to catch up", || {
        archive.check_for_error_response().expect("no error");
        assert!(archive.is_recording_active(counter, recording_id), "recording stopped unexpectedly");
        archive.aeron().counters().value(counter).filter(|recorded| *recorded >= position)
    });
}

/// Replays a recording as a service container loads a snapshot, and gives the assembled messages.
fn replay(archive: &mut Archive, recording_id: i64, count: usize) -> Vec<Vec<u8>> {
    let session = archive
        .start_replay(recording_id, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new().position(0))
        .expect("replay");
    let channel = with_session_id("aeron:ipc", session as i32);
    let subscription = archive.aeron().add_subscription(&channel, REPLAY_STREAM).expect("subscription");
    let mut subscription = Some(subscription);
    let mut image = until("the replay's image", || {
        let waiting: Subscription = subscription.take()?;
        waiting.into_image(session as i32).map_err(|waiting| subscription = Some(waiting)).ok()
    });
    let (mut messages, mut partial) = (Vec::new(), Vec::new());
    until("the replay's messages", || {
        archive.check_for_error_response().expect("no error");
        image
            .controlled_poll(10, |fragment, header| {
                partial.extend_from_slice(fragment);
                if header.flags().contains(FrameFlags::END) {
                    messages.push(std::mem::take(&mut partial));
                }
                aeron_cluster::aeron::Action::Continue
            })
            .expect("poll");
        (messages.len() >= count).then_some(())
    });
    messages
}

#[test]
fn what_is_recorded_is_replayed_byte_for_byte() {
    let node = Node::start();
    for context in [node.local(), node.remote()] {
        let mut archive = Archive::connect(&context).expect("archive");
        let mut publication = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
        let (recording_id, counter) = record(&mut archive, &publication);
        let position = send(&mut publication, 200);
        await_recorded(&mut archive, recording_id, counter, position);
        assert_eq!(archive.recording_position(recording_id).expect("position"), Some(position));
        assert_eq!(archive.stop_position(recording_id).expect("position"), None);

        drop(publication);
        until("the recording to stop", || archive.stop_position(recording_id).expect("position"));
        assert_eq!(archive.stop_position(recording_id).expect("position"), Some(position));
        assert_eq!(archive.recording_position(recording_id).expect("position"), None);
        assert_eq!(archive.max_recorded_position(recording_id).expect("position"), Some(position));
        assert_eq!(archive.start_position(recording_id).expect("position"), Some(0));
        until("its counter to go", || (!archive.is_recording_active(counter, recording_id)).then_some(()));

        let replayed = replay(&mut archive, recording_id, 200);
        let sent: Vec<_> = (0..200).map(message).collect();
        assert!(replayed == sent, "{} messages came back, not all as they were sent", replayed.len());
        archive.close();
    }
}

#[test]
fn recordings_are_listed_and_stopped() {
    let node = Node::start();
    let mut archive = node.connect();
    assert_ne!(archive.archive_id(), -1);
    assert_eq!(archive.list_recordings(0, 10).expect("list"), []);
    assert_eq!(archive.list_recording(3).expect("list"), None);
    assert_eq!(archive.recording_counter(77), None);
    assert_eq!(archive.recording_id(0), None);
    assert!(!archive.is_recording_active(0, 0) && !archive.is_recording_active(9999, 0));

    let channel = "aeron:ipc?alias=plain";
    let subscription = archive.start_recording(channel, STREAM, SourceLocation::Local, false).expect("recording");
    let mut publications: Vec<_> =
        (0..2).map(|_| node.aeron.add_exclusive_publication(channel, STREAM).expect("publication")).collect();
    let mut ids = Vec::new();
    for publication in &mut publications {
        ids.push(recording_of(&mut archive, publication.session_id()).0);
    }
    let all = archive.list_recordings(0, 10).expect("list");
    assert_eq!(all.len(), 2);
    let last = archive.list_recording(ids[1]).expect("list").expect("there");
    assert!(all.contains(&last));
    assert_eq!((last.recording_id, last.session_id), (ids[1], publications[1].session_id()));
    assert_eq!((last.stream_id, last.start_position, last.stop_position, last.stop_timestamp), (STREAM, 0, None, None));
    assert_eq!((last.stripped_channel.as_str(), last.original_channel.as_str()), (channel, channel));
    assert_eq!(last.term_buffer_length, 64 * 1024);

    archive.stop_recording(subscription).expect("stopped");
    let error = archive.stop_recording(subscription).expect_err("unknown by now");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    assert!(!archive.try_stop_recording_channel(channel, STREAM).expect("stopped before"));

    let publication = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    let (recording_id, _) = record(&mut archive, &publication);
    assert!(archive.try_stop_recording(recording_id).expect("stopped"));
    assert!(!archive.try_stop_recording(recording_id).expect("stopped before"));
}

#[test]
fn requests_that_the_archive_refuses_are_errors_with_its_words() {
    let node = Node::start();
    let mut archive = node.connect();
    let error =
        archive.start_replay(42, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect_err("unknown recording");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    assert!(error.message().contains("42") && error.message().contains("unknown recording"), "{error}");
    let error = archive.recording_position(42).expect_err("unknown recording");
    assert!(error.message().contains("unknown recording"), "{error}");
    let error = archive.start_recording("aeron:ipc?a\0b", STREAM, SourceLocation::Local, true).expect_err("a NUL");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let too_long = format!("aeron:ipc?alias={}", "a".repeat(4080));
    let error = archive.start_replay(0, &too_long, STREAM, &ReplayParams::new()).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = archive.start_recording("nonsense", STREAM, SourceLocation::Local, true).expect_err("no channel");
    assert!(error.message().contains("nonsense"), "{error}");
    archive.check_for_error_response().expect("answers to requests are not left over");
    assert_eq!(archive.poll_for_error_response().expect("connected"), None);
}

#[test]
fn a_full_disk_is_told_apart() {
    // The archive refuses when less than this is left, which is always so.
    let node = Node::with_properties(&[("aeron.archive.low.storage.space.threshold", "1000000000g")]);
    let mut archive = node.connect();
    let publication = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    let channel = with_session_id(CHANNEL, publication.session_id());
    let started = archive.start_recording(&channel, STREAM, SourceLocation::Local, true);
    let error = match started {
        Err(error) => error,
        Ok(_) => until("the archive's complaint", || archive.check_for_error_response().err()),
    };
    assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
}

#[test]
fn connecting_to_nobody_ends_in_time() {
    let memory = WorkDir::new().expect("directory");
    let context = DriverContext::new().dir(memory.path().join("aeron")).threading_mode(ThreadingMode::Shared);
    let driver = MediaDriver::launch(context.term_buffer_length(64 * 1024)).expect("driver");
    let aeron = Aeron::connect(aeron_cluster::aeron::Context::new().dir(driver.dir())).expect("client");
    let timeout = Duration::from_millis(500);
    let ipc = Context::new(&aeron)
        .control_request_channel("aeron:ipc")
        .control_response_channel("aeron:ipc")
        .message_timeout(timeout);
    let ports = PortBlock::reserve().expect("ports");
    let udp = ipc.clone().control_request_channel(format!("aeron:udp?endpoint=localhost:{}", ports.port(0)));
    for context in [ipc.clone(), udp] {
        let started = Instant::now();
        let error = Archive::connect(&context).expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().contains("cannot connect to archive at aeron:"), "{error}");
        assert!(started.elapsed() >= timeout);
    }
    let incomplete = Context::new(&aeron).control_request_channel("aeron:ipc");
    let error = Archive::connect(&incomplete).expect_err("no channel for answers");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("control response channel is required"), "{error}");
    let absurd = ipc.message_timeout(Duration::MAX);
    assert_eq!(Archive::connect(&absurd).expect_err("out of range").kind(), ErrorKind::InvalidArgument);
}

#[test]
fn an_abandoned_connection_leaves_nothing_behind() {
    let node = Node::start();
    drop(node.connect());
    let open = || {
        let mut open = 0;
        node.aeron.counters().for_each(|counter| open += i32::from(counter.label.contains("alias=responses")));
        open
    };
    until("the first connection to go", || (open() == 0).then_some(()));
    for steps in [0, 1, 2, 5, 20, 100] {
        let mut connect = AsyncConnect::start(&node.local()).expect("started");
        for _ in 0..steps {
            if connect.poll().expect("no error").is_some() {
                break;
            }
            std::thread::yield_now();
        }
        drop(connect);
    }
    until("the subscriptions to go", || (open() == 0).then_some(()));
    let mut archive = node.connect();
    assert_eq!(archive.list_recordings(0, 1).expect("it still works"), []);
}

#[test]
fn polling_a_connection_that_is_over_is_an_error() {
    let node = Node::start();
    let mut connect = AsyncConnect::start(&node.local()).expect("started");
    let archive = until("the archive", || connect.poll().expect("no error"));
    assert_eq!(connect.poll().expect_err("over").kind(), ErrorKind::State);
    drop(connect);
    assert_ne!(archive.control_session_id(), -1);
}

#[test]
fn an_archive_that_is_killed_is_not_connected() {
    let mut node = Node::start();
    let mut archive = node.connect();
    node.archive.kill();
    let error = until("the archive's death to show", || archive.list_recordings(0, 1).err());
    // The first call may still wait for an answer; from then on it is known.
    let error =
        if error.kind() == ErrorKind::Timeout { archive.list_recordings(0, 1).expect_err("dead") } else { error };
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    assert_eq!(archive.check_for_error_response().expect_err("of no more use").kind(), ErrorKind::NotConnected);
    assert_eq!(archive.recording_counter(1), None);
}

/// Everything that waits for the archive must end when the driver does.
#[test]
fn a_driver_that_dies_ends_what_waits() {
    let Node { aeron, mut archive, driver, ports: _ports, _memory, _disk, .. } = Node::start();
    let context = Context::new(&aeron)
        .control_request_channel("aeron:ipc")
        .control_response_channel("aeron:ipc")
        .message_timeout(PATIENCE);
    let mut connected = Archive::connect(&context).expect("archive");
    let mut connecting = AsyncConnect::start(&context).expect("started");
    archive.kill();
    driver.close().expect("closed");

    let gone =
        |error: Error| matches!(error.kind(), ErrorKind::Closed | ErrorKind::DriverDead | ErrorKind::NotConnected);
    let started = Instant::now();
    let late: Result<Archive> = Archive::connect(&context);
    assert!(gone(late.expect_err("no driver")));
    assert!(started.elapsed() < PATIENCE / 2, "it ends with the client, not with the message timeout");
    assert!(gone(until("the attempt to end", || connecting.poll().err())));
    assert!(gone(until("the connection to end", || connected.list_recordings(0, 1).err())));
    assert!(aeron.is_closed());
    drop((connected, connecting, aeron));
}

#[test]
fn handles_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Archive>();
    is_send::<AsyncConnect>();
    is_send::<ReplayMerge>();
    is_send::<PersistentSubscription>();
    is_send::<Context>();
    is_send::<MediaDriver>();
    is_send::<DriverContext>();
}
