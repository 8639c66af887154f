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
    /// Puts the next part into `part`, waiting for it; false at the end of the snapshot.
    fn next(&mut self, part: &mut Vec<u8>) -> Result<bool>;
}

/// The framing, over whatever gives the parts.
pub(super) struct Framed<'a, S> {
    source: S,
    chain: Chain,
    version: u32,
    total: Option<u64>,
    /// The part being read, and where in it the reader is.
    part: Vec<u8>,
    at: usize,
    /// All data that came.
    received: u64,
    /// What the end said: how many messages the service had sent to the log.
    end: Option<i64>,
    report: Option<Report<'a>>,
    /// What went wrong: after it nothing can be right.
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

    /// What is there to be read; nothing at the end.
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
            // No head but the first part: the chain sees to it.
            Chunk::Head { .. } => Err(refused("a second head in the snapshot".to_owned())),
        }
    }

    /// Returns how many messages the service had sent to the log when the snapshot was taken, or −1.
    pub(super) fn finish(&mut self) -> Result<i64> {
        let unread = self.fill()?.len();
        let SnapshotProgress { bytes, total } = self.progress();
        match self.end {
            Some(service_messages) if unread == 0 => Ok(service_messages),
            _ => {
                let of = total.map_or_else(|| "more".to_owned(), |total| total.to_string());
                Err(refused(format!("the snapshot was not read to its end: {bytes} bytes of {of}")))
            }
        }
    }
}

/// The image of a snapshot, and how to wait for it.
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
/// A [`Read`] and [`BufRead`], so it needs no [`BufReader`](io::BufReader) around it. [`finish`](Self::finish) it: until then it is not certain
/// that everything was read.
///
/// Blocking: it waits, through [`Cluster::idle`], for the archive to replay the snapshot. An [`io::Error`] carries an [`Error`]; after one, all
/// further reads fail.
#[must_use = "finish it, to know that all was read"]
pub struct SnapshotReader<'a> {
    framed: Framed<'a, Replay<'a>>,
}

impl<'a> SnapshotReader<'a> {
    /// Begins to read a framed part of the snapshot that has this name and a version in this range.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol) with what was expected and found, if what stands there is anything else: empty, not framed (such as what a
    /// Java service wrote), another format, another version, damaged. [`Closed`](ErrorKind::Closed) if the container is ending.
    pub fn open(
        cluster: &'a Cluster,
        snapshot: &'a mut SnapshotImage,
        name: &str,
        versions: RangeInclusive<u32>,
    ) -> Result<Self> {
        Ok(SnapshotReader { framed: Framed::open(Replay { cluster, snapshot }, name, &versions)? })
    }

    /// The version in which it was written.
    pub fn version(&self) -> u32 {
        self.framed.version()
    }

    /// Calls `callback` whenever another `every` bytes were read, or a little more.
    pub fn on_progress(mut self, every: u64, callback: impl FnMut(SnapshotProgress) + 'a) -> Self {
        self.framed.report = Some(Report::new(every, callback));
        self
    }

    /// How much was read, and how much there is if the writer told.
    pub fn progress(&self) -> SnapshotProgress {
        self.framed.progress()
    }

    /// Makes sure that all was read, and that it was all.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol) if something is left, the end is missing, or the data are not those that were written. As
    /// [`open`](Self::open) otherwise.
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

/// The error as the io traits have it; itself within.
pub(super) fn io_error(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Protocol => io::ErrorKind::InvalidData,
        ErrorKind::InvalidArgument => io::ErrorKind::InvalidInput,
        // Not `Interrupted`, which the std tries again.
        ErrorKind::Closed => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
