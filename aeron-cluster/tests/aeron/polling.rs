//! What a handler says is what happens, and a panic in it loses nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aeron_cluster::aeron::{Action, Publication, Subscription};

use crate::rig::{Rig, image_of, until};

const STREAM: i32 = 8;
/// `AERON_COUNTER_SUBSCRIPTION_POSITION_TYPE_ID`
const SUBSCRIPTION_POSITION: i32 = 4;
/// A frame with a payload of one byte, padded.
const FRAME: i64 = 64;

/// A subscription with these messages of one byte before it.
fn pending(rig: &Rig, messages: &[u8]) -> (Publication, Subscription) {
    let subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    until("the connection", || publication.is_connected() && subscription.is_connected());
    for message in messages {
        until("room to send", || publication.offer(&[*message]).is_ok());
    }
    (publication, subscription)
}

/// The messages one poll delivers, all of which are there, each answered with what `answer` says.
fn polled(subscription: &mut Subscription, limit: usize, mut answer: impl FnMut(u8) -> Action) -> (usize, Vec<u8>) {
    let mut seen = Vec::new();
    let count = subscription
        .controlled_poll(limit, |message, _| {
            seen.push(message[0]);
            answer(message[0])
        })
        .unwrap();
    (count, seen)
}

#[test]
fn the_action_of_a_handler_decides_what_a_poll_consumes() {
    let rig = Rig::new();
    let (_publication, mut subscription) = pending(&rig, b"abcdef");
    assert_eq!(polled(&mut subscription, 0, |_| Action::Continue), (0, vec![]));
    assert_eq!(polled(&mut subscription, 1, |_| Action::Continue), (1, b"a".to_vec()));
    for _ in 0..3 {
        assert_eq!(polled(&mut subscription, 9, |_| Action::Abort), (0, b"b".to_vec()));
    }
    assert_eq!(polled(&mut subscription, 9, |_| Action::Break), (1, b"b".to_vec()));
    let abort_at_e = |message| if message == b'e' { Action::Abort } else { Action::Continue };
    assert_eq!(polled(&mut subscription, 9, abort_at_e), (2, b"cde".to_vec()));
    assert_eq!(polled(&mut subscription, 9, |_| Action::Continue), (2, b"ef".to_vec()));
    assert_eq!(polled(&mut subscription, usize::MAX, |_| Action::Continue), (0, vec![]));
}

#[test]
fn commit_publishes_the_position_at_once() {
    let rig = Rig::new();
    let (_publication, mut subscription) = pending(&rig, b"abc");
    let counters = rig.aeron.counters();
    let id = counters.find(|counter| counter.type_id == SUBSCRIPTION_POSITION).unwrap();
    let mut positions = Vec::new();
    let taken = subscription.controlled_poll(9, |message, _| {
        positions.push(counters.value(id).unwrap());
        if message == b"a" { Action::Commit } else { Action::Continue }
    });
    assert_eq!((taken, positions), (Ok(3), vec![0, FRAME, FRAME]));
    assert_eq!(counters.value(id), Some(3 * FRAME));
}

#[test]
fn a_bounded_poll_stops_at_its_limit() {
    let rig = Rig::new();
    let (publication, subscription) = pending(&rig, b"abcde");
    let mut image = image_of(subscription, publication.session_id());
    for limit in [-1, 0, FRAME, FRAME, 3 * FRAME, 2 * FRAME, i64::MAX] {
        let before = image.position();
        let mut end = before;
        let taken = image.bounded_controlled_poll(limit, 9, |_, header| {
            end = header.position();
            Action::Continue
        });
        let available = (limit.min(5 * FRAME) - before).max(0) / FRAME;
        assert_eq!(taken, Ok(available as usize), "limit {limit}");
        assert_eq!(image.position(), end);
        assert!(end <= before.max(limit));
    }
    assert_eq!(image.position(), 5 * FRAME);
}

#[test]
fn a_bounded_poll_does_as_its_handler_says() {
    let rig = Rig::new();
    let (publication, subscription) = pending(&rig, b"abc");
    let mut image = image_of(subscription, publication.session_id());
    assert_eq!(image.bounded_controlled_poll(2 * FRAME, 9, |_, _| Action::Abort), Ok(0));
    assert_eq!(image.position(), 0);
    assert_eq!(image.bounded_controlled_poll(2 * FRAME, 9, |_, _| Action::Break), Ok(1));
    let panicked =
        catch_unwind(AssertUnwindSafe(|| image.bounded_controlled_poll(i64::MAX, 9, |_, _| panic!("of the handler"))));
    assert!(panicked.is_err());
    assert_eq!(image.position(), FRAME);
    assert_eq!(image.controlled_poll(9, |_, _| Action::Continue), Ok(2));
}

#[test]
fn a_panic_of_a_handler_is_resumed_and_loses_nothing() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut senders = [(); 3].map(|()| rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap());
    until("the images", || subscription.image_count() == 3);
    for (number, sender) in (0u8..).zip(&mut senders) {
        until("room to send", || sender.offer(&[2 * number]).is_ok());
        until("room to send", || sender.offer(&[2 * number + 1]).is_ok());
    }
    let mut seen = Vec::new();
    for call in 0..3 {
        // The first, or the first after some that are taken.
        let mut calls = 0;
        let payload = catch_unwind(AssertUnwindSafe(|| {
            subscription.poll(9, |message, _| {
                assert!(calls <= call, "called again after a panic");
                calls += 1;
                if calls > call {
                    std::panic::panic_any(message[0]);
                }
                seen.push(message[0]);
            })
        }))
        .expect_err("the panic comes back");
        assert!(payload.downcast_ref::<u8>().is_some_and(|message| !seen.contains(message)));
    }
    subscription.poll(9, |message, _| seen.push(message[0])).unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
}
