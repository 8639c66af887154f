//! Taking the oldest files of a recording away, and bringing them back.

use std::sync::mpsc;

use aeron_cluster::archive::{Archive, RecordingSignalKind, segment_file_base_position};

use crate::node::Node;
use crate::recordings::{CHANNEL, recorded, recorded_on};
use crate::{message, replay, send, until};

fn start_of(archive: &mut Archive, recording_id: i64) -> i64 {
    archive.start_position(recording_id).expect("asked").expect("a start")
}

#[test]
pub fn segments_are_detached_attached_purged_and_migrated() {
    let node = Node::start();
    let (sender, signals) = mpsc::channel();
    let context = node.local().on_recording_signal(move |signal| _ = sender.send(signal.kind));
    let mut archive = Archive::connect(&context).expect("archive");
    let recording_id = recorded(&mut archive, 600);
    let recording = archive.list_recording(recording_id).expect("listed").expect("there");
    let (term, segment) = (recording.term_buffer_length, recording.segment_file_length);
    let end = recording.stop_position.expect("stopped");
    assert!(end > 3 * i64::from(segment), "several segments of {segment} bytes in {end}");

    let second = segment_file_base_position(0, i64::from(segment) + 64, term, segment).expect("a position");
    assert_eq!(second, i64::from(segment));
    let error = archive.detach_segments(recording_id, second + 64).expect_err("within a segment");
    assert!(error.message().contains("detach"), "{error}");
    archive.detach_segments(recording_id, second).expect("detached");
    assert_eq!(start_of(&mut archive, recording_id), second);
    assert_eq!(archive.attach_segments(recording_id).expect("attached"), 1);
    assert_eq!(start_of(&mut archive, recording_id), 0);

    archive.detach_segments(recording_id, second).expect("detached");
    assert_eq!(archive.delete_detached_segments(recording_id).expect("deleted"), 1);
    // The answer comes before the files are gone, the signal after.
    until("the files to go", || {
        archive.poll_for_recording_signals().expect("no error");
        signals.try_iter().find(|kind| *kind == RecordingSignalKind::Delete)
    });
    assert_eq!(archive.attach_segments(recording_id).expect("nothing left"), 0);
    assert_eq!(archive.purge_segments(recording_id, 2 * second).expect("purged"), 1);
    assert_eq!(start_of(&mut archive, recording_id), 2 * second);
    let error = archive.migrate_segments(recording_id, recording_id + 1).expect_err("no destination");
    assert!(error.message().contains("migrate"), "{error}");
}

#[test]
fn segments_of_one_recording_become_those_of_the_one_that_continues_it() {
    const SEGMENT: i64 = 128 * 1024;
    let node = Node::start();
    let (sender, signals) = mpsc::channel();
    let context = node.local().on_recording_signal(move |signal| _ = sender.send((signal.kind, signal.recording_id)));
    let mut archive = Archive::connect(&context).expect("archive");
    let await_deletion = |archive: &mut Archive, recording_id| {
        until("the files to go", || {
            archive.poll_for_recording_signals().expect("no error");
            signals.try_iter().find(|signal| *signal == (RecordingSignalKind::Delete, recording_id))
        })
    };

    // Until one message is behind the first segment, and cut back to that.
    let mut count = 0;
    let source = recorded_on(&mut archive, CHANNEL, |publication| {
        while publication.position().expect("open") <= SEGMENT {
            until("room to send", || publication.offer(&message(count)).ok());
            count += 1;
        }
    });
    archive.truncate_recording(source, SEGMENT).expect("cut");
    await_deletion(&mut archive, source);
    let recording = archive.list_recording(source).expect("listed").expect("there");
    assert_eq!(i64::from(recording.segment_file_length), SEGMENT);
    let channel = recording.continuing_channel(CHANNEL).expect("channel");
    let destination = recorded_on(&mut archive, &channel, |publication| _ = send(publication, 30));
    assert_eq!(start_of(&mut archive, destination), SEGMENT);

    assert_eq!(archive.migrate_segments(source, destination).expect("migrated"), 1);
    await_deletion(&mut archive, source);
    assert_eq!((start_of(&mut archive, source), archive.stop_position(source).expect("asked")), (0, Some(0)));
    assert_eq!(start_of(&mut archive, destination), 0);
    let whole: Vec<_> = (0..count - 1).chain(0..30).map(message).collect();
    assert!(replay(&mut archive, destination, whole.len()) == whole, "both parts come back");
}
