//! A subscription that falls back on the recording.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use aeron_cluster::aeron::{FrameFlags, Header};
use aeron_cluster::archive::{
    Archive, PersistentSubscription, PersistentSubscriptionListener, PersistentSubscriptionSettings, StartFrom,
};
use aeron_cluster::{Error, ErrorKind};

use crate::node::Node;
use crate::{REPLAY_STREAM, STREAM, message, recording_of, send, until};

pub const CHANNEL: &str = "aeron:ipc?alias=persistent";

#[derive(Debug, PartialEq)]
pub enum Event {
    Joined,
    Left,
    Error(ErrorKind),
}

pub struct Telling(pub mpsc::Sender<Event>);

impl PersistentSubscriptionListener for Telling {
    fn on_live_joined(&mut self) {
        _ = self.0.send(Event::Joined);
    }

    fn on_live_left(&mut self) {
        _ = self.0.send(Event::Left);
    }

    fn on_error(&mut self, error: &Error) {
        _ = self.0.send(Event::Error(error.kind()));
    }
}

pub fn settings(node: &Node, recording_id: i64, replay_channel: &str) -> PersistentSubscriptionSettings {
    PersistentSubscriptionSettings::new(node.remote(), recording_id, CHANNEL, STREAM, replay_channel, REPLAY_STREAM)
}

/// A copy of a message, whose header is that of the whole of it, in how many fragments it may have come.
pub fn whole(message: &[u8], header: &Header<'_>) -> Vec<u8> {
    assert_eq!(header.flags(), FrameFlags::UNFRAGMENTED, "of {} bytes", message.len());
    message.to_vec()
}

#[test]
pub fn it_catches_up_from_the_recording_and_goes_on_live() {
    let node = Node::start();
    let mut archive = node.connect();
    let mut publication = archive.add_recorded_exclusive_publication(CHANNEL, STREAM).expect("recorded");
    let (recording_id, _) = recording_of(&mut archive, publication.session_id());
    send(&mut publication, 200);

    let response = format!("aeron:udp?control-mode=response|control=localhost:{}", node.ports.port(1));
    for channel in ["aeron:ipc", "aeron:udp?endpoint=localhost:0", &response] {
        let (sender, events) = mpsc::channel();
        let settings = settings(&node, recording_id, channel).start_from(StartFrom::Start).listener(Telling(sender));
        let mut persistent = PersistentSubscription::start(settings).expect(channel);
        assert!(!persistent.is_live() && !persistent.is_replaying() && persistent.join_difference().is_none());
        let mut received = Vec::new();
        until(channel, || {
            persistent.poll(10, |message, header| received.push(whole(message, header))).expect("no error");
            persistent.is_live().then_some(())
        });
        assert_eq!((persistent.live_joined_count(), persistent.live_left_count()), (1, 0));
        assert!(persistent.join_difference().is_some() && persistent.failure().is_none());
        let before = received.len();
        send_while(&mut publication, 50, || {
            persistent.poll(10, |message, header| received.push(whole(message, header))).expect("no error");
            received.len() >= before + 50
        });
        let expected: Vec<_> = (0..50).map(message).collect();
        assert!(received[before..] == expected, "{channel}: what comes live");
        assert!(received[..200] == (0..200).map(message).collect::<Vec<_>>(), "{channel}: what was recorded");
        assert_eq!(events.try_iter().collect::<Vec<_>>(), [Event::Joined], "{channel}");
    }
}

/// Sends messages while somebody receives them.
fn send_while(
    publication: &mut aeron_cluster::aeron::ExclusivePublication,
    count: usize,
    mut receive: impl FnMut() -> bool,
) {
    let mut number = 0;
    until("what is sent live", || {
        if number < count && publication.offer(&message(number)).is_ok() {
            number += 1;
        }
        receive().then_some(())
    });
}

#[test]
fn what_goes_wrong_is_told_and_a_failure_stays_one() {
    let mut node = Node::start();
    let (sender, events) = mpsc::channel();
    let unknown = settings(&node, 99, "aeron:ipc").start_from(StartFrom::Start).listener(Telling(sender));
    let mut persistent = PersistentSubscription::start(unknown).expect("created");
    let error = until("its failure", || persistent.poll(10, |_, _| {}).err());
    assert_eq!(error.kind(), ErrorKind::Archive, "{error:?}");
    assert!(persistent.has_failed());
    assert_eq!(persistent.poll(10, |_, _| {}).expect_err("for good"), error);
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [Event::Error(ErrorKind::Archive)]);
    drop(persistent);

    let refused = [
        settings(&node, -1, "aeron:ipc"),
        settings(&node, 0, "nonsense"),
        settings(&node, 0, "a\0b"),
        settings(&node, 0, "aeron:ipc").start_from(StartFrom::Position(-7)),
    ];
    for settings in refused {
        let error = PersistentSubscription::start(settings).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }

    // A handler that panics is met by its caller, and the message comes again.
    let mut archive = node.connect();
    let recording_id = crate::recordings::recorded(&mut archive, 5);
    let replaying = settings(&node, recording_id, "aeron:ipc").start_from(StartFrom::Start);
    let mut persistent = PersistentSubscription::start(replaying).expect("created");
    let payload = until("the first message", || {
        catch_unwind(AssertUnwindSafe(|| persistent.poll(10, |_, _| panic!("a handler")))).err()
    });
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"a handler"));
    let mut received = Vec::new();
    until("all messages", || {
        persistent.poll(10, |message, _| received.push(message.to_vec())).expect("no error");
        (received.len() >= 5).then_some(())
    });
    assert_eq!(received, (0..5).map(message).collect::<Vec<_>>());

    // The archive's end is no error, but is not life either.
    node.archive.stop().expect("it ends");
    until("the loss of the archive", || {
        persistent.poll(10, |_, _| {}).expect("it waits for the archive");
        (!archive_is_alive(&mut archive)).then_some(())
    });
    assert!(!persistent.is_live());
}

fn archive_is_alive(archive: &mut Archive) -> bool {
    archive.is_connected()
}
