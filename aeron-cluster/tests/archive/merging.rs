//! From the recording into the live stream.

use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::ExclusivePublication;
use aeron_cluster::archive::{Archive, ReplayMerge, ReplayMergeSettings, SourceLocation};

use crate::node::Node;
use crate::{STREAM, recording_of, until, with_session_id};

/// A recorded publication that whoever wants can receive live.
struct Source {
    node: Node,
    publication: ExclusivePublication,
    recording_id: i64,
    sent: u64,
}

impl Source {
    fn start() -> (Source, Archive) {
        let node = Node::start();
        let mut archive = Archive::connect(&node.remote()).expect("archive");
        let channel = format!("{}|ssc=true|linger=0", Source::control(&node));
        let publication = node.aeron.add_exclusive_publication(&channel, STREAM).expect("publication");
        let recorded = with_session_id(&channel, publication.session_id());
        archive.start_recording(&recorded, STREAM, SourceLocation::Local, true).expect("recording");
        let (recording_id, _) = recording_of(&mut archive, publication.session_id());
        (Source { node, publication, recording_id, sent: 0 }, archive)
    }

    fn control(node: &Node) -> String {
        format!("aeron:udp?control-mode=dynamic|control=localhost:{}", node.ports.port(1))
    }

    fn settings(&self) -> ReplayMergeSettings {
        ReplayMergeSettings::new(
            self.recording_id,
            0,
            with_session_id("aeron:udp", self.publication.session_id()),
            "aeron:udp?endpoint=localhost:0",
            format!("aeron:udp?endpoint=localhost:0|control=localhost:{}", self.node.ports.port(1)),
        )
    }

    /// Sends one number more, if there is room.
    fn send(&mut self) {
        if self.publication.offer(&self.sent.to_le_bytes()).is_ok() {
            self.sent += 1;
        }
    }
}

#[test]
fn a_replay_is_merged_into_the_live_stream_without_a_gap() {
    let (mut source, archive) = Source::start();
    until("a first thousand", || {
        source.send();
        (source.sent >= 1_000).then_some(())
    });
    let subscription =
        source.node.aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).expect("subscription");
    let mut merge = ReplayMerge::start(archive, subscription, &source.settings()).expect("a merge");
    assert!(merge.image().is_none() && !merge.is_merged() && !merge.is_live_added());
    let mut received = Vec::new();
    let mut take = |message: &[u8]| received.push(u64::from_le_bytes(message.try_into().expect("a number")));
    until("the merge", || {
        source.send();
        merge.poll(10, |message, _| take(message)).expect("no error");
        assert!(!merge.has_failed());
        merge.is_merged().then_some(())
    });
    assert!(merge.is_live_added());
    assert_eq!(merge.image().expect("an image").session_id(), source.publication.session_id());
    let session_id = merge.session_id().expect("a session");
    let target = source.sent + 100;
    until("a hundred more, live", || {
        source.send();
        merge.poll(10, |message, _| take(message)).expect("no error");
        (source.sent >= target).then_some(())
    });

    let (mut archive, subscription) = merge.finish();
    let mut image = subscription.into_image(session_id).expect("the image goes on");
    let target = source.sent;
    let mut last = 0;
    until("the rest", || {
        let polled = image.controlled_poll(10, |message, _| {
            take(message);
            last = u64::from_le_bytes(message.try_into().expect("a number"));
            aeron_cluster::aeron::Action::Continue
        });
        polled.expect("polled");
        (last + 1 >= target).then_some(())
    });
    assert!(received.iter().copied().eq(0..target), "each number once and in order: {}", received.len());
    assert!(archive.list_recording(source.recording_id).expect("the connection goes on").is_some());
}

#[test]
fn a_merge_that_cannot_be_says_why_and_ends_cleanly() {
    let (mut source, archive) = Source::start();
    source.send();
    let subscribe = |channel: &str| source.node.aeron.add_subscription(channel, STREAM).expect("subscription");
    let error = ReplayMerge::start(archive, subscribe("aeron:ipc"), &source.settings()).expect_err("not over IPC");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error =
        ReplayMerge::start(source.node.connect(), subscribe("aeron:udp?endpoint=localhost:0"), &source.settings());
    assert_eq!(error.expect_err("not manual").kind(), ErrorKind::InvalidArgument);

    let manual = "aeron:udp?control-mode=manual";
    let nowhere =
        ReplayMergeSettings::new(0, 0, "aeron:udp", "aeron:udp?control=localhost:1", "aeron:udp?endpoint=localhost:0");
    let error = ReplayMerge::start(source.node.connect(), subscribe(manual), &nowhere).expect_err("to no address");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("endpoint"), "{error}");
    let unknown = ReplayMergeSettings::new(
        99,
        0,
        "aeron:udp",
        "aeron:udp?endpoint=localhost:0",
        "aeron:udp?endpoint=localhost:0|control=localhost:1",
    );
    let mut merge = ReplayMerge::start(source.node.connect(), subscribe(manual), &unknown).expect("a merge");
    let error = until("its failure", || merge.do_work().err());
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    assert!(merge.has_failed() && error.message().contains("unknown recording"), "{error}");
    let (mut archive, subscription) = merge.finish();
    assert_eq!(archive.list_recording(99).expect("the connection goes on"), None);
    drop(subscription);

    // Dropped at every stage, it leaves nothing in the way of the next.
    for steps in [0, 1, 3, 10, 100, 1000] {
        let mut merge = ReplayMerge::start(archive, subscribe(manual), &source.settings()).expect("a merge");
        for _ in 0..steps {
            merge.poll(1, |_, _| {}).expect("no error");
            std::thread::yield_now();
        }
        (archive, _) = merge.finish();
    }
    let settings = source.settings().progress_timeout(Duration::from_millis(300));
    let mut merge = ReplayMerge::start(archive, subscribe(manual), &settings).expect("a merge");
    source.node.archive.kill();
    let error = until("the archive's death to show", || merge.do_work().err());
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::NotConnected | ErrorKind::Native), "{error:?}");
    drop(merge);
}
