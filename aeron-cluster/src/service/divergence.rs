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
mod tests;
