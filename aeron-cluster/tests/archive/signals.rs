//! What the archive tells without being asked, and handlers that fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use aeron_cluster::ErrorKind;
use aeron_cluster::archive::{Archive, RecordingSignal, RecordingSignalKind, ReplayParams, SourceLocation};

use crate::node::Node;
use crate::{CHANNEL, REPLAY_STREAM, STREAM, until, with_session_id};

#[test]
pub fn signals_come_within_requests_polled_requests_and_polls() {
    let node = Node::start();
    let (sender, signals) = mpsc::channel::<RecordingSignal>();
    let context = node.local().on_recording_signal(move |signal| _ = sender.send(*signal));
    let mut archive = Archive::connect(&context).expect("archive");
    let mut publication = node.aeron.add_exclusive_publication(CHANNEL, STREAM).expect("publication");
    let channel = with_session_id(CHANNEL, publication.session_id());
    let subscription_id = archive.start_recording(&channel, STREAM, SourceLocation::Local, true).expect("recording");

    let start = until("the start, within requests", || {
        archive.stop_all_replays(None).expect("answered");
        signals.try_recv().ok()
    });
    assert_eq!((start.kind, start.subscription_id), (RecordingSignalKind::Start, Some(subscription_id)));
    assert_eq!((start.position, start.control_session_id), (Some(0), archive.control_session_id()));
    let end = crate::send(&mut publication, 3);
    drop(publication);
    let stop = until("the stop, within a polled request", || {
        let mut request =
            archive.request_replay(99, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new()).expect("a request");
        until("its answer", || request.poll(&mut archive).transpose()).expect_err("unknown recording");
        signals.try_recv().ok()
    });
    assert_eq!(
        (stop.kind, stop.recording_id, stop.position),
        (RecordingSignalKind::Stop, start.recording_id, Some(end))
    );
    archive.purge_recording(start.recording_id).expect("purged");
    let delete = until("the deletion, within a poll", || {
        archive.poll_for_recording_signals().expect("no error");
        signals.try_recv().ok()
    });
    assert_eq!((delete.kind, delete.recording_id), (RecordingSignalKind::Delete, start.recording_id));
    assert_eq!(archive.poll_for_recording_signals().expect("no error"), 0);
}

#[test]
fn a_panic_of_a_handler_comes_through_and_leaves_the_connection_whole() {
    let node = Node::start();
    let context = node.local().on_recording_signal(|signal| panic!("{:?}", signal.kind));
    let mut archive = Archive::connect(&context).expect("archive");
    let _publication = archive.add_recorded_exclusive_publication(CHANNEL, STREAM).expect("recorded");
    // Whichever call meets the signal.
    let payload = until("the panic", || {
        catch_unwind(AssertUnwindSafe(|| archive.list_recordings(0, 1).expect("answered"))).err()
    });
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("Start"));
    assert_eq!(archive.list_recordings(0, 10).expect("it goes on").len(), 1);
}

#[test]
fn errors_without_a_request_go_to_their_handler() {
    let node = Node::with_properties(&[("aeron.archive.low.storage.space.threshold", "1000000000g")]);
    let (sender, errors) = mpsc::channel();
    let mut archive =
        Archive::connect(&node.local().on_error(move |error| _ = sender.send(error.clone()))).expect("archive");
    let mut given_up =
        archive.request_recording("aeron:ipc?alias=full", STREAM, SourceLocation::Local, false).expect("a request");
    assert_eq!(given_up.poll(&mut archive).expect("sent"), None);
    drop(given_up);
    let error = until("the error", || {
        archive.check_for_error_response().expect("the handler has it");
        errors.try_recv().ok()
    });
    assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
    let started = archive.start_recording(CHANNEL, STREAM, SourceLocation::Local, true);
    assert_eq!(started.expect_err("no space").kind(), ErrorKind::StorageSpace, "a request's error is the caller's");
}
