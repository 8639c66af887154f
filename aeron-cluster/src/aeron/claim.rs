//! A stretch of a publication's log, claimed and not yet sent.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use aeron_sys as sys;

/// Space claimed in a publication's log for one message, to be written in place.
///
/// Write the message through the slice this dereferences to, then [`commit`](Self::commit) it. A claim that is
/// dropped without a commit is aborted: the space becomes padding that receivers skip. Do not keep a claim: until it is
/// committed or aborted, subscribers see nothing that was sent after it. Mirrors `io.aeron.logbuffer.BufferClaim`.
#[must_use = "a claim that is dropped is aborted: commit it"]
#[derive(Debug)]
pub struct BufferClaim<'p> {
    target: Target<'p>,
    /// How much of the claim's start is written already and hidden: the length of a session header, or 0.
    hidden: usize,
    position: i64,
}

#[derive(Debug)]
enum Target<'p> {
    Log(sys::aeron_buffer_claim_t, PhantomData<&'p mut [u8]>),
    /// Memory that nobody receives: what a follower writes its responses to. It goes back home to be used again.
    Scratch {
        memory: Vec<u8>,
        home: &'p RefCell<Vec<u8>>,
    },
    /// Nothing: it was committed.
    Settled,
}

impl<'p> BufferClaim<'p> {
    /// # Safety
    ///
    /// `raw` must come from a successful try_claim on a publication that is borrowed for `'p`, whose log buffer
    /// therefore stays mapped.
    pub(crate) unsafe fn from_raw(raw: sys::aeron_buffer_claim_t, position: i64) -> Self {
        BufferClaim { target: Target::Log(raw, PhantomData), hidden: 0, position }
    }

    /// A claim of `length` zeroes on memory that is never sent, borrowed from `home` until the claim is gone.
    pub(crate) fn scratch(home: &'p RefCell<Vec<u8>>, length: usize, position: i64) -> Self {
        let mut memory = home.take();
        memory.clear();
        memory.resize(length, 0);
        BufferClaim { target: Target::Scratch { memory, home }, hidden: 0, position }
    }

    /// The position that the stream has after this message.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The claimed length in bytes, as asked for.
    pub fn len(&self) -> usize {
        self.deref().len()
    }

    /// Whether a message of no bytes was claimed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same claim with `start` written to its first bytes, which no longer show in the slice.
    pub(crate) fn with_hidden_start(mut self, start: &[u8]) -> Self {
        if let Some(target) = self.get_mut(..start.len()) {
            target.copy_from_slice(start);
            self.hidden += start.len();
        }
        self
    }

    /// Sends the message. Returns the position after it.
    pub fn commit(self) -> i64 {
        let mut claim = self;
        if let Target::Log(raw, _) = &mut claim.target {
            // SAFETY: the claim is open: it is settled here or in `drop`, once (aeronc.h).
            unsafe { sys::aeron_buffer_claim_commit(raw) };
            claim.target = Target::Settled;
        }
        claim.position
    }

    /// Gives the space back as padding. The same as dropping the claim.
    pub fn abort(self) {}
}

impl Drop for BufferClaim<'_> {
    fn drop(&mut self) {
        match &mut self.target {
            Target::Log(claim, _) => {
                // SAFETY: as in `commit`.
                unsafe { sys::aeron_buffer_claim_abort(claim) };
            }
            Target::Scratch { memory, home } => {
                home.replace(std::mem::take(memory));
            }
            Target::Settled => {}
        }
    }
}

impl Deref for BufferClaim<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole: &[u8] = match &self.target {
            // SAFETY: data and length of an open claim denote a mapped range that only this claim touches.
            Target::Log(claim, _) => unsafe { std::slice::from_raw_parts(claim.data, claim.length) },
            Target::Scratch { memory, .. } => memory,
            Target::Settled => &[],
        };
        &whole[self.hidden..]
    }
}

impl DerefMut for BufferClaim<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let whole: &mut [u8] = match &mut self.target {
            // SAFETY: as in `deref`, and `self` is borrowed exclusively.
            Target::Log(claim, _) => unsafe { std::slice::from_raw_parts_mut(claim.data, claim.length) },
            Target::Scratch { memory, .. } => memory,
            Target::Settled => &mut [],
        };
        &mut whole[self.hidden..]
    }
}
