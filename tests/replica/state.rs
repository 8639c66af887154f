//! What the replica replicates: hashes over all that the log brought, and the numbers of the messages by session.

use std::collections::BTreeMap;
use std::fmt;

/// FNV-1a, 64 bits.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The most services that a member can have.
pub(super) const MAX_SERVICES: usize = 10;

/// Kept bytes go into a snapshot in pieces of this length, several packets each.
const PIECE_LENGTH: usize = 64 * 1024;
const MAGIC: [u8; 8] = *b"REPLICA1";

fn hash(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Where in the log something stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) position: i64,
    pub(super) timestamp: i64,
}

/// What the log brought, without where and when.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    Open { session: i64 },
    Close { session: i64, reason: i64 },
    Message { session: i64, content: &'a [u8] },
    Timer { correlation_id: i64 },
    ServiceMessage { content: &'a [u8] },
    Term { id: i64, leader: i64 },
}

/// The numbers of the messages that a session sent, as they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Whether the session is open.
    pub is_open: bool,
    /// Messages, with a number or without.
    pub count: u64,
    /// Numbers applied, as ranges of both ends included; more than one if some are missing.
    pub ranges: Vec<(u64, u64)>,
}

impl Numbers {
    /// Whether the message with this number was applied.
    pub fn contain(&self, number: u64) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// The highest number applied; 0 if none was.
    pub fn highest(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.1)
    }

    /// Takes a number. False if it came out of order, or again.
    pub fn add(&mut self, number: u64) -> bool {
        match self.ranges.last_mut() {
            Some(range) if number <= range.1 => return false,
            Some(range) if number == range.1 + 1 => range.1 = number,
            _ => self.ranges.push((number, number)),
        }
        true
    }
}

/// The replicated state. Equal on replicas that applied the same log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Over the content of everything applied: the same for two clusters that were told the same.
    pub hash: u64,
    /// Over positions, times and channels too: the same only for replicas of one log.
    pub exact: u64,
    /// Messages of clients.
    pub messages: u64,
    /// Timers that expired.
    pub timers: u64,
    /// Leadership terms.
    pub terms: u64,
    /// Messages whose number came again or out of order, of clients and of services.
    pub doubled: u64,
    /// Messages that this service sent to the log.
    pub offered: u64,
    /// Messages from services, by service.
    pub service_messages: [u64; MAX_SERVICES],
    /// Every session that there was.
    pub sessions: BTreeMap<i64, Numbers>,
    /// Bytes kept by a command.
    pub kept: Vec<u8>,
}

impl Default for State {
    fn default() -> Self {
        State {
            hash: OFFSET_BASIS,
            exact: OFFSET_BASIS,
            messages: 0,
            timers: 0,
            terms: 0,
            doubled: 0,
            offered: 0,
            service_messages: [0; MAX_SERVICES],
            sessions: BTreeMap::new(),
            kept: Vec::new(),
        }
    }
}

impl State {
    /// Takes an event into both hashes; `extra` is what only one log has.
    pub(super) fn apply(&mut self, event: Event<'_>, at: At, extra: &[u8]) {
        self.hash = match event {
            Event::Open { session } => self.mix(1, &[session], &[]),
            Event::Close { session, reason } => self.mix(2, &[session, reason], &[]),
            Event::Message { session, content } => self.mix(3, &[session], content),
            Event::Timer { correlation_id } => self.mix(4, &[correlation_id], &[]),
            Event::ServiceMessage { content } => self.mix(5, &[], content),
            Event::Term { id, leader } => self.mix(6, &[id, leader], &[]),
        };
        let mut exact = hash(self.exact, &self.hash.to_le_bytes());
        exact = hash(exact, &at.position.to_le_bytes());
        exact = hash(exact, &at.timestamp.to_le_bytes());
        self.exact = hash(exact, extra);
        self.count(event);
    }

    fn mix(&self, kind: u8, fields: &[i64], content: &[u8]) -> u64 {
        let start = hash(self.hash, &[kind]);
        let fields = fields.iter().fold(start, |state, field| hash(state, &field.to_le_bytes()));
        hash(hash(fields, &(content.len() as u64).to_le_bytes()), content)
    }

    fn count(&mut self, event: Event<'_>) {
        match event {
            Event::Open { session } => self.sessions.entry(session).or_default().is_open = true,
            Event::Close { session, .. } => self.sessions.entry(session).or_default().is_open = false,
            Event::Message { session, .. } => {
                self.messages += 1;
                self.sessions.entry(session).or_default().count += 1;
            }
            Event::Timer { .. } => self.timers += 1,
            Event::ServiceMessage { .. } => {}
            Event::Term { .. } => self.terms += 1,
        }
    }

    /// A session's message had this number.
    pub(super) fn add_number(&mut self, session: i64, number: u64) {
        if !self.sessions.entry(session).or_default().add(number) {
            self.doubled += 1;
        }
    }

    /// A service's message had this number.
    pub(super) fn add_service_message(&mut self, service_id: usize, number: u64) {
        if let Some(count) = self.service_messages.get_mut(service_id) {
            *count += 1;
            self.doubled += u64::from(*count != number);
        }
    }

    /// The messages of a snapshot, in order.
    pub fn to_snapshot(&self) -> Vec<Vec<u8>> {
        let mut first = MAGIC.to_vec();
        let counts = [self.hash, self.exact, self.messages, self.timers, self.terms, self.doubled, self.offered];
        let lengths = [self.sessions.len() as u64, self.kept.len() as u64];
        for number in counts.iter().chain(&self.service_messages).chain(&lengths) {
            first.extend(number.to_le_bytes());
        }
        let session = |(id, numbers): (&i64, &Numbers)| {
            let mut message = id.to_le_bytes().to_vec();
            message.push(u8::from(numbers.is_open));
            message.extend(numbers.count.to_le_bytes());
            for (first, last) in &numbers.ranges {
                message.extend(first.to_le_bytes());
                message.extend(last.to_le_bytes());
            }
            message
        };
        let sessions = self.sessions.iter().map(session);
        let kept = self.kept.chunks(PIECE_LENGTH).map(<[u8]>::to_vec);
        std::iter::once(first).chain(sessions).chain(kept).collect()
    }

    /// Reads what [`to_snapshot`](Self::to_snapshot) made; `next` gives one message after the other.
    pub fn from_snapshot<E>(mut next: impl FnMut() -> Result<Vec<u8>, E>) -> Result<State, E>
    where
        E: From<String>,
    {
        let first = next()?;
        let fields: Vec<u64> = u64s(&first[MAGIC.len().min(first.len())..]);
        let [hash, exact, messages, timers, terms, doubled, offered, services @ .., sessions, kept] = fields.as_slice()
        else {
            return Err(format!("not a snapshot of a replica: {first:?}").into());
        };
        let service_messages = services.try_into().ok().filter(|_| first.starts_with(&MAGIC));
        let service_messages = service_messages.ok_or_else(|| format!("not a snapshot of a replica: {first:?}"))?;
        let mut state = State {
            hash: *hash,
            exact: *exact,
            messages: *messages,
            timers: *timers,
            terms: *terms,
            doubled: *doubled,
            offered: *offered,
            service_messages,
            ..State::default()
        };
        for _ in 0..*sessions {
            let (id, numbers) = session(&next()?).ok_or_else(|| "no session in the snapshot".to_owned())?;
            state.sessions.insert(id, numbers);
        }
        while (state.kept.len() as u64) < *kept {
            state.kept.extend(next()?);
        }
        Ok(state)
    }
}

fn u64s(bytes: &[u8]) -> Vec<u64> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
}

fn session(message: &[u8]) -> Option<(i64, Numbers)> {
    let (id, rest) = message.split_first_chunk()?;
    let (is_open, rest) = rest.split_first()?;
    let fields = u64s(rest);
    let (count, ranges) = fields.split_first()?;
    let ranges = ranges.as_chunks::<2>().0.iter().map(|range| (range[0], range[1])).collect();
    Some((i64::from_le_bytes(*id), Numbers { is_open: *is_open != 0, count: *count, ranges }))
}

/// One line for people and tests. `numbers` are those of the sessions: `1:1-20` has all of 1 to 20, `2:1-5+8-9` lacks 6 and 7.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.sessions.values().filter(|numbers| numbers.is_open).count();
        let service_messages: u64 = self.service_messages.iter().sum();
        write!(f, "hash={:016x} exact={:016x} messages={} ", self.hash, self.exact, self.messages)?;
        write!(f, "timers={} service_messages={service_messages} terms={} ", self.timers, self.terms)?;
        write!(
            f,
            "sessions={open}/{} doubled={} kept={} numbers=",
            self.sessions.len(),
            self.doubled,
            self.kept.len()
        )?;
        let numbered = self.sessions.iter().filter(|(_, numbers)| !numbers.ranges.is_empty());
        for (i, (id, numbers)) in numbered.enumerate() {
            let ranges = numbers.ranges.iter().map(|(first, last)| format!("{first}-{last}"));
            write!(f, "{}{id}:{}", if i > 0 { "," } else { "" }, ranges.collect::<Vec<_>>().join("+"))?;
        }
        Ok(())
    }
}
