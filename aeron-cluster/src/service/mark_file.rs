//! The mark file of a service container: which process runs it, since when, with which settings, and the errors it had.
//!
//! Operators and `ClusterTool` read it. It also keeps two containers from running as the same service.
//! Mirrors `io.aeron.cluster.service.ClusterMarkFile` over Agrona's `MarkFile`, for service containers only.

mod activation;
mod layout;
mod names;
mod options;
pub(crate) mod region;
mod saved_errors;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use self::names::{ensure_link, is_service_mark_file, link_file_name, mark_file_name};
pub use self::options::{ERROR_BUFFER_MAX_LENGTH, ERROR_BUFFER_MIN_LENGTH, LIVENESS_TIMEOUT, Options};
use self::region::Region;
use super::error_log::ErrorLog;
use crate::aeron::NULL_VALUE;
use crate::{Error, ErrorKind, Result};

/// The settings of a container that its mark file records.
#[derive(Debug, Clone, Copy)]
pub struct Properties<'a> {
    /// The stream of the archive's local control channel.
    pub archive_stream_id: i32,
    /// The stream from the consensus module to the service.
    pub service_stream_id: i32,
    /// The stream from the service to the consensus module.
    pub consensus_module_stream_id: i32,
    /// The id of the service.
    pub service_id: i32,
    /// The id of the cluster.
    pub cluster_id: i32,
    /// The media driver's directory.
    pub aeron_directory: &'a str,
    /// The channel between the consensus module and the service.
    pub control_channel: &'a str,
    /// The name of the service.
    pub service_name: &'a str,
}

/// The mark file of a running service container.
///
/// Opening it claims the service: it fails while another container is alive. By Java's rule an owner counts as
/// alive for 10 s after its last heartbeat. In addition a lock on the file (`flock`) shows whether a Rust container is dead or
/// alive, so a restart after a crash need not wait, and a container that merely hangs is not replaced. On file systems without
/// locks only Java's rule applies.
///
/// Methods may be called from any thread. [`ClusterMarkFile::open`] blocks; so do, for the time of the disk write, those that force the file to
/// disk. Dropping it releases the lock and leaves the file unchanged or, if it was never ready, marked as a failed start.
pub struct ClusterMarkFile {
    region: Arc<Region>,
    error_log: ErrorLog,
    path: PathBuf,
    /// The locked file, held until the container has ended. `None` on file systems without locks.
    lock: Option<File>,
    ended: AtomicBool,
}

impl ClusterMarkFile {
    /// Opens or creates the mark file, and claims it for this process. `clock` returns milliseconds since the epoch.
    ///
    /// While another owner is active it blocks, at most for [`Options::wait`]. Errors of a previous run are saved to
    /// `CONTAINER-<date>-error.log` in the same directory, and the error log starts empty.
    ///
    /// # Errors
    /// - [`ErrorKind::State`] if another container is active, or the file is of another component or major version;
    /// - [`ErrorKind::InvalidArgument`] if an option is out of range;
    /// - [`ErrorKind::StorageSpace`] if the disk is full; the whole file is allocated before it is used;
    /// - [`ErrorKind::Io`] if the operating system refuses.
    pub fn open(options: &Options, clock: impl Fn() -> i64) -> Result<ClusterMarkFile> {
        options.validate()?;
        let deadline = Instant::now().checked_add(options.wait);
        loop {
            match activation::activate(options, &clock) {
                Ok(activated) => return Ok(ClusterMarkFile::activated(options, activated)),
                Err(activation::Refused::For(error)) => return Err(error),
                Err(activation::Refused::WhileActive(error)) => {
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return Err(error);
                    }
                    std::thread::sleep(activation::POLL_INTERVAL);
                }
            }
        }
    }

    fn activated(options: &Options, activated: activation::Activated) -> ClusterMarkFile {
        let region = Arc::new(activated.region);
        let error_log = ErrorLog::new(region.clone(), layout::HEADER_LENGTH, options.error_buffer_length);
        ClusterMarkFile {
            region,
            error_log,
            path: options.path.clone(),
            lock: activated.lock,
            ended: AtomicBool::new(false),
        }
    }

    /// Writes the container's settings; call it before [`ClusterMarkFile::signal_ready`]. Characters that are not ASCII become `?`,
    /// as in Java. Sets the member id to −1. Mirrors
    /// `ClusteredServiceContainer.Context.concludeMarkFile`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the strings do not fit into the header.
    pub fn set_properties(&mut self, properties: &Properties<'_>) -> Result<()> {
        let strings =
            encode_strings([properties.aeron_directory, properties.control_channel, "", properties.service_name, ""])?;
        for (offset, value) in [
            (layout::ARCHIVE_STREAM_ID, properties.archive_stream_id),
            (layout::SERVICE_STREAM_ID, properties.service_stream_id),
            (layout::CONSENSUS_MODULE_STREAM_ID, properties.consensus_module_stream_id),
            (layout::INGRESS_STREAM_ID, NULL_VALUE as i32),
            (layout::MEMBER_ID, NULL_VALUE as i32),
            (layout::SERVICE_ID, properties.service_id),
            (layout::CLUSTER_ID, properties.cluster_id),
        ] {
            self.store_i32(offset, value);
        }
        if layout::STRINGS + strings.len() > layout::OWNER_MARK {
            // The strings overwrite our mark. Without it a restart after a crash waits as long as Java does.
            self.region.zero(layout::OWNER_MARK, layout::HEADER_LENGTH - layout::OWNER_MARK);
        }
        self.region.write(layout::STRINGS, &strings);
        Ok(())
    }

    /// Marks the container as ready to start, and forces the file to disk. Mirrors `ClusterMarkFile.signalReady`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the file cannot be forced to disk.
    pub fn signal_ready(&self, now_ms: i64) -> Result<()> {
        self.update_activity_timestamp(now_ms);
        self.store_i32(layout::VERSION, layout::SEMANTIC_VERSION);
        self.force()
    }

    /// Marks the start as failed, and releases the file. Mirrors `ClusterMarkFile.signalFailedStart`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the file cannot be forced to disk; it is given up all the same.
    pub fn signal_failed_start(&self) -> Result<()> {
        self.end(Some(layout::VERSION_FAILED))
    }

    /// Marks the container as ended, and releases the file, so that another container can start at once. Later calls do nothing.
    /// Mirrors `ClusterMarkFile.signalTerminated`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the file cannot be forced to disk; it is given up all the same.
    pub fn signal_terminated(&self) -> Result<()> {
        self.end(None)
    }

    fn end(&self, version: Option<i32>) -> Result<()> {
        if self.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.region.i64_at(field(layout::ACTIVITY_TIMESTAMP)).store(NULL_VALUE, Ordering::Release);
        if let Some(version) = version {
            self.region.i32_at(field(layout::VERSION)).store(version, Ordering::Release);
        }
        let forced = self.force();
        if let Some(lock) = &self.lock {
            lock.unlock()?;
        }
        forced
    }

    /// Writes a heartbeat, `now_ms` milliseconds since the epoch; due every second. Does nothing once the container has ended. Mirrors
    /// `ClusterMarkFile.updateActivityTimestamp`.
    pub fn update_activity_timestamp(&self, now_ms: i64) {
        if !self.has_ended() {
            self.region.i64_at(field(layout::ACTIVITY_TIMESTAMP)).store(now_ms, Ordering::Release);
        }
    }

    /// The last heartbeat, in milliseconds since the epoch; −1 once the container has ended.
    pub fn activity_timestamp(&self) -> i64 {
        self.region.i64_at(field(layout::ACTIVITY_TIMESTAMP)).load(Ordering::SeqCst)
    }

    /// The term in which a vote was cast, −1 if none: whatever the file contained when it was opened.
    pub fn candidate_term_id(&self) -> i64 {
        self.region.i64_at(field(layout::CANDIDATE_TERM_ID)).load(Ordering::SeqCst)
    }

    /// The id of the member that the service belongs to; −1 until it has joined the log.
    pub fn member_id(&self) -> i32 {
        self.region.i32_at(field(layout::MEMBER_ID)).load(Ordering::Acquire)
    }

    /// Sets the id of the member that the service belongs to.
    pub fn set_member_id(&self, member_id: i32) {
        self.store_i32(layout::MEMBER_ID, member_id);
    }

    /// The id of the cluster.
    pub fn cluster_id(&self) -> i32 {
        self.region.i32_at(field(layout::CLUSTER_ID)).load(Ordering::Acquire)
    }

    /// Whether the container has ended or failed to start.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The log of distinct errors in this file. A clone of it keeps the file mapped.
    pub fn error_log(&self) -> &ErrorLog {
        &self.error_log
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forces what was written to the storage device. Blocks until it is done. Mirrors `ClusterMarkFile.force`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the operating system reports that it failed.
    pub fn force(&self) -> Result<()> {
        self.region.flush().map_err(|e| e.context(format!("forcing the mark file {}", self.path.display())))
    }

    fn store_i32(&self, offset: usize, value: i32) {
        if !self.has_ended() {
            self.region.i32_at(field(offset)).store(value, Ordering::Release);
        }
    }
}

impl Drop for ClusterMarkFile {
    fn drop(&mut self) {
        if activation::is_claim(self.activity_timestamp()) {
            // It was never ready. If the claim stayed, a Java container could never start.
            let _not_forced = self.signal_failed_start();
        }
        if let Some(lock) = &self.lock {
            // Closing the file would not be enough: a process forked in the meantime would keep the lock.
            let _released = lock.unlock();
        }
    }
}

impl fmt::Debug for ClusterMarkFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMarkFile").field("path", &self.path).field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Where a field is in a file with a message header.
fn field(offset: usize) -> usize {
    layout::MESSAGE_HEADER_LENGTH + offset
}

/// The strings of the header, each preceded by its length.
fn encode_strings(strings: [&str; 5]) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    for string in strings {
        let ascii: Vec<u8> =
            string.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect();
        encoded.extend_from_slice(&(ascii.len() as u32).to_le_bytes());
        encoded.extend_from_slice(&ascii);
    }
    let length = layout::STRINGS + encoded.len();
    if length > layout::HEADER_LENGTH {
        let capacity = layout::HEADER_LENGTH;
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "ClusterMarkFile headerLength={length} > headerLengthCapacity={capacity}: \
                 shorten the Aeron directory, the control channel or the service name"
            ),
        ));
    }
    // One more empty string, for the services' directory that only a consensus module has. Java's container leaves it out, so that readers
    // find what an earlier run wrote there.
    encoded.resize(encoded.len() + (layout::HEADER_LENGTH - length).min(4), 0);
    Ok(encoded)
}
