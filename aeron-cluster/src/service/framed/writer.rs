//! Writing a framed snapshot.

use std::io::{self, Write};

use super::chunk::{Chain, MAX_NAME_LENGTH, PREFIX_LENGTH};
use super::progress::{Report, SnapshotProgress};
use super::reader::io_error;
use crate::error::{Error, ErrorKind, Result};
use crate::service::{Cluster, SnapshotPublication};

/// Where parts go.
pub(super) trait Sink {
    /// The longest part, in bytes.
    fn max_length(&self) -> usize;
    /// Sends one part. Blocks until it is taken.
    fn send(&mut self, part: &[u8]) -> Result<()>;
}

/// The framing, over any sink of parts.
pub(super) struct Framed<'a, S> {
    sink: S,
    chain: Chain,
    name: String,
    version: u32,
    total: Option<u64>,
    /// Space for a prefix, then data not yet sent. Never grows beyond the longest part.
    part: Vec<u8>,
    max_length: usize,
    bytes: u64,
    report: Option<Report<'a>>,
    /// The first error; all later calls return it.
    failure: Option<Error>,
}

impl<'a, S: Sink> Framed<'a, S> {
    pub(super) fn new(sink: S, name: &str, version: u32) -> Result<Self> {
        if name.is_empty() || name.len() > MAX_NAME_LENGTH {
            let message = format!("the name of a snapshot's format must have 1 to {MAX_NAME_LENGTH} bytes: {name:?}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let max_length = sink.max_length();
        let mut part = Vec::with_capacity(max_length);
        part.resize(PREFIX_LENGTH, 0);
        Ok(Framed {
            sink,
            chain: Chain::default(),
            name: name.to_owned(),
            version,
            total: None,
            part,
            max_length,
            bytes: 0,
            report: None,
            failure: None,
        })
    }

    pub(super) fn progress(&self) -> SnapshotProgress {
        SnapshotProgress { bytes: self.bytes, total: self.total }
    }

    pub(super) fn set_total(&mut self, total: u64) {
        self.total = Some(total);
    }

    pub(super) fn report_to(&mut self, every: u64, callback: impl FnMut(SnapshotProgress) + 'a) {
        self.report = Some(Report::new(every, callback));
    }

    /// How much memory the data waiting to be sent may take.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.part.capacity()
    }

    /// Runs a step, unless an earlier one failed.
    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => step(self).inspect_err(|error| self.failure = Some(error.clone())),
        }
    }

    fn send_head(&mut self) -> Result<()> {
        if self.chain.length() > 0 {
            return Ok(());
        }
        let mut head = Vec::new();
        self.chain.encode_head(&mut head, self.version, self.total, &self.name);
        self.sink.send(&head)
    }

    fn send_data(&mut self) -> Result<()> {
        if self.part.len() == PREFIX_LENGTH {
            return Ok(());
        }
        self.send_head()?;
        self.chain.seal_data(&mut self.part);
        self.sink.send(&self.part)?;
        self.part.truncate(PREFIX_LENGTH);
        let progress = self.progress();
        if let Some(report) = &mut self.report {
            report.update(progress);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<usize> {
        self.step(|framed| {
            if framed.part.len() == framed.max_length {
                framed.send_data()?;
            }
            let taken = data.len().min(framed.max_length - framed.part.len());
            framed.part.extend_from_slice(&data[..taken]);
            framed.bytes += taken as u64;
            Ok(taken)
        })
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.step(Self::send_data)
    }

    pub(super) fn finish(&mut self, service_messages: i64) -> Result<SnapshotProgress> {
        self.step(|framed| {
            let (bytes, total) = (framed.bytes, framed.total);
            if let Some(total) = total.filter(|total| *total != bytes) {
                let message = format!("the snapshot was to have {total} bytes, and {bytes} were written");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
            framed.send_data()?;
            framed.send_head()?;
            let mut end = Vec::new();
            framed.chain.encode_end(&mut end, bytes, service_messages);
            framed.sink.send(&end)?;
            Ok(framed.progress())
        })
    }
}

/// The sink of a [`SnapshotWriter`]: the publication of a snapshot.
struct Recording<'a> {
    cluster: &'a Cluster,
    snapshot: &'a mut SnapshotPublication,
}

impl Sink for Recording<'_> {
    fn max_length(&self) -> usize {
        self.snapshot.max_payload_length()
    }

    fn send(&mut self, part: &[u8]) -> Result<()> {
        loop {
            match self.snapshot.offer(part) {
                Ok(_) => return Ok(()),
                Err(reason) if reason.is_retryable() => {
                    self.cluster.idle(0).map_err(|ending| Error::new(ErrorKind::Closed, ending.to_string()))?;
                }
                Err(reason) => return Err(self.snapshot.refusal(reason, part.len())),
            }
        }
    }
}

/// Writes the state of a service to a snapshot, framed and checked. See [the module](super).
///
/// A [`SnapshotReader`](super::SnapshotReader) reads back what is written. It fills whole packets by itself, so it needs no
/// [`BufWriter`](std::io::BufWriter) around it, and allocates only when it is created. Call [`finish`](Self::finish) at the end: a snapshot whose
/// [`on_take_snapshot`](super::super::ClusteredService::on_take_snapshot) leaves a writer unfinished fails, so that no partial state is ever
/// loaded.
///
/// Writes block, through [`Cluster::idle`], while the archive is slower. Every [`io::Error`] wraps an [`Error`]; after one, all further
/// writes fail.
#[must_use = "an unfinished writer fails the snapshot"]
pub struct SnapshotWriter<'a> {
    framed: Framed<'a, Recording<'a>>,
}

impl<'a> SnapshotWriter<'a> {
    /// Begins a framed stream. `name` (1 to 100 bytes) and `version` identify its format.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument): the name is too short or too long.
    pub fn new(cluster: &'a Cluster, snapshot: &'a mut SnapshotPublication, name: &str, version: u32) -> Result<Self> {
        let framed = Framed::new(Recording { cluster, snapshot }, name, version)?;
        framed.sink.snapshot.unfinished += 1;
        Ok(SnapshotWriter { framed })
    }

    /// Sets how many bytes will be written in all, for progress reports of writer and reader. Call it before the first write;
    /// [`finish`](Self::finish) checks the number.
    pub fn with_total(mut self, bytes: u64) -> Self {
        self.framed.set_total(bytes);
        self
    }

    /// Calls `callback` each time that at least another `every` bytes were written. The snapshot waits while it runs.
    pub fn on_progress(mut self, every: u64, callback: impl FnMut(SnapshotProgress) + 'a) -> Self {
        self.framed.report_to(every, callback);
        self
    }

    /// How much was written.
    pub fn progress(&self) -> SnapshotProgress {
        self.framed.progress()
    }

    /// Writes the remaining data and the end. Blocks as writes do.
    ///
    /// # Errors
    ///
    /// The container is ending ([`Closed`](ErrorKind::Closed)), the recording is gone, an earlier write failed, or not as many bytes were written
    /// as [`with_total`](Self::with_total) said.
    pub fn finish(mut self) -> Result<SnapshotProgress> {
        let sent = self.framed.sink.cluster.service_messages_sent();
        let progress = self.framed.finish(sent.and_then(|sent| i64::try_from(sent).ok()).unwrap_or(-1))?;
        let snapshot = &mut *self.framed.sink.snapshot;
        snapshot.unfinished -= 1;
        snapshot.service_messages = sent;
        Ok(progress)
    }
}

impl Write for SnapshotWriter<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.framed.write(data).map_err(io_error)
    }

    /// Sends the buffered bytes as a short packet. Not needed: [`finish`](Self::finish) does it.
    fn flush(&mut self) -> io::Result<()> {
        self.framed.flush().map_err(io_error)
    }
}

impl std::fmt::Debug for SnapshotWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter").field("name", &self.framed.name).field("progress", &self.progress()).finish()
    }
}
