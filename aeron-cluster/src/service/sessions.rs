//! The open sessions: found by id in constant time, and seen in the order of their ids.

use std::collections::BTreeSet;

use super::ClientSession;
use super::session_table::SessionTable;

/// Up to this number prefetching does not pay: at a cache line each, the sessions take 64 KiB, a quarter of the smallest L2 caches.
const MANY: usize = 1024;

/// The open sessions. Their order is the same on all members, and so are the snapshots that list them.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: SessionTable<ClientSession>,
    ids: BTreeSet<i64>,
}

impl Sessions {
    #[inline]
    pub(super) fn get(&self, id: i64) -> Option<&ClientSession> {
        self.by_id.get(id)
    }

    /// Whether there are too many for the near caches, which other things need as well.
    #[inline]
    pub(super) fn are_many(&self) -> bool {
        self.by_id.len() > MANY
    }

    /// What is to be called with the ids of sessions whose messages are likely to come soon.
    #[inline]
    pub(super) fn expect(&self) -> impl Fn(i64) + use<> {
        self.by_id.prefetcher()
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
        self.by_id.remove(id)
    }

    /// All sessions, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ClientSession> {
        self.ids.iter().filter_map(|id| self.get(*id))
    }

    /// Closes the publications to all clients.
    pub(super) fn disconnect(&mut self) {
        for session in self.by_id.values_mut() {
            session.disconnect();
        }
    }
}
