//! Logs as they may be, against what was sent.

use proptest::prelude::*;

use super::*;

const SERVICE: i32 = 3;

fn id(service_id: i32, number: u64) -> i64 {
    i64::MIN | i64::from(service_id) << NUMBER_BITS | number as i64
}

fn send(own: &mut OwnMessages, message: &[u8]) {
    own.sent(Fingerprint::of([message]));
}

fn back(own: &mut OwnMessages, number: u64, message: &[u8]) -> Option<Divergence> {
    own.returned(SERVICE, id(SERVICE, number), message, 64 * number as i64)
}

#[test]
fn what_comes_back_as_sent_is_no_divergence_and_other_services_do_not_matter() {
    let mut own = OwnMessages::default();
    send(&mut own, b"a");
    own.sent(Fingerprint::of([b"b".as_slice(), b"c"]));
    assert_eq!(back(&mut own, 1, b"a"), None);
    for other in [0, 2, 4, 9, 127] {
        assert_eq!(own.returned(SERVICE, id(other, 1), b"other", 64), None);
    }
    let client = 2;
    assert_eq!(own.returned(0, client, b"client", 64), None);
    assert_eq!(back(&mut own, 2, b"bc"), None);
    assert_eq!(own.count(), Some(2));
}

#[test]
fn another_message_and_one_that_was_never_sent_are_told_once() {
    let mut own = OwnMessages::default();
    send(&mut own, b"mine");
    let text = back(&mut own, 1, b"theirs").unwrap().to_string();
    let (theirs, mine) = (Fingerprint::of([b"theirs".as_slice()]), Fingerprint::of([b"mine".as_slice()]));
    let start = "the members diverge: message 1 of this service, at log position 64, has";
    assert_eq!(text, format!("{start} {theirs}, and this member sent {mine}"));
    assert_eq!(back(&mut own, 2, b"more"), None);
    assert_eq!(own.first_divergence().unwrap().number, 1);

    let mut own = OwnMessages::default();
    let divergence = back(&mut own, 1, b"theirs").unwrap();
    assert_eq!((divergence.sent, divergence.found), (None, theirs));
    assert_eq!(divergence.to_string(), format!("{start} {theirs}, and this member did not send it"));
}

#[test]
fn a_length_is_seen_where_a_checksum_is_not() {
    assert_ne!(Fingerprint::of([[].as_slice()]), Fingerprint { length: 1, checksum: 0 });
    let mut own = OwnMessages::default();
    own.sent(Fingerprint { length: 2, ..Fingerprint::of([b"x".as_slice()]) });
    assert!(back(&mut own, 1, b"x").is_some());
}

#[test]
fn after_a_snapshot_what_was_sent_before_comes_back_first() {
    let mut own = OwnMessages::default();
    own.forget_count();
    assert_eq!((own.count(), back(&mut own, 9, b"pending")), (None, None));
    own.resume(10).unwrap();
    send(&mut own, b"mine");
    assert_eq!((back(&mut own, 9, b"pending"), back(&mut own, 10, b"pending")), (None, None));
    assert_eq!((back(&mut own, 11, b"mine"), own.count()), (None, Some(11)));
    assert!(back(&mut own, 12, b"theirs").is_some());
}

#[test]
fn a_count_that_no_log_can_have_is_refused_and_changes_nothing() {
    for count in [NUMBER_MASK + 1, u64::MAX] {
        let mut own = OwnMessages::default();
        own.forget_count();
        let error = own.resume(count).unwrap_err().to_string();
        assert!(error.ends_with(&format!("at most {NUMBER_MASK}: {count}")), "{error}");
        send(&mut own, b"mine");
        assert_eq!((back(&mut own, 1, b"theirs"), own.count()), (None, None));
    }
    let mut own = OwnMessages::default();
    own.resume(NUMBER_MASK).unwrap();
    send(&mut own, b"mine");
    assert_eq!(own.count(), Some(NUMBER_MASK + 1));
}

#[test]
fn without_a_count_nothing_is_compared() {
    let mut own = OwnMessages::default();
    own.forget_count();
    send(&mut own, b"mine");
    assert_eq!((back(&mut own, 1, b"theirs"), own.count()), (None, None));
}

#[test]
fn more_than_the_ring_holds_is_compared_by_number_alone() {
    let mut own = OwnMessages::default();
    for _ in 0..=CAPACITY {
        send(&mut own, b"mine");
    }
    assert_eq!(back(&mut own, 1, b"too old to be known"), None);
    assert_eq!(back(&mut own, 2, b"mine"), None);
    assert_eq!(back(&mut own, CAPACITY + 1, b"mine"), None);
    assert!(back(&mut own, CAPACITY + 2, b"mine").is_some());
}

#[test]
fn claims_count_from_where_they_were_made_unless_they_are_given_up() {
    let mut own = OwnMessages::default();
    let (first, second) = (own.claimed(), own.claimed());
    send(&mut own, b"c");
    own.committed(second, Fingerprint::of([b"b".as_slice()]));
    own.aborted(first);
    assert_eq!((back(&mut own, 1, b"b"), back(&mut own, 2, b"c"), own.count()), (None, None, Some(2)));
    let third = own.claimed();
    assert!(back(&mut own, 3, b"").is_some(), "it was not committed");
    own.aborted(third);
    assert_eq!(own.count(), Some(2));
}

#[test]
fn memory_is_taken_at_the_first_message_and_not_again() {
    let mut own = OwnMessages::default();
    assert_eq!(own.ring.capacity(), 0);
    own.resume(CAPACITY + 7).unwrap();
    send(&mut own, b"a");
    let capacity = own.ring.capacity();
    for _ in 0..2 * CAPACITY {
        send(&mut own, b"a");
    }
    assert_eq!(own.ring.capacity(), capacity);
}

proptest! {
    /// Sent, claimed, given up and come back in any order that a log can have: never an alarm; one change: always one.
    #[test]
    fn no_false_alarm_and_none_missed(
        steps in proptest::collection::vec((0u8..4, any::<u8>()), 1..200),
        before in prop_oneof![Just(0u64), 1u64..10_000],
        changed in any::<proptest::sample::Index>(),
    ) {
        let mut own = OwnMessages::default();
        own.resume(before).unwrap();
        let (mut log, mut claims) = (Vec::<Vec<u8>>::new(), Vec::new());
        for (step, byte) in steps {
            match step {
                0 => {
                    send(&mut own, &[byte]);
                    log.push(vec![byte]);
                }
                1 => claims.push((own.claimed(), log.len(), byte)),
                2 => if let Some((ticket, at, byte)) = claims.pop() {
                    own.committed(ticket, Fingerprint::of([[byte].as_slice()]));
                    log.insert(at, vec![byte]);
                },
                _ => if let Some((ticket, ..)) = claims.pop() {
                    own.aborted(ticket);
                },
            }
        }
        while let Some((ticket, ..)) = claims.pop() {
            own.aborted(ticket);
        }
        prop_assert_eq!(own.count(), Some(before + log.len() as u64));
        for (number, message) in (before + 1..).zip(&log) {
            prop_assert_eq!(back(&mut own, number, message), None);
        }
        if !log.is_empty() {
            let at = changed.index(log.len());
            log[at].push(0);
            prop_assert!(back(&mut own, before + 1 + at as u64, &log[at]).is_some());
        }
    }
}
