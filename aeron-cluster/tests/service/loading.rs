//! Snapshots against the official archive, and a consensus module played by the test: what is in them, and what may not be.

use aeron_cluster::aeron::{Action, FrameFlags};
use aeron_cluster::archive::{self, Archive, ReplayParams, SourceLocation};
use aeron_cluster::codec::{
    ActionFlags, ClientSession, ClusterAction, SemanticVersion, SnapshotEvent, SnapshotMark, SnapshotMarker,
};
use aeron_cluster::service::{ClusterTimeUnit, Role, Termination};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster};

use crate::messages::{action, message};
use crate::probe::{Event, Fail};
use crate::script::{Recovery, Script, Stage, wait_for};

const SNAPSHOT_STREAM: i32 = 106;
const REPLAY_STREAM: i32 = 1103;

fn stage() -> Stage {
    Stage::with(TestCluster::builder(), &[Part::Driver, Part::Archive])
}

fn connect(stage: &Stage) -> Archive {
    let context = archive::Context::new(&stage.aeron)
        .control_request_channel("aeron:ipc?term-length=64k")
        .control_request_stream_id(10)
        .control_response_channel("aeron:ipc?term-length=64k|alias=test")
        .control_response_stream_id(121)
        .message_timeout(PATIENCE);
    Archive::connect(&context).unwrap()
}

pub fn marker(type_id: i64, mark: SnapshotMark, major: u8) -> Vec<u8> {
    SnapshotMarker {
        type_id,
        log_position: 4096,
        leadership_term_id: 3,
        index: 0,
        mark,
        time_unit: ClusterTimeUnit::Nanos,
        app_version: Some(SemanticVersion::new(major, 0, 0)),
    }
    .encode()
    .to_vec()
}

pub fn session(id: i64) -> Vec<u8> {
    let mut entry = Vec::new();
    ClientSession {
        cluster_session_id: id,
        response_stream_id: 102,
        response_channel: "aeron:ipc",
        encoded_principal: b"me",
    }
    .encode(&mut entry);
    entry
}

/// Records messages as a snapshot. Returns the recording.
fn record(stage: &Stage, archive: &mut Archive, messages: &[Vec<u8>]) -> i64 {
    let mut publication = stage.aeron.add_exclusive_publication("aeron:ipc", SNAPSHOT_STREAM).unwrap();
    let session_id = publication.session_id();
    let channel = format!("aeron:ipc?session-id={session_id}");
    archive.start_recording(&channel, SNAPSHOT_STREAM, SourceLocation::Local, true).unwrap();
    wait_for(|| archive.recording_counter(session_id).is_some());
    let recording_id = archive.recording_id(archive.recording_counter(session_id).unwrap()).unwrap();
    for message in messages {
        wait_for(|| publication.offer(message).is_ok());
    }
    let end = publication.position().unwrap();
    wait_for(|| archive.recording_position(recording_id).unwrap() == Some(end));
    drop(publication);
    wait_for(|| archive.stop_position(recording_id).unwrap() == Some(end));
    recording_id
}

/// The messages of a recording that has ended.
fn replay(stage: &Stage, archive: &mut Archive, recording_id: i64) -> Vec<Vec<u8>> {
    let session =
        archive.start_replay(recording_id, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new().position(0)).unwrap();
    let channel = format!("aeron:ipc?session-id={}", session as i32);
    let mut subscription = stage.aeron.add_subscription(&channel, REPLAY_STREAM).unwrap();
    let mut image = loop {
        match subscription.into_image(session as i32) {
            Ok(image) => break image,
            Err(waiting) => subscription = waiting,
        }
        std::thread::yield_now();
    };
    let (mut messages, mut partial) = (Vec::new(), Vec::new());
    wait_for(|| {
        let take = |fragment: &[u8], header: &aeron_cluster::aeron::Header<'_>| {
            partial.extend_from_slice(fragment);
            if header.flags().contains(FrameFlags::END) {
                messages.push(std::mem::take(&mut partial));
            }
            Action::Continue
        };
        image.controlled_poll(10, take).unwrap() == 0 && image.is_end_of_stream()
    });
    messages
}

fn recovery(cluster_id: i32, recording_id: i64) -> Recovery {
    Recovery { cluster_id, leadership_term_id: 3, log_position: 4096, timestamp: 77, recording_id: Some(recording_id) }
}

fn app_version(context: aeron_cluster::service::Context) -> aeron_cluster::service::Context {
    context.app_version(SemanticVersion::new(1, 2, 3))
}

#[test]
fn what_is_wrong_with_a_snapshot_is_told_and_acknowledged() {
    use SnapshotMark::{Begin, End};
    let stage = stage();
    let mut archive = connect(&stage);
    let cases = [
        (vec![marker(2, Begin, 1), session(3)], "snapshot ended unexpectedly: no end marker"),
        (vec![marker(1, Begin, 1), marker(1, End, 1)], "unexpected snapshot type: 1"),
        (vec![marker(2, Begin, 2), marker(2, End, 2)], "incompatible app version: 1.2.3 snapshot=2.0.0"),
    ];
    for (cluster_id, (messages, error)) in (0..).zip(cases) {
        let recording_id = record(&stage, &mut archive, &messages);
        let mut script = stage.launch(&recovery(cluster_id, recording_id), Fail::Never, app_version);
        let ack = script.ack();
        assert_eq!((ack.ack_id, ack.log_position, ack.timestamp, ack.relevant_id), (0, 4096, 77, -1));
        let (ended, events, _) = script.ended();
        let told = ended.unwrap_err().to_string();
        let start = format!(
            "failed to start service=0 leadershipTermId=3 logPosition=4096 clusterTime=77 \
             snapshotRecordingId={recording_id}"
        );
        assert!(told.starts_with(&start) && told.contains(error), "{told}");
        assert_eq!(events, [], "{error}");
    }
}

/// Starts from a snapshot of two sessions and two messages of the service.
fn loaded(stage: &Stage, archive: &mut Archive) -> Script {
    let snapshot = [
        marker(2, SnapshotMark::Begin, 1),
        session(9),
        session(3),
        marker(2, SnapshotMark::Section, 1),
        marker(2, SnapshotMark::End, 1),
        b"state a".to_vec(),
        b"state b".to_vec(),
    ];
    let recovery = recovery(0, record(stage, archive, &snapshot));
    let mut script = stage.launch(&recovery, Fail::Never, app_version);
    script.started(&recovery);
    let state = vec![b"state a".to_vec(), b"state b".to_vec()];
    assert_eq!(script.events.next(), Event::Start { position: 4096, snapshot: Some(state), sessions: vec![3, 9] });
    script
}

#[test]
fn sessions_of_a_snapshot_are_not_connected() {
    let stage = stage();
    let mut script = loaded(&stage, &mut connect(&stage));
    let _client = script.aeron.add_subscription("aeron:ipc", 102).unwrap();
    let mut log = script.log(4096);
    script.tell(&log.special_request(Role::Leader, true, false));
    script.ack();
    script.append(&mut log, &message(9, 100, "echo"));
    let error = script.ended().0.unwrap_err().to_string();
    assert!(error.ends_with("refused: not connected"), "{error}");
}

#[test]
fn a_snapshot_begins_with_marker_sessions_and_marker_and_its_recording_ends() {
    let stage = stage();
    let mut archive = connect(&stage);
    let mut script = loaded(&stage, &mut archive);
    let mut log = script.log(4096);
    script.join(&log, Role::Follower);
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.timestamp), (2, position, 6));
    // Nobody records what the next publication of the session's id would say.
    let recording = archive.list_recording(ack.relevant_id).unwrap().expect("a recording");
    wait_for(|| archive.stop_position(ack.relevant_id).unwrap().is_some());
    let channel = format!("aeron:ipc?session-id={}", recording.session_id);
    assert!(!archive.try_stop_recording_channel(&channel, SNAPSHOT_STREAM).unwrap());

    let messages = replay(&stage, &mut archive, ack.relevant_id);
    let [begin, first, second, end, rest @ ..] = &messages[..] else { panic!("{messages:?}") };
    let expected = |mark| SnapshotMarker {
        type_id: 2,
        log_position: position,
        leadership_term_id: 0,
        index: 0,
        mark,
        time_unit: ClusterTimeUnit::Nanos,
        app_version: Some(SemanticVersion::new(1, 2, 3)),
    };
    for (message, mark) in [(begin, SnapshotMark::Begin), (end, SnapshotMark::End)] {
        assert_eq!(SnapshotEvent::decode(message).unwrap(), SnapshotEvent::Marker(expected(mark)));
    }
    assert_eq!([first, second], [&session(3), &session(9)]);
    assert_eq!(rest, [b"state a", b"state b"]);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_full_disk_ends_the_node() {
    // The archive refuses when less than this is left, which is always so.
    let builder = TestCluster::builder().property("aeron.archive.low.storage.space.threshold", "1000000000g");
    let stage = Stage::with(builder, &[Part::Driver, Part::Archive]);
    let mut script = stage.launch(&Recovery::NOTHING, Fail::Never, |context| context);
    script.started(&Recovery::NOTHING);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    let position = log.position_after(40);
    script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (2, position, -1));
    let error = script.ended().0.unwrap_err().to_string();
    assert!(error.starts_with("no storage space left for a snapshot"), "{error}");
}
