//! Requests that are polled for their answer.

use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::archive::{Archive, PendingRequest, ReplayParams, SourceLocation};

use crate::{CHANNEL, Node, REPLAY_STREAM, STREAM, recording_of, until, with_session_id};

/// The archive's answer. Each look at it must be short.
fn answer(archive: &mut Archive, request: &mut PendingRequest) -> aeron_cluster::Result<i64> {
    until("the archive's answer", || {
        let look = Instant::now();
        let answer = request.poll(archive).transpose();
        assert!(look.elapsed() < Duration::from_secs(1), "a poll that took {:?}", look.elapsed());
        answer
    })
}

#[test]
pub fn requests_are_polled_for_their_answers() {
    let node = Node::start();
    let mut archive = node.connect();
    let mut publication = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    let channel = with_session_id(CHANNEL, publication.session_id());
    let mut recording = archive.request_recording(&channel, STREAM, SourceLocation::Local, true).expect("a request");
    let subscription_id = answer(&mut archive, &mut recording).expect("recorded");
    assert_eq!(recording.poll(&mut archive).expect_err("it was answered").kind(), ErrorKind::State);

    let (recording_id, counter) = recording_of(&mut archive, publication.session_id());
    let end = crate::send(&mut publication, 3);
    crate::await_recorded(&mut archive, recording_id, counter, end);
    // Signals of the recording come between the answers: of its end, and of its start before.
    drop(publication);
    let mut replay = archive
        .request_replay(recording_id, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new().position(0))
        .expect("a request");
    let first = answer(&mut archive, &mut replay).expect("a replay");
    let mut replay = archive
        .request_replay(recording_id, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new().length(64))
        .expect("a request");
    assert_ne!(answer(&mut archive, &mut replay).expect("another replay"), first);
    until("its end", || archive.stop_position(recording_id).expect("position"));
    let error = archive.stop_recording(subscription_id).expect_err("it ended with the publication");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    archive.check_for_error_response().expect("no answer is left over");
}

#[test]
fn polled_requests_that_are_refused_say_why() {
    let node = Node::start();
    let mut archive = node.connect();
    let mut replay = archive.request_replay(42, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect("a request");
    let error = answer(&mut archive, &mut replay).expect_err("unknown recording");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    // As the request that waits says it, code and all.
    let waited =
        archive.start_replay(42, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect_err("unknown recording");
    assert_eq!((error.kind(), error.code()), (waited.kind(), waited.code()));
    assert!(error.message().contains("42") && error.message().contains("unknown recording"), "{error}");

    let mut recording = archive.request_recording("nonsense", STREAM, SourceLocation::Local, true).expect("a request");
    let error = answer(&mut archive, &mut recording).expect_err("no channel");
    assert!(error.message().contains("nonsense"), "{error}");
    for bad in ["aeron:ipc?a\0b", &format!("aeron:ipc?alias={}", "a".repeat(9_000))] {
        let error = archive.request_recording(bad, STREAM, SourceLocation::Local, true).expect_err("cannot be sent");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn a_full_disk_is_told_apart_in_a_polled_request_too() {
    let node = Node::with_properties(&[("aeron.archive.low.storage.space.threshold", "1000000000g")]);
    let mut archive = node.connect();
    let publication = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    let channel = with_session_id(CHANNEL, publication.session_id());
    let mut recording = archive.request_recording(&channel, STREAM, SourceLocation::Local, true).expect("a request");
    let error = answer(&mut archive, &mut recording).expect_err("no space");
    assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
}

#[test]
fn an_archive_that_stands_still_is_a_timeout_and_its_late_answer_confuses_nobody() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let mut node = Node::start();
    // It takes its time to start.
    let context = node.local().message_timeout(TIMEOUT);
    let mut archive = until("the archive", || Archive::connect(&context).ok());
    node.archive.pause().expect("it stands still");
    let start = Instant::now();
    let mut replay = archive.request_replay(42, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect("a request");
    let error = answer(&mut archive, &mut replay).expect_err("it stands still");
    assert!(start.elapsed() >= TIMEOUT);
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.message().contains("did not answer within its message timeout of 2s"), "{error}");
    assert!(error.message().contains("cannot start to replay the recording 42"), "{error}");
    let mut given_up = archive.request_replay(43, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect("a request");
    assert_eq!(given_up.poll(&mut archive).expect("sent"), None);
    drop(given_up);

    node.archive.resume();
    // Its own answer, behind those to the requests that were given up.
    let channel = "aeron:ipc?alias=late";
    let mut recording = archive.request_recording(channel, STREAM, SourceLocation::Local, false).expect("a request");
    let subscription_id = answer(&mut archive, &mut recording).expect("recorded");
    archive.stop_recording(subscription_id).expect("it is that subscription");

    node.archive.kill();
    let gone = until("the archive's death to show", || {
        let mut request =
            archive.request_replay(0, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect("a request");
        let error = answer(&mut archive, &mut request).expect_err("it is dead");
        (error.kind() != ErrorKind::Timeout).then_some(error)
    });
    assert_eq!(gone.kind(), ErrorKind::NotConnected, "{gone:?}");
}
