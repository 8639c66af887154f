//! What can go wrong between the container and the archive, with an archive that the test plays.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use aeron_cluster::aeron::{ExclusivePublication, FrameFlags, Header};
use aeron_cluster::codec::SnapshotMark::{Begin, End};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ServiceError, SnapshotImage, SnapshotPublication, Termination,
};
use aeron_cluster::testing::PATIENCE;

use crate::loading::{marker, session};
use crate::messages::message;
use crate::played_archive::{Asked, PlayedArchive, Request, recorded_session};
use crate::probe::{Event, Fail, Probe};
use crate::script::{Recovery, Script, Stage, wait_for};

const REPLAY_STREAM: i32 = 103;
const SNAPSHOT_STREAM: i32 = 106;
const RECORDING: i64 = 3;

/// A container that asks for the recording of a snapshot, and the position of that.
fn snapshotting() -> (Script, PlayedArchive, Request, crate::script::Log, i64) {
    let stage = Stage::with_driver();
    let mut archive = PlayedArchive::new(&stage.aeron);
    let mut script = stage.launch(&Recovery::NOTHING, Fail::Never, |context| context);
    script.started(&Recovery::NOTHING);
    let (log, position) = script.take_snapshot();
    archive.connect();
    let request = archive.asked(Asked::Recording);
    (script, archive, request, log, position)
}

/// The snapshot failed, was acknowledged as such, and the service goes on.
fn goes_on(mut script: Script, mut log: crate::script::Log, position: i64, error: &str) {
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (2, position, -1));
    let told = script.errors.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains(error), "{told}");
    script.append(&mut log, &message(1, 9, "goes on"));
    assert_eq!(script.events.text(), "goes on");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_recording_that_stops_before_the_end_of_the_snapshot_is_an_error() {
    let (script, mut archive, request, log, position) = snapshotting();
    archive.signal(&request);
    archive.answer_another(&request);
    archive.answer(&request, 1);
    let _recorder = script.aeron.add_subscription("aeron:ipc", SNAPSHOT_STREAM).unwrap();
    let progress = archive.record(RECORDING, recorded_session(&request));
    script.events.wait_for(|event| matches!(event, Event::Snapshot).then_some(()));
    drop(progress);
    goes_on(script, log, position, "recording stopped unexpectedly: 3");
}

#[test]
fn a_recording_that_the_archive_refuses_is_told_in_its_words() {
    let (script, mut archive, request, log, position) = snapshotting();
    archive.refuse(&request, 8, "max concurrent recordings reached");
    goes_on(script, log, position, "max concurrent recordings reached");
}

/// Starts a container whose snapshot the test replays as `write` says. Returns what it failed with.
fn failed_start(write: impl FnOnce(&mut ExclusivePublication)) -> String {
    let stage = Stage::with_driver();
    let mut archive = PlayedArchive::new(&stage.aeron);
    let recovery = Recovery { leadership_term_id: 1, recording_id: Some(RECORDING), ..Recovery::NOTHING };
    let mut script = stage.launch(&recovery, Fail::Never, |context| context);
    archive.connect();
    let request = archive.asked(Asked::Replay);
    archive.answer(&request, 9);
    let mut replay = stage.aeron.add_exclusive_publication("aeron:ipc?session-id=9", REPLAY_STREAM).unwrap();
    wait_for(|| replay.is_connected());
    write(&mut replay);
    drop(replay);
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.relevant_id), (0, -1));
    let (ended, events, _) = script.ended();
    assert_eq!(events, []);
    ended.unwrap_err().to_string()
}

fn offer(replay: &mut ExclusivePublication, message: &[u8]) {
    wait_for(|| replay.offer(message).is_ok());
}

/// Sends one frame of a message of several.
pub fn fragment(replay: &mut ExclusivePublication, flags: FrameFlags, payload: &[u8]) {
    /// Where a frame has its flags.
    const FLAGS_OFFSET: usize = 5;
    let mut claim =
        aeron_sys::aeron_buffer_claim_t { frame_header: std::ptr::null_mut(), data: std::ptr::null_mut(), length: 0 };
    // SAFETY: the publication is live; C fills the claim, whose frame is mapped and ours until it is committed.
    unsafe {
        assert!(aeron_sys::aeron_exclusive_publication_try_claim(replay.as_ptr(), payload.len(), &mut claim) > 0);
        std::slice::from_raw_parts_mut(claim.data, claim.length).copy_from_slice(payload);
        *claim.frame_header.add(FLAGS_OFFSET) = flags.0;
        aeron_sys::aeron_buffer_claim_commit(&mut claim);
    }
}

/// Says that it takes a snapshot, and waits within it until it is let go.
struct Slow {
    taking: Sender<()>,
    let_go: Receiver<()>,
}

impl ClusteredService for Slow {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }
    fn on_session_message(&mut self, _: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {}
    fn on_take_snapshot(&mut self, cluster: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        self.taking.send(())?;
        while self.let_go.try_recv() == Err(TryRecvError::Empty) {
            cluster.idle(0)?;
        }
        Ok(())
    }
}

#[test]
fn a_counter_that_follows_the_one_of_a_stopped_recording_is_not_taken_for_it() {
    let stage = Stage::with_driver();
    let mut archive = PlayedArchive::new(&stage.aeron);
    let ((taking, is_taking), (letting_go, let_go)) = (channel(), channel());
    let service = Slow { taking, let_go };
    let mut script = stage.launch_service(&Recovery::NOTHING, service, Probe::new().1, |context| context);
    script.started(&Recovery::NOTHING);
    let (_log, position) = script.take_snapshot();
    archive.connect();
    let request = archive.asked(Asked::Recording);
    archive.answer(&request, 1);
    let _recorder = stage.aeron.add_subscription("aeron:ipc", SNAPSHOT_STREAM).unwrap();
    let progress = archive.record(RECORDING, recorded_session(&request));
    is_taking.recv_timeout(PATIENCE).unwrap();
    let id = progress.id();
    drop(progress);
    let mut others = Vec::new();
    wait_for(|| {
        others.push(stage.aeron.add_counter(1_000, &[], "another").unwrap());
        others.last().is_some_and(|other| other.id() == id)
    });
    others.last().unwrap().set(1 << 40);
    letting_go.send(()).unwrap();
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.log_position, ack.relevant_id), (2, position, -1));
    let told = script.errors.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("recording stopped unexpectedly: 3"), "{told}");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

type Write = fn(&mut ExclusivePublication);

#[test]
fn a_snapshot_with_a_part_of_a_message_missing_is_refused() {
    const MIDDLE: FrameFlags = FrameFlags(0);
    let cases: [(&str, Write); 4] = [
        ("a part is missing before the fragment that ends at 160", |replay| {
            offer(replay, &marker(2, Begin, 0));
            fragment(replay, FrameFlags::END, b"the end of a session");
            offer(replay, &marker(2, End, 0));
        }),
        ("a part is missing before the fragment that ends at 256", |replay| {
            offer(replay, &marker(2, Begin, 0));
            fragment(replay, FrameFlags::BEGIN, b"the beginning of a session");
            offer(replay, &marker(2, End, 0));
        }),
        // In what the service reads.
        ("a part is missing before the fragment that ends at", |replay| {
            offer(replay, &marker(2, Begin, 0));
            offer(replay, &marker(2, End, 0));
            offer(replay, b"whole");
            fragment(replay, MIDDLE, b"the middle of a message");
        }),
        ("the snapshot ends within it", |replay| {
            offer(replay, &marker(2, Begin, 0));
            offer(replay, &marker(2, End, 0));
            fragment(replay, FrameFlags::BEGIN, b"the beginning of a message");
        }),
    ];
    for (error, write) in cases {
        let told = failed_start(write);
        assert!(told.contains("snapshot is corrupt: ") && told.contains(error), "{told}");
    }
}

#[test]
fn a_snapshot_that_lists_a_session_twice_is_refused() {
    let told = failed_start(|replay| {
        for message in [marker(2, Begin, 0), session(7), session(8), session(7), marker(2, End, 0)] {
            offer(replay, &message);
        }
    });
    assert!(told.contains("session listed twice: clusterSessionId=7"), "{told}");
}

#[test]
fn an_archive_that_goes_away_before_its_replay_comes_is_an_error() {
    let stage = Stage::with_driver();
    let mut archive = PlayedArchive::new(&stage.aeron);
    let recovery = Recovery { leadership_term_id: 1, recording_id: Some(RECORDING), ..Recovery::NOTHING };
    let mut script = stage.launch(&recovery, Fail::Never, |context| context);
    archive.connect();
    let request = archive.asked(Asked::Replay);
    archive.answer(&request, 9);
    drop(archive);
    assert_eq!(script.ack().relevant_id, -1);
    let error = script.ended().0.unwrap_err().to_string();
    assert!(error.contains("got disconnected from the archive") || error.contains("the archive went away"), "{error}");
}
