//! The open sessions: found by id in constant time, and seen in the order of their ids.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::ClientSession;

/// The open sessions. Their order is the same on all members, and so are the snapshots that list them.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: HashMap<i64, ClientSession, BuildHasherDefault<IdHasher>>,
    ids: BTreeSet<i64>,
}

impl Sessions {
    #[inline]
    pub(super) fn get(&self, id: i64) -> Option<&ClientSession> {
        self.by_id.get(&id)
    }

    /// Adds a session; false if there is one with its id already, which then stays.
    pub(super) fn add(&mut self, session: ClientSession) -> bool {
        let new = self.ids.insert(session.id());
        if new {
            self.by_id.insert(session.id(), session);
        }
        new
    }

    pub(super) fn remove(&mut self, id: i64) -> Option<ClientSession> {
        self.ids.remove(&id);
        self.by_id.remove(&id)
    }

    /// All sessions, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ClientSession> {
        self.ids.iter().filter_map(|id| self.by_id.get(id))
    }

    /// Closes the publications to all clients.
    pub(super) fn disconnect(&mut self) {
        for session in self.by_id.values_mut() {
            session.disconnect();
        }
    }
}

/// Session ids are small numbers given out in order by the consensus module, not by an adversary: one multiplication
/// spreads them.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.write_u64(id as u64);
    }

    fn write_u64(&mut self, value: u64) {
        const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(GOLDEN_RATIO);
    }
}
