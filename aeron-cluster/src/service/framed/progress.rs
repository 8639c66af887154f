//! How far a snapshot is.

use std::fmt;

/// How much of a snapshot was written, or read by the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotProgress {
    /// The service's own bytes, without the framing.
    pub bytes: u64,
    /// How many there will be, if the writer said so with [`SnapshotWriter::with_total`](super::SnapshotWriter::with_total).
    pub total: Option<u64>,
}

impl fmt::Display for SnapshotProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) => write!(f, "{} of {total} bytes", self.bytes),
            None => write!(f, "{} bytes", self.bytes),
        }
    }
}

/// A progress callback, and when to call it next.
pub(super) struct Report<'a> {
    every: u64,
    next: u64,
    callback: Box<dyn FnMut(SnapshotProgress) + 'a>,
}

impl<'a> Report<'a> {
    pub(super) fn new(every: u64, callback: impl FnMut(SnapshotProgress) + 'a) -> Self {
        let every = every.max(1);
        Report { every, next: every, callback: Box::new(callback) }
    }

    /// Calls the callback if at least `every` bytes came since the last call.
    pub(super) fn update(&mut self, progress: SnapshotProgress) {
        if progress.bytes >= self.next {
            self.next = progress.bytes.saturating_add(self.every);
            (self.callback)(progress);
        }
    }
}
