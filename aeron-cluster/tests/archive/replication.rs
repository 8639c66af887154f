//! Copies from archive to archive.

use std::sync::mpsc;

use aeron_cluster::ErrorKind;
use aeron_cluster::archive::{Archive, ArchiveErrorCode, RecordingSignalKind, ReplicationParams};

use crate::node::Node;
use crate::recordings::recorded;
use crate::{STREAM, message, replay, until};

#[test]
fn a_recording_is_replicated_from_another_archive() {
    let (source, copy) = (Node::start(), Node::start());
    let mut archive = source.connect();
    let first = recorded(&mut archive, 1);
    let recording_id = recorded(&mut archive, 60);
    assert_ne!(first, recording_id);
    let end = archive.stop_position(recording_id).expect("position").expect("stopped");

    let (sender, signals) = mpsc::channel();
    let context = copy.local().on_recording_signal(move |signal| _ = sender.send(*signal));
    let mut copying = Archive::connect(&context).expect("archive");
    let params = ReplicationParams::new()
        .stop_position(end)
        .replication_channel("aeron:udp?endpoint=localhost:0")
        .file_io_max_length(64 * 1024)
        .replication_session_id(77)
        .encoded_credentials("open");
    let replication = copying.replicate(recording_id, &source.control_channel(), 10, &params).expect("a replication");
    let mut seen = Vec::new();
    until("the copy", || {
        copying.poll_for_recording_signals().expect("no error");
        seen.extend(signals.try_iter());
        // Sync may be left out and the stop come before or after the end, as the archive's image goes.
        let has = |kind| seen.iter().any(|signal| signal.kind == kind);
        (has(RecordingSignalKind::ReplicateEnd) && has(RecordingSignalKind::Stop)).then_some(())
    });
    assert_eq!(seen[0].kind, RecordingSignalKind::Replicate, "{seen:?}");
    assert!(seen.iter().all(|signal| signal.control_session_id == copying.control_session_id()), "{seen:?}");
    let copied = copying.list_recording(seen[0].recording_id).expect("listed").expect("there");
    assert_eq!((copied.session_id, copied.stop_position, copied.stream_id), (77, Some(end), STREAM));
    assert_eq!(replay(&mut copying, copied.recording_id, 60), (0..60).map(message).collect::<Vec<_>>());

    assert!(!copying.try_stop_replication(replication).expect("it ended"));
    let error = copying.stop_replication(replication).expect_err("it ended");
    assert_eq!(ArchiveErrorCode::of(&error), Some(ArchiveErrorCode::UnknownReplication), "{error}");
    let unknown = params.clone().dst_recording_id(copied.recording_id + 40);
    let error = copying.replicate(recording_id, &source.control_channel(), 10, &unknown).expect_err("unknown");
    assert_eq!(ArchiveErrorCode::of(&error), Some(ArchiveErrorCode::UnknownRecording), "{error}");

    // One that would go on for ever, from nobody.
    let nobody = format!("aeron:udp?endpoint=localhost:{}", copy.ports.port(3));
    let waiting = copying.replicate(recording_id, &nobody, 10, &ReplicationParams::new()).expect("started");
    assert!(copying.try_stop_replication(waiting).expect("stopped"));

    let channel = format!("aeron:ipc?alias={}", "a".repeat(4_000));
    let long = params.live_destination(channel.clone()).src_response_channel(channel);
    let error = copying.replicate(recording_id, &source.control_channel(), 10, &long).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}
