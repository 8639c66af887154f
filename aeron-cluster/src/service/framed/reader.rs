//! Reading a framed snapshot.

use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;

use super::chunk::{Chain, Chunk, PREFIX_LENGTH, refused};
use super::progress::{Report, SnapshotProgress};
use crate::error::{Error, ErrorKind, Result};
use crate::service::snapshot::Polled;
use crate::service::{Cluster, SnapshotImage};

/// Where parts come from.
pub(super) trait Source {
    /// Copies the next part into `part`; false at the end of the snapshot. Blocks until it is there.
    fn next(&mut self, part: &mut Vec<u8>) -> Result<bool>;
}

/// The framing, over any source of parts.
pub(super) struct Framed<'a, S> {
    source: S,
    chain: Chain,
    version: u32,
    total: Option<u64>,
    /// The part being read; `at` is the offset of the next byte in it.
    part: Vec<u8>,
    at: usize,
    /// How many data bytes have been received.
    received: u64,
    /// From the end part: how many messages the service had sent to the log, or −1.
    end: Option<i64>,
    report: Option<Report<'a>>,
    /// The first error; all later calls return it.
    failure: Option<Error>,
}

impl<'a, S: Source> Framed<'a, S> {
    pub(super) fn open(mut source: S, name: &str, versions: &RangeInclusive<u32>) -> Result<Self> {
        let expected = || format!("expected a snapshot {name:?} of version {} to {}", versions.start(), versions.end());
        let (mut chain, mut part) = (Chain::default(), Vec::new());
        if !source.next(&mut part)? {
            return Err(refused(format!("{}, found nothing: the snapshot is empty", expected())));
        }
        let (found_name, version, total) = match chain.decode(&part).map_err(|error| error.context(expected()))? {
            Chunk::Head { version, total, name } => (name, version, total),
            other => return Err(refused(format!("{}, found {other:?}", expected()))),
        };
        if found_name != name || !versions.contains(&version) {
            return Err(refused(format!("{}, found {found_name:?} of version {version}", expected())));
        }
        let at = part.len();
        Ok(Framed { source, chain, version, total, part, at, received: 0, end: None, report: None, failure: None })
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn progress(&self) -> SnapshotProgress {
        SnapshotProgress { bytes: self.received - (self.part.len() - self.at) as u64, total: self.total }
    }

    /// The bytes that can be read; empty at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8]> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        while self.at == self.part.len() && self.end.is_none() {
            self.next_part().inspect_err(|error| self.failure = Some(error.clone()))?;
        }
        Ok(&self.part[self.at..])
    }

    pub(super) fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount).min(self.part.len());
        let progress = self.progress();
        if let Some(report) = &mut self.report {
            report.update(progress);
        }
    }

    fn next_part(&mut self) -> Result<()> {
        if !self.source.next(&mut self.part)? {
            let (parts, bytes) = (self.chain.length(), self.received);
            return Err(refused(format!(
                "the snapshot is cut short: expected its end, found nothing after {parts} parts with {bytes} bytes"
            )));
        }
        self.at = self.part.len();
        match self.chain.decode(&self.part)? {
            Chunk::Data(data) => {
                self.received += data.len() as u64;
                self.at = PREFIX_LENGTH;
                Ok(())
            }
            Chunk::End { bytes, service_messages } => {
                let received = self.received;
                if bytes != received || self.total.is_some_and(|total| total != received) {
                    return Err(refused(format!("expected a snapshot of {bytes} bytes, found {received}")));
                }
                self.end = Some(service_messages);
                Ok(())
            }
            // Not reached: the chain accepts a head only as the first part.
            Chunk::Head { .. } => Err(refused("a second head in the snapshot".to_owned())),
        }
    }

    /// Returns how many messages the service had sent to the log when the snapshot was taken, or −1.
    pub(super) fn finish(&mut self) -> Result<i64> {
        let unread = self.fill()?.len();
        match self.end {
            Some(service_messages) if unread == 0 => Ok(service_messages),
            _ => Err(refused(format!("the snapshot was not read to its end: finished after {}", self.progress()))),
        }
    }
}

/// The source of a [`SnapshotReader`]: the image of a snapshot.
struct Replay<'a> {
    cluster: &'a Cluster,
    snapshot: &'a mut SnapshotImage,
}

impl Source for Replay<'_> {
    fn next(&mut self, part: &mut Vec<u8>) -> Result<bool> {
        loop {
            let fragments = match self.snapshot.poll_into(part)? {
                Polled::Message => return Ok(true),
                Polled::End => return Ok(false),
                Polled::Fragments(fragments) => fragments,
            };
            self.cluster.idle(fragments).map_err(|ending| Error::new(ErrorKind::Closed, ending.to_string()))?;
        }
    }
}

/// Reads what a [`SnapshotWriter`](super::SnapshotWriter) wrote. See [the module](super).
///
/// It implements [`BufRead`], so it needs no [`BufReader`](io::BufReader) around it. Call [`finish`](Self::finish) at the end: it checks
/// that everything was read.
///
/// Reads block, through [`Cluster::idle`], until the archive has replayed that part of the snapshot. Every [`io::Error`] wraps an [`Error`]; after
/// one, all further reads fail.
#[must_use = "finish it, to know that all was read"]
pub struct SnapshotReader<'a> {
    framed: Framed<'a, Replay<'a>>,
}

impl<'a> SnapshotReader<'a> {
    /// Opens a framed stream with this name and a version in this range, at the current position of the snapshot. Blocks until its head is there.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol), with what was expected and found, if the snapshot is empty, not framed (such as what a
    /// Java service wrote), of another format or version, or damaged. [`Closed`](ErrorKind::Closed) if the container is ending.
    pub fn open(
        cluster: &'a Cluster,
        snapshot: &'a mut SnapshotImage,
        name: &str,
        versions: RangeInclusive<u32>,
    ) -> Result<Self> {
        Ok(SnapshotReader { framed: Framed::open(Replay { cluster, snapshot }, name, &versions)? })
    }

    /// The version of the format in which the snapshot was written.
    pub fn version(&self) -> u32 {
        self.framed.version()
    }

    /// Calls `callback` each time that at least another `every` bytes were read.
    pub fn on_progress(mut self, every: u64, callback: impl FnMut(SnapshotProgress) + 'a) -> Self {
        self.framed.report = Some(Report::new(every, callback));
        self
    }

    /// How much was read, and how much there is if the writer said so.
    pub fn progress(&self) -> SnapshotProgress {
        self.framed.progress()
    }

    /// Checks that everything was read, and that nothing was missing.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol) if bytes are left to read, the end is missing, or the length is not what the writer recorded; otherwise as
    /// [`open`](Self::open).
    pub fn finish(mut self) -> Result<SnapshotProgress> {
        let cluster = self.framed.source.cluster;
        if let Ok(sent) = u64::try_from(self.framed.finish()?) {
            cluster.resume_service_messages(sent)?;
        }
        Ok(self.framed.progress())
    }
}

impl Read for SnapshotReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for SnapshotReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.framed.fill().map_err(io_error)
    }

    fn consume(&mut self, amount: usize) {
        self.framed.consume(amount);
    }
}

impl std::fmt::Debug for SnapshotReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotReader").field("version", &self.version()).field("progress", &self.progress()).finish()
    }
}

/// Wraps an error in an `io::Error`.
pub(super) fn io_error(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Protocol => io::ErrorKind::InvalidData,
        ErrorKind::InvalidArgument => io::ErrorKind::InvalidInput,
        // Not `Interrupted`: `std` would retry.
        ErrorKind::Closed => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
