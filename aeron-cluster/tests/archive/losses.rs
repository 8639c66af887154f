//! A disk that is full, and a publisher that dies, under a recording.

use std::process::Command;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context as AeronContext};
use aeron_cluster::archive::{Archive, ArchiveErrorCode, RecordingDescriptor, SourceLocation};
use aeron_cluster::testing::{PATIENCE, Process};

use crate::node::Node;
use crate::recordings::recorded_on;
use crate::{STREAM, message, recording_of, replay, send, until};

const CHANNEL: &str = "aeron:ipc?alias=lost";

fn stopped(archive: &mut Archive, recording_id: i64) -> RecordingDescriptor {
    until("the recording's end", || archive.stop_position(recording_id).expect("asked"));
    archive.list_recording(recording_id).expect("listed").expect("there")
}

#[test]
fn a_disk_that_fills_up_ends_a_recording_and_nothing_else() {
    let node = Node::on_a_disk_of("2m");
    let mut archive = node.connect();
    let mut publication = archive.add_recorded_exclusive_publication(CHANNEL, STREAM).expect("recorded");
    let (recording_id, _) = recording_of(&mut archive, publication.session_id());
    let mut positions = Vec::new();
    let error = until("the archive's complaint", || {
        while let Ok(position) = publication.offer(&message(positions.len())) {
            positions.push(position);
        }
        archive.check_for_error_response().err()
    });
    assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");

    // What was recorded is whole up to its end, and there to be replayed. The publisher is held up until it is told to go on without.
    let end = stopped(&mut archive, recording_id).stop_position.expect("stopped");
    until("the publisher to be held up", || publication.offer(&[0; 1_000]).err());
    archive.stop_recording_exclusive_publication(&publication).expect("stopped");
    until("the publisher to be left alone", || (!publication.is_connected()).then_some(()));
    let kept = positions.partition_point(|position| *position <= end);
    assert!(kept > 100, "{kept} of {}", positions.len());
    assert!(replay(&mut archive, recording_id, kept) == (0..kept).map(message).collect::<Vec<_>>());

    let another = node.aeron.add_exclusive_publication(CHANNEL, STREAM + 1).expect("publication");
    let refused = archive.start_recording(CHANNEL, another.stream_id(), SourceLocation::Local, true);
    let refused = refused.expect_err("it is full");
    assert_eq!(ArchiveErrorCode::of(&refused), Some(ArchiveErrorCode::StorageSpace), "{refused}");

    // With room on its disk again the archive goes on.
    archive.purge_recording(recording_id).expect("purged");
    let recording_id = recorded_on(&mut archive, "aeron:ipc?alias=found", |publication| _ = send(publication, 20));
    assert_eq!(replay(&mut archive, recording_id, 20), (0..20).map(message).collect::<Vec<_>>());
}

/// Where a publisher of another process finds its media driver.
const DIR: &str = "ARCHIVE_TEST_PUBLISHER_DIR";

/// Not a test: the publisher of the next one, in a process that can be killed.
#[test]
fn a_publisher_to_be_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let aeron = Aeron::connect(AeronContext::new().dir(dir)).expect("client");
    let mut publication = aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    println!("sent {}", send(&mut publication, 20));
    loop {
        std::thread::park();
    }
}

#[test]
fn a_publisher_that_dies_ends_its_recording_and_the_next_has_its_own() {
    let node = Node::start();
    let mut archive = node.connect();
    archive.start_recording(CHANNEL, STREAM, SourceLocation::Local, false).expect("recording");
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "losses::a_publisher_to_be_killed", "--nocapture"]).env(DIR, node.driver.dir());
    for id in 0..2 {
        let mut publisher = Process::spawn("publisher", &command).expect("publisher");
        let line = publisher.wait_for_line("sent ", PATIENCE).expect("it sends");
        let end: i64 = line.rsplit(' ').next().expect("a position").parse().expect("a position");
        until("all to be recorded", || {
            let recordings = archive.list_recordings(id, 1).expect("listed");
            let position = archive.recording_position(recordings.first()?.recording_id).expect("asked");
            (position == Some(end)).then_some(())
        });
        publisher.kill();
        if id == 0 {
            continue;
        }
        // The driver gives them up together.
        for recording_id in [0, 1] {
            assert_eq!(stopped(&mut archive, recording_id).stop_position, Some(end));
            assert_eq!(replay(&mut archive, recording_id, 20), (0..20).map(message).collect::<Vec<_>>());
        }
    }
}
