//! A persistent subscription that is too slow for the live stream.

use std::sync::mpsc;

use aeron_cluster::aeron::{ExclusivePublication, Subscription};
use aeron_cluster::archive::{PersistentSubscription, PersistentSubscriptionSettings, StartFrom};

use crate::node::Node;
use crate::persistent::{Event, Telling, whole};
use crate::{REPLAY_STREAM, STREAM, await_recorded, message, recording_of, until};

/// What is sent goes on without the untethered who stand still. Such a one is told while what it may be reading is left alone (linger).
const UNTETHERED: &str = "untethered-window-limit-timeout=200ms|untethered-linger-timeout=1s";

/// A live stream.
struct Live {
    sent: String,
    received: String,
    /// Over the network there must be one who is quick, of the same image, for the others to be too slow.
    quick: Option<Subscription>,
}

impl Live {
    fn in_memory() -> Live {
        let sent = format!("aeron:ipc?alias=quick|{UNTETHERED}");
        Live { sent, received: "aeron:ipc?alias=quick|tether=false".into(), quick: None }
    }

    fn over_the_network(node: &Node) -> Live {
        let (control, endpoint) = (node.ports.port(1), node.ports.port(2));
        let sent = format!("aeron:udp?control-mode=dynamic|control=localhost:{control}|fc=max|ssc=true");
        let received = format!("aeron:udp?control=localhost:{control}|endpoint=localhost:{endpoint}|{UNTETHERED}");
        let quick = node.aeron.add_subscription(&received, STREAM).expect("subscription");
        Live { sent, received: format!("{received}|tether=false"), quick: Some(quick) }
    }

    fn keep_up(&mut self) {
        if let Some(quick) = &mut self.quick {
            quick.poll(100, |_, _| {}).expect("polled");
        }
    }

    fn send(&mut self, publication: &mut ExclusivePublication, count: usize) -> i64 {
        for number in 0..count {
            let message = message(number);
            until("room to send", || {
                self.keep_up();
                publication.offer(&message).ok()
            });
        }
        publication.position().expect("open")
    }
}

struct Follower {
    persistent: PersistentSubscription,
    events: mpsc::Receiver<Event>,
    received: Vec<Vec<u8>>,
    /// What is to have been received when it is live.
    expected: Vec<Vec<u8>>,
}

impl Follower {
    fn start(node: &Node, live: &Live, recording_id: i64, start: StartFrom, replayed: usize) -> Follower {
        let (sender, events) = mpsc::channel();
        let (context, replay) = (node.remote(), "aeron:udp?endpoint=localhost:0");
        let settings =
            PersistentSubscriptionSettings::new(context, recording_id, &live.received, STREAM, replay, REPLAY_STREAM)
                .start_from(start)
                .listener(Telling(sender));
        let persistent = PersistentSubscription::start(settings).expect("created");
        Follower { persistent, events, received: Vec::new(), expected: (0..replayed).map(message).collect() }
    }

    /// Whether it is live and has all that was sent.
    fn has_caught_up(&mut self) -> bool {
        let received = &mut self.received;
        self.persistent.poll(10, |message, header| received.push(whole(message, header))).expect("no error");
        self.persistent.is_live() && self.received.len() >= self.expected.len()
    }
}

fn catch_up(live: &mut Live, followers: &mut [Follower]) {
    until("the followers to catch up", || {
        live.keep_up();
        let waiting = followers.iter_mut().filter_map(|follower| (!follower.has_caught_up()).then_some(())).count();
        (waiting == 0).then_some(())
    });
    for Follower { received, expected, .. } in followers {
        assert!(received == expected, "{} messages, not all the {} sent", received.len(), expected.len());
    }
}

#[test]
fn who_is_too_slow_for_the_live_stream_is_caught_by_the_recording() {
    let node = Node::start();
    falls_out(&node, Live::in_memory());
}

#[test]
fn who_is_too_slow_over_the_network_is_caught_too() {
    let node = Node::start();
    let live = Live::over_the_network(&node);
    falls_out(&node, live);
}

fn falls_out(node: &Node, mut live: Live) {
    let mut archive = node.connect();
    let mut publication = archive.add_recorded_exclusive_publication(&live.sent, STREAM).expect("recorded");
    let (recording_id, counter) = recording_of(&mut archive, publication.session_id());
    let middle = live.send(&mut publication, 20);
    let position = live.send(&mut publication, 30);
    await_recorded(&mut archive, recording_id, counter, position);
    let mut followers = [(StartFrom::Live, 0), (StartFrom::Position(middle), 30)]
        .map(|(start, replayed)| Follower::start(node, &live, recording_id, start, replayed));
    catch_up(&mut live, &mut followers);

    // The second of these is more than what a subscriber can be behind.
    for (count, lost) in [(20, 0), (300, 1), (20, 1)] {
        live.send(&mut publication, count);
        for follower in &mut followers {
            follower.expected.extend((0..count).map(message));
        }
        catch_up(&mut live, &mut followers);
        for Follower { persistent, .. } in &followers {
            assert_eq!((persistent.live_joined_count(), persistent.live_left_count()), (1 + lost, lost));
        }
    }
    for Follower { events, .. } in followers {
        assert_eq!(events.try_iter().collect::<Vec<_>>(), [Event::Joined, Event::Left, Event::Joined]);
    }
}
