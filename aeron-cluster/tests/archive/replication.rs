//! Copies from archive to archive.

use std::sync::mpsc;

use aeron_cluster::ErrorKind;
use aeron_cluster::archive::{
    Archive, ArchiveErrorCode, Context, RecordingSignal, RecordingSignalKind, ReplicationParams, SourceLocation,
};

use crate::node::Node;
use crate::recordings::{recorded, recorded_on};
use crate::{STREAM, message, recording_of, replay, send, until, with_session_id};

/// A connection to the archive that copies, and what it is told.
struct Copying {
    archive: Archive,
    signals: mpsc::Receiver<RecordingSignal>,
    seen: Vec<RecordingSignal>,
}

impl Copying {
    fn connect(context: Context) -> Copying {
        let (sender, signals) = mpsc::channel();
        let context = context.on_recording_signal(move |signal| _ = sender.send(*signal));
        Copying { archive: Archive::connect(&context).expect("archive"), signals, seen: Vec::new() }
    }

    /// Waits for a signal of each of these kinds, in whatever order.
    fn await_signals(&mut self, kinds: &[RecordingSignalKind]) {
        until(&format!("{kinds:?}"), || {
            self.archive.poll_for_recording_signals().expect("no error");
            self.seen.extend(self.signals.try_iter());
            kinds.iter().all(|kind| self.seen.iter().any(|signal| signal.kind == *kind)).then_some(())
        });
    }

    /// The recording that the copy is.
    fn recording_id(&self) -> i64 {
        self.seen[0].recording_id
    }

    /// What the archive says of a copy that cannot go on.
    fn await_error(&mut self) -> aeron_cluster::Error {
        until("the archive's complaint", || self.archive.check_for_error_response().err())
    }
}

/// Sync may be left out and the stop come before or after the end, as the archive's image goes.
const ENDED: [RecordingSignalKind; 2] = [RecordingSignalKind::ReplicateEnd, RecordingSignalKind::Stop];

fn sent(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(message).collect()
}

#[test]
pub fn a_recording_is_replicated_from_another_archive() {
    let (source, copy) = (Node::start(), Node::start());
    let mut archive = source.connect();
    let first = recorded(&mut archive, 1);
    let recording_id = recorded(&mut archive, 60);
    assert_ne!(first, recording_id);
    let end = archive.stop_position(recording_id).expect("position").expect("stopped");

    let mut copying = Copying::connect(copy.local());
    let params = ReplicationParams::new()
        .stop_position(end)
        .replication_channel("aeron:udp?endpoint=localhost:0")
        .file_io_max_length(64 * 1024)
        .replication_session_id(77)
        .encoded_credentials("open");
    let replication =
        copying.archive.replicate(recording_id, &source.control_channel(), 10, &params).expect("a replication");
    copying.await_signals(&ENDED);
    let (seen, id) = (&copying.seen, copying.recording_id());
    assert_eq!(seen[0].kind, RecordingSignalKind::Replicate, "{seen:?}");
    let mut copying = copying.archive;
    assert!(seen.iter().all(|signal| signal.control_session_id == copying.control_session_id()), "{seen:?}");
    let copied = copying.list_recording(id).expect("listed").expect("there");
    assert_eq!((copied.session_id, copied.stop_position, copied.stream_id), (77, Some(end), STREAM));
    assert_eq!(replay(&mut copying, copied.recording_id, 60), sent(60));

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

#[test]
fn a_copy_is_merged_with_the_live_stream_and_goes_on() {
    let (source, copy) = (Node::start(), Node::start());
    let mut archive = source.connect();
    // Whoever wants can receive it, and the copying archive does, at the end.
    let control = format!("localhost:{}", source.ports.port(1));
    let channel = format!("aeron:udp?control-mode=dynamic|control={control}|ssc=true|linger=0");
    let mut publication = source.aeron.add_exclusive_publication(&channel, STREAM).expect("publication");
    let recorded = with_session_id(&channel, publication.session_id());
    archive.start_recording(&recorded, STREAM, SourceLocation::Local, true).expect("recording");
    let (recording_id, _) = recording_of(&mut archive, publication.session_id());
    send(&mut publication, 30);

    let mut copying = Copying::connect(copy.local());
    let params = ReplicationParams::new().live_destination(format!("aeron:udp?endpoint=localhost:0|control={control}"));
    copying.archive.replicate(recording_id, &source.control_channel(), 10, &params).expect("a replication");
    copying.await_signals(&[RecordingSignalKind::Replicate, RecordingSignalKind::Extend]);
    send(&mut publication, 10);
    copying.await_signals(&[RecordingSignalKind::Merge]);
    let end = send(&mut publication, 20);
    let id = copying.recording_id();
    until("what comes live", || {
        copying.archive.recording_position(id).expect("position").filter(|position| *position == end)
    });
    // It needs neither the other archive any more, nor the replication.
    drop(archive);
    drop(publication);
    copying.await_signals(&[RecordingSignalKind::Stop]);
    let expected = [sent(30), sent(10), sent(20)].concat();
    assert_eq!(replay(&mut copying.archive, id, 60), expected);
}

#[test]
fn a_copy_comes_back_the_way_that_it_is_asked_for_and_from_one_who_wants_a_password() {
    let source = Node::with_properties(&[("aeron.archive.authenticator.supplier", "PasswordAuthenticator")]);
    let copy = Node::start();
    let mut archive = Archive::connect(&source.local().credentials_supplier(Words("open"))).expect("archive");
    let recording_id = recorded_on(&mut archive, "aeron:ipc?alias=secret", |publication| _ = send(publication, 30));
    let control = source.control_channel();
    let response = format!("aeron:udp?control-mode=response|control=localhost:{}", source.ports.port(1));
    let open = ReplicationParams::new().encoded_credentials("open");
    let by_response = open.clone().replication_channel(&response).src_response_channel(&response);
    for params in [&open, &by_response] {
        let mut copying = Copying::connect(copy.local());
        copying.archive.replicate(recording_id, &control, 10, params).expect("a replication");
        copying.await_signals(&ENDED);
        let id = copying.recording_id();
        assert_eq!(replay(&mut copying.archive, id, 30), sent(30), "{params:?}");
    }

    // Not let in, or asked back, which archives do not do among themselves.
    for credentials in ["", "foe", "knock"] {
        let mut copying = Copying::connect(copy.local());
        let params = ReplicationParams::new().encoded_credentials(credentials);
        copying.archive.replicate(recording_id, &control, 10, &params).expect("started");
        let error = copying.await_error();
        assert_eq!(ArchiveErrorCode::of(&error), Some(ArchiveErrorCode::ReplicationConnectionFailure), "{error}");
    }
    let mut copying = Copying::connect(copy.local());
    for params in
        [by_response.clone().live_destination("aeron:udp?endpoint=localhost:0"), by_response.channel_tag_id(7)]
    {
        let error = copying.archive.replicate(recording_id, &control, 10, &params).expect_err("not both");
        assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
        assert!(error.message().contains("response channels can't be used"), "{error}");
    }
}

/// Says one word, and nothing when asked back.
struct Words(&'static str);

impl aeron_cluster::security::CredentialsSupplier for Words {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        self.0.into()
    }

    fn on_challenge(&mut self, _encoded_challenge: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}
