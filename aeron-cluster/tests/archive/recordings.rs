//! Starting, continuing, ending, finding and changing recordings.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::ExclusivePublication;
use aeron_cluster::archive::{Archive, ArchiveErrorCode, SourceLocation};

use crate::node::Node;
use crate::{REPLAY_STREAM, STREAM, message, recording_of, replay, send, until, with_session_id};

pub const CHANNEL: &str = "aeron:ipc?alias=kept";

/// Records some messages of a publication that is gone then. Returns the recording's id.
pub fn recorded(archive: &mut Archive, count: usize) -> i64 {
    recorded_on(archive, CHANNEL, |publication| _ = send(publication, count))
}

/// As `recorded`, of a publication to this channel, with whatever is sent by it.
pub fn recorded_on(archive: &mut Archive, channel: &str, send: impl FnOnce(&mut ExclusivePublication)) -> i64 {
    let mut publication = archive.add_recorded_exclusive_publication(channel, STREAM).expect("recorded");
    let (recording_id, counter) = recording_of(archive, publication.session_id());
    send(&mut publication);
    crate::await_recorded(archive, recording_id, counter, publication.position().expect("open"));
    archive.stop_recording_exclusive_publication(&publication).expect("stopped");
    until("its end", || archive.stop_position(recording_id).expect("position"));
    recording_id
}

fn code(result: aeron_cluster::Result<impl std::fmt::Debug>) -> ArchiveErrorCode {
    let error = result.expect_err("refused");
    ArchiveErrorCode::of(&error).unwrap_or_else(|| panic!("no code of the archive: {error} {}", error.code()))
}

#[test]
fn recorded_publications_are_recorded_once_and_stopped_by_each_name() {
    let node = Node::start();
    let mut archive = node.connect();
    let publication = archive.add_recorded_publication(CHANNEL, STREAM).expect("recorded");
    let (recording_id, counter) = recording_of(&mut archive, publication.session_id());
    assert_eq!(archive.recording_counter_by_id(recording_id), Some(counter));
    assert_eq!(archive.recording_counter_by_id(recording_id + 1), None);
    assert_eq!(archive.recording_source_identity(counter).as_deref(), Some("aeron:ipc"));
    assert_eq!(archive.recording_source_identity(0), None);
    let error = archive.add_recorded_publication(CHANNEL, STREAM).expect_err("there already");
    assert_eq!(error.kind(), ErrorKind::State, "{error}");
    archive.stop_recording_publication(&publication).expect("stopped");
    assert_eq!(code(archive.stop_recording_publication(&publication)), ArchiveErrorCode::UnknownSubscription);

    let whole = archive.start_recording(CHANNEL, STREAM, SourceLocation::Local, false).expect("started");
    let again = archive.start_recording(CHANNEL, STREAM, SourceLocation::Local, false);
    assert_eq!(code(again), ArchiveErrorCode::ActiveSubscription);
    assert!(archive.try_stop_recording_subscription(whole).expect("asked"));
    assert!(!archive.try_stop_recording_subscription(whole).expect("asked"));
    assert_eq!(code(archive.stop_recording(whole)), ArchiveErrorCode::UnknownSubscription);
    archive.start_recording(CHANNEL, STREAM, SourceLocation::Local, false).expect("started");
    archive.stop_recording_channel(CHANNEL, STREAM).expect("stopped");
    assert_eq!(code(archive.stop_recording_channel(CHANNEL, STREAM)), ArchiveErrorCode::UnknownSubscription);
}

#[test]
pub fn a_recording_is_continued_cut_and_purged() {
    let node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 50);
    let first = archive.list_recording(recording_id).expect("listed").expect("there");
    let end = first.stop_position.expect("stopped");

    let channel = first.continuing_channel(CHANNEL).expect("channel");
    let mut publication = node.aeron.add_exclusive_publication(&channel, STREAM).expect("publication");
    let recorded_channel = with_session_id(&channel, publication.session_id());
    let subscription_id = archive
        .extend_recording(recording_id, &recorded_channel, STREAM, SourceLocation::Local, true)
        .expect("extended");
    until("its counter", || archive.recording_counter_by_id(recording_id));
    let going_on = archive.list_recording(recording_id).expect("listed").expect("there");
    assert_eq!(going_on.continuing_channel(CHANNEL).expect_err("it goes on").kind(), ErrorKind::State);
    assert_eq!(code(archive.purge_recording(recording_id)), ArchiveErrorCode::ActiveRecording);
    let more = send(&mut publication, 50);
    assert!(more > end);
    drop(publication);
    until("its end", || archive.stop_position(recording_id).expect("position").filter(|stop| *stop == more));
    assert!(!archive.try_stop_recording_subscription(subscription_id).expect("asked"), "it stopped by itself");
    let twice: Vec<_> = (0..50).chain(0..50).map(message).collect();
    assert!(replay(&mut archive, recording_id, 100) == twice, "both parts come back");

    let wrong = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    let channel = with_session_id(CHANNEL, wrong.session_id());
    let extended = archive.extend_recording(recording_id, &channel, STREAM, SourceLocation::Local, true);
    let refused = extended.err().unwrap_or_else(|| until("the complaint", || archive.check_for_error_response().err()));
    assert_eq!(ArchiveErrorCode::of(&refused), Some(ArchiveErrorCode::InvalidExtension), "{refused}");

    assert_eq!(archive.truncate_recording(recording_id, end).expect("cut"), 0);
    assert_eq!(archive.stop_position(recording_id).expect("position"), Some(end));
    let error = archive.truncate_recording(recording_id, end + 64).expect_err("behind its end");
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    assert!(archive.purge_recording(recording_id).expect("purged") >= 1);
    assert_eq!(archive.list_recording(recording_id).expect("listed"), None);
    assert_eq!(code(archive.purge_recording(recording_id)), ArchiveErrorCode::UnknownRecording);
}

#[test]
fn recordings_and_what_is_recorded_are_found() {
    let node = Node::start();
    let mut archive = node.connect();
    let ids: Vec<_> = (0..3).map(|count| recorded(&mut archive, count + 1)).collect();
    let all = archive.list_recordings_for_uri(0, 10, "alias=kept", STREAM).expect("listed");
    assert_eq!(all.iter().map(|recording| recording.recording_id).collect::<Vec<_>>(), ids);
    assert_eq!(archive.list_recordings_for_uri(ids[1], 1, "kept", STREAM).expect("listed"), all[1..2]);
    assert_eq!(archive.list_recordings_for_uri(0, 10, "kept", STREAM + 1).expect("listed"), []);
    assert_eq!(archive.list_recordings_for_uri(0, 10, "lost", STREAM).expect("listed"), []);
    let find = |archive: &mut Archive, fragment: &str, session_id| {
        archive.find_last_matching_recording(0, fragment, STREAM, session_id).expect("searched")
    };
    assert_eq!(find(&mut archive, "kept", all[1].session_id), Some(ids[1]));
    assert_eq!(find(&mut archive, "lost", all[1].session_id), None);
    assert_eq!(
        archive.find_last_matching_recording(ids[2], "kept", STREAM, all[1].session_id).expect("searched"),
        None
    );

    archive.update_channel(ids[0], "aeron:ipc?alias=renamed").expect("changed");
    let renamed = archive.list_recording(ids[0]).expect("listed").expect("there");
    assert_eq!(renamed.original_channel, "aeron:ipc?alias=renamed");
    assert_eq!(code(archive.update_channel(99, "aeron:ipc")), ArchiveErrorCode::UnknownRecording);

    let started: Vec<_> = (0..2)
        .map(|stream| archive.start_recording(CHANNEL, stream, SourceLocation::Local, false).expect("started"))
        .collect();
    let subscriptions = archive.list_recording_subscriptions(0, 10, "kept", None).expect("listed");
    assert_eq!(subscriptions.len(), 2);
    let of_one = archive.list_recording_subscriptions(0, 10, "", Some(1)).expect("listed");
    assert_eq!(of_one.iter().map(|subscription| subscription.subscription_id).collect::<Vec<_>>(), started[1..]);
    assert_eq!((of_one[0].stream_id, of_one[0].stripped_channel.as_str()), (1, CHANNEL));
    assert_eq!(archive.list_recording_subscriptions(0, 10, "lost", None).expect("listed"), []);
    assert_eq!(archive.list_recording_subscriptions(1, 1, "", None).expect("listed").len(), 1);
}

#[test]
fn a_description_longer_than_a_packet_comes_whole() {
    let node = Node::start();
    let mut archive = node.connect();
    let ids = [1, 2_000, 3_000, 1].map(|length| {
        let channel = format!("aeron:ipc?alias={}", "x".repeat(length));
        let recording_id = recorded_on(&mut archive, &channel, |publication| _ = send(publication, 1));
        (recording_id, channel)
    });
    for context in [node.local(), node.remote()] {
        let mut archive = Archive::connect(&context).expect("archive");
        let all = archive.list_recordings(0, 10).expect("listed");
        assert_eq!(all.len(), ids.len());
        for ((recording_id, channel), listed) in ids.iter().zip(all) {
            let one = archive.list_recording(*recording_id).expect("listed").expect("there");
            assert!(one.mtu_length < 2_000, "the long ones need several packets of {}", one.mtu_length);
            assert_eq!(one.original_channel, with_session_id(channel, one.session_id));
            assert_eq!(one, listed);
        }
    }
}

#[test]
fn what_c_would_misunderstand_is_refused_before_it() {
    let node = Node::start();
    let mut archive = node.connect();
    let long = format!("aeron:ipc?alias={}", "a".repeat(4_080));
    let refused = [
        archive.list_recordings(-1, 1).err(),
        archive.list_recordings(0, 0).err(),
        archive.list_recordings(0, -5).err(),
        archive.list_recordings_for_uri(0, 1, &long, STREAM).err(),
        archive.list_recordings_for_uri(0, 1, "a\0b", STREAM).err(),
        archive.list_recording_subscriptions(-1, 1, "", None).err(),
        archive.start_recording(&long, STREAM, SourceLocation::Local, true).err(),
        archive.extend_recording(-1, CHANNEL, STREAM, SourceLocation::Local, true).err(),
        archive.update_channel(0, &long).err(),
        archive.update_channel(0, "a\0b").err(),
        archive.truncate_recording(0, -1).err(),
        archive.purge_recording(-1).err(),
        archive.stop_all_replays(Some(-1)).err(),
        archive.stop_recording(-1).err(),
        archive.detach_segments(-1, 0).err(),
        archive.migrate_segments(0, -2).err(),
        archive.replay(0, "nonsense", REPLAY_STREAM, &Default::default()).err(),
    ];
    for (number, error) in refused.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {number} was taken"));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{number}: {error}");
    }
    archive.check_for_error_response().expect("nothing was sent");
}
