//! Space claimed for a message to the log.

use std::ops::{Deref, DerefMut};

use super::divergence::{Fingerprint, Ticket};
use super::state::State;
use crate::aeron::BufferClaim;

/// Space claimed by [`Cluster::try_claim`](super::Cluster::try_claim) for one message to the log, to be written in place.
///
/// Write the message through the slice this dereferences to, then [`commit`](Self::commit) it. A claim that is dropped
/// without a commit is aborted: nothing is sent. Do not keep a claim: until it is settled, the consensus module sees
/// nothing that was sent after it.
#[must_use = "a claim that is dropped is aborted: commit it"]
pub struct LogClaim<'c> {
    /// `None` once committed.
    claim: Option<BufferClaim<'c>>,
    ticket: Ticket,
    state: &'c State,
}

impl<'c> LogClaim<'c> {
    pub(super) fn new(claim: BufferClaim<'c>, state: &'c State) -> Self {
        let ticket = state.own_messages.borrow_mut().claimed();
        LogClaim { claim: Some(claim), ticket, state }
    }

    /// The position after this message in the stream to the consensus module, in bytes. It is not a position of the log.
    pub fn position(&self) -> i64 {
        self.claim.as_ref().map_or(0, BufferClaim::position)
    }

    /// The claimed length in bytes, as asked for.
    pub fn len(&self) -> usize {
        self.deref().len()
    }

    /// Whether a message of no bytes was claimed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends the message. Returns [`position`](Self::position).
    pub fn commit(mut self) -> i64 {
        // Computed first: after the commit the bytes are no longer ours.
        let message = Fingerprint::of([&self[..]]);
        let Some(claim) = self.claim.take() else { return 0 };
        self.state.own_messages.borrow_mut().committed(self.ticket, message);
        claim.commit()
    }

    /// Gives the space back. The same as dropping the claim.
    pub fn abort(self) {}
}

impl Drop for LogClaim<'_> {
    fn drop(&mut self) {
        if self.claim.is_some() {
            self.state.own_messages.borrow_mut().aborted(self.ticket);
        }
    }
}

impl Deref for LogClaim<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.claim.as_deref().unwrap_or_default()
    }
}

impl DerefMut for LogClaim<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.claim.as_deref_mut().unwrap_or_default()
    }
}

impl std::fmt::Debug for LogClaim<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogClaim").field("len", &self.len()).field("position", &self.position()).finish()
    }
}
