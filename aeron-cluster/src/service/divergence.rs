//! The divergence alarm: whether what this service sends to the log comes back as it was sent.
//!
//! The service on every member sends the same messages to the log, each to its own consensus module. The leader's copy enters the log; the other
//! consensus modules count theirs, and drop one for each that the log brings. They never check that it is the same message: members whose
//! states differ silently lose messages or get each other's. So the container checks.
//!
//! In the log a service's message has a negative session id: the sign bit, 7 bits of service id, and 56 bits that
//! number the messages of that service from the beginning of the log. Mirrors `PendingServiceMessageTracker`.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// How many messages can be in flight and still be compared. Of those beyond, only the number is checked.
const CAPACITY: u64 = 4096;
const NUMBER_BITS: u32 = 56;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const SERVICE_ID_MASK: i64 = 0x7F;

/// What is compared of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The length of the message, in bytes.
    pub length: usize,
    /// Its CRC-32.
    pub checksum: u32,
}

impl Fingerprint {
    /// Of the message that the pieces make up.
    pub(super) fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        let mut length = 0;
        for piece in pieces {
            hasher.update(piece);
            length += piece.len();
        }
        Fingerprint { length, checksum: hasher.finalize() }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes with checksum {:08x}", self.length, self.checksum)
    }
}

/// A message of this service in the log that is not the one that this member sent: the services of the members are no longer replicas of each
/// other. It does not tell which of them is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// The number of the message among all of this service since the log began, counted from 1.
    pub number: u64,
    /// The position in the log after the message, in bytes.
    pub log_position: i64,
    /// The message with that number that this member sent; `None` if it had not sent that many.
    pub sent: Option<Fingerprint>,
    /// The message in the log.
    pub found: Fingerprint,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Divergence { number, log_position, sent, found } = self;
        write!(
            f,
            "the members diverge: message {number} of this service, at log position {log_position}, has {found}, and "
        )?;
        match sent {
            Some(sent) => write!(f, "this member sent {sent}"),
            None => f.write_str("this member did not send it"),
        }
    }
}

/// A message in the ring.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Sent(Fingerprint),
    /// Claimed, not yet committed.
    Open(Ticket),
}

/// Identifies a claim until it is committed or aborted. Not its number, which changes if an earlier claim is aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The messages of this service to the log. Allocates at the first message and never again. Takes constant time for each, except for a claim that
/// is aborted after later messages were sent.
#[derive(Default)]
pub(super) struct OwnMessages {
    /// A ring of the last [`CAPACITY`] messages, indexed by number.
    ring: Vec<Entry>,
    /// How many messages were sent before this container started. Those are not in the ring.
    before: u64,
    /// The number of the last message.
    last: u64,
    /// Whether our numbers are not those of the log, which is so after a snapshot that does not say how many messages came before it.
    uncounted: bool,
    next_ticket: u64,
    first_divergence: Option<Divergence>,
}

impl OwnMessages {
    /// How many messages were sent since the log began, if that is known.
    pub(super) fn count(&self) -> Option<u64> {
        (!self.uncounted).then_some(self.last)
    }

    /// The service starts from a snapshot: until `resume` is called, the number of messages sent before is unknown.
    pub(super) fn forget_count(&mut self) {
        self.uncounted = true;
    }

    /// The service starts from a snapshot before which this many messages were sent.
    pub(super) fn resume(&mut self, count: u64) -> Result<()> {
        if count > NUMBER_MASK {
            let message = format!("a service has sent to the log at most {NUMBER_MASK}: {count}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        (self.before, self.last, self.uncounted) = (count, count, false);
        Ok(())
    }

    pub(super) fn first_divergence(&self) -> Option<Divergence> {
        self.first_divergence
    }

    fn push(&mut self, entry: Entry) {
        self.last += 1;
        let slot = self.slot(self.last);
        match self.ring.get_mut(slot) {
            Some(old) => *old = entry,
            // The first message. Its slot need not be the first: the numbers may begin anywhere.
            None => self.ring = vec![entry; CAPACITY as usize],
        }
    }

    fn slot(&self, number: u64) -> usize {
        (number % CAPACITY) as usize
    }

    /// The message with this number, if it is kept.
    fn get(&self, number: u64) -> Option<Entry> {
        let kept = number > self.before && number <= self.last && number + CAPACITY > self.last;
        kept.then(|| self.ring[self.slot(number)])
    }

    /// A message was sent.
    pub(super) fn sent(&mut self, message: Fingerprint) {
        self.push(Entry::Sent(message));
    }

    /// Space for a message was claimed; it comes before all messages sent from now on.
    pub(super) fn claimed(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.push(Entry::Open(ticket));
        ticket
    }

    fn find(&self, ticket: Ticket) -> Option<u64> {
        let numbers = (1..=self.last).rev().take(CAPACITY as usize);
        numbers
            .take_while(|number| *number > self.before)
            .find(|number| matches!(self.get(*number), Some(Entry::Open(open)) if open == ticket))
    }

    /// A claim is being committed.
    pub(super) fn committed(&mut self, ticket: Ticket, message: Fingerprint) {
        if let Some(number) = self.find(ticket) {
            let slot = self.slot(number);
            self.ring[slot] = Entry::Sent(message);
        }
    }

    /// A claim is being aborted: later messages move up by one number.
    pub(super) fn aborted(&mut self, ticket: Ticket) {
        let Some(number) = self.find(ticket) else {
            // Too long ago: the ring has been overwritten since.
            self.uncounted = true;
            return;
        };
        for later in number..self.last {
            let (to, from) = (self.slot(later), self.slot(later + 1));
            self.ring[to] = self.ring[from];
        }
        self.last -= 1;
    }

    /// The log brought a message of a service. Returns the first divergence, once.
    pub(super) fn returned(
        &mut self,
        service_id: i32,
        id: i64,
        message: &[u8],
        log_position: i64,
    ) -> Option<Divergence> {
        let sender = (id >> NUMBER_BITS) & SERVICE_ID_MASK;
        if id >= 0 || sender != i64::from(service_id) || self.uncounted || self.first_divergence.is_some() {
            return None;
        }
        let number = id as u64 & NUMBER_MASK;
        let sent = match self.get(number) {
            Some(Entry::Sent(sent)) => Some(sent),
            Some(Entry::Open(_)) => None,
            None if number > self.last => None,
            // Not kept: sent before the snapshot, or overwritten in the ring.
            None => return None,
        };
        let found = Fingerprint::of([message]);
        if sent == Some(found) {
            return None;
        }
        self.first_divergence = Some(Divergence { number, log_position, sent, found });
        self.first_divergence
    }
}

#[cfg(test)]
mod tests {
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
}
