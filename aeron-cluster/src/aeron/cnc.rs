//! Reads a driver's CnC file (command and control) without a client: heartbeat, counters, errors and losses.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_sys as sys;

use super::c_text::{c_string, text};
use super::counters::{CountersReader, Owner};
use super::distinct_errors;
use super::handle::lock;
use super::native_error::check;
use crate::error::{Error, ErrorKind, Result};

mod layout;
#[cfg(feature = "driver")]
mod leftover;
mod loss_report;
mod mapped;
mod unusable;

#[cfg(feature = "driver")]
pub(crate) use leftover::check_leftover;
pub(super) use mapped::{Mapped, POLL_INTERVAL};
pub(super) use unusable::Unusable;

/// The longest directory that C does not truncate (`AERON_MAX_PATH`, less the names of the files in it).
const MAX_DIR_LENGTH: usize = 4_000;
/// The longest path that C returns, with its NUL (`AERON_MAX_PATH`).
const MAX_PATH: usize = 4_096;

/// The file that a media driver shares with its clients, mapped for reading. It is for monitoring, and does not make the program a client of
/// the driver.
///
/// Cheap to clone, and usable from any thread. A restarted driver has a new file; this one then keeps the last state of the old one.
/// A damaged file is never read past its end, but truncating it while it is mapped kills the process (SIGBUS), as
/// with all mapped files. Mirrors `aeron_cnc_t` and `io.aeron.CncFileDescriptor`.
#[derive(Clone)]
pub struct CncFile {
    raw: Arc<Mapped>,
    /// The same, for readers of counters.
    owner: Owner,
}

/// The constants of a driver's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CncConstants {
    /// The version of the file's layout: major, minor and patch, in the three low bytes from high to low.
    pub version: i32,
    /// The driver's process id.
    pub pid: i64,
    /// When the driver started, in milliseconds since the epoch.
    pub start_timestamp_ms: i64,
    /// How long a client may be silent before the driver takes it for dead.
    pub client_liveness_timeout: Duration,
    /// The length of the queue of commands to the driver, in bytes.
    pub to_driver_buffer_length: usize,
    /// The length of the driver's broadcast to its clients, in bytes.
    pub to_clients_buffer_length: usize,
    /// The length of the descriptions of counters, in bytes.
    pub counters_metadata_buffer_length: usize,
    /// The length of the values of counters, in bytes.
    pub counters_values_buffer_length: usize,
    /// The length of the error log, in bytes.
    pub error_log_buffer_length: usize,
    /// The page size to which files are rounded up, in bytes.
    pub file_page_size: usize,
}

/// An error that the driver observed at least once. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinctError {
    /// How often it was observed.
    pub observation_count: i32,
    /// When first.
    pub first_observation_ms: i64,
    /// When last.
    pub last_observation_ms: i64,
    /// The driver's message.
    pub message: String,
}

/// The losses of one stream. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How often data was missing.
    pub observation_count: i64,
    /// How many bytes were missing.
    pub total_bytes_lost: i64,
    /// When first.
    pub first_observation_ms: i64,
    /// When last.
    pub last_observation_ms: i64,
    /// The session of the publication.
    pub session_id: i32,
    /// The stream within the channel.
    pub stream_id: i32,
    /// The channel.
    pub channel: String,
    /// The address of the sender.
    pub source: String,
}

impl CncFile {
    /// Opens the file of the driver in `dir`. Blocks for at most `patience` until it is there.
    ///
    /// # Errors
    ///
    /// [`DriverDead`](ErrorKind::DriverDead) if there is none by then, or an incomplete one; [`Protocol`](ErrorKind::Protocol) if it
    /// is of another version or damaged; [`Io`](ErrorKind::Io) if it cannot be read. All name the file.
    pub fn open(dir: impl AsRef<Path>, patience: Duration) -> Result<CncFile> {
        // The limit is C's, so that whatever can be read can also be connected to.
        native_dir(dir.as_ref())?;
        let raw = Arc::new(Mapped::open(dir.as_ref(), patience)?);
        let owner: Owner = Arc::<Mapped>::clone(&raw);
        Ok(CncFile { raw, owner })
    }

    /// The file's path.
    pub fn path(&self) -> PathBuf {
        self.raw.path.clone()
    }

    /// The constants of the file.
    pub fn constants(&self) -> CncConstants {
        let layout = &self.raw.layout;
        CncConstants {
            version: layout.version,
            pid: layout.pid,
            start_timestamp_ms: layout.start_timestamp_ms,
            client_liveness_timeout: Duration::from_nanos(
                u64::try_from(layout.client_liveness_timeout_ns).unwrap_or(0),
            ),
            to_driver_buffer_length: layout.to_driver.len(),
            to_clients_buffer_length: layout.to_clients.len(),
            counters_metadata_buffer_length: layout.counters_metadata.len(),
            counters_values_buffer_length: layout.counters_values.len(),
            error_log_buffer_length: layout.error_log.len(),
            file_page_size: usize::try_from(layout.file_page_size).unwrap_or(0),
        }
    }

    /// The time since the driver's last heartbeat; `None` if it has ended in an orderly way, or has not started yet.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.raw.heartbeat_age()
    }

    /// Whether the driver's last heartbeat is younger than `timeout`. Mirrors `MediaDriver.isDriverActive` and
    /// `aeron_is_driver_active`.
    pub fn is_driver_active(&self, timeout: Duration) -> bool {
        self.heartbeat_age().is_some_and(|age| age < timeout)
    }

    /// The counters of the driver and of all its clients.
    pub fn counters(&self) -> CountersReader<'_> {
        let (metadata, values) = self.raw.counters();
        // SAFETY: both lie in the file, which is mapped as long as `owner`, at multiples of 8 (see `Layout`).
        unsafe { CountersReader::over(&self.owner, metadata, values) }
    }

    /// The errors that the driver has observed at or after `since_ms`, in milliseconds since the epoch; 0 for all. In a damaged log they end at the
    /// first record that makes no sense.
    pub fn errors(&self, since_ms: i64) -> Vec<DistinctError> {
        let log = self.raw.layout.error_log.clone();
        let errors = distinct_errors::read(&self.raw.bytes, log.start, log.len()).into_iter();
        errors
            .filter(|error| error.last_timestamp >= since_ms)
            .map(|error| DistinctError {
                observation_count: error.count,
                first_observation_ms: error.first_timestamp,
                last_observation_ms: error.last_timestamp,
                message: error.text.trim_end_matches('\0').to_owned(),
            })
            .collect()
    }

    /// The losses by stream. In a damaged report they end at the first record that makes no sense.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the driver's loss report cannot be read.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        loss_report::read(self.raw.dir())
    }
}

impl std::fmt::Debug for CncFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CncFile").field("path", &self.path()).field("heartbeat_age", &self.heartbeat_age()).finish()
    }
}

/// The default directory of drivers and clients, regardless of `AERON_DIR` (`aeron_default_path`).
pub fn default_dir() -> PathBuf {
    let mut path = [0u8; MAX_PATH];
    // SAFETY: C writes at most the given length, its NUL included.
    one_at_a_time(|| unsafe { sys::aeron_default_path(path.as_mut_ptr().cast(), path.len()) });
    text(&path).into()
}

/// Serialises calls that compute the default directory, as each new context does: if `USER` is not set, C reads the user's name into
/// a buffer that all threads share (aeron_fileutil.c, `username`).
pub(crate) fn one_at_a_time<R>(call: impl FnOnce() -> R) -> R {
    if std::env::var_os("USER").is_some() {
        return call();
    }
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = lock(&TURN);
    call()
}

/// Asks the driver in `dir` to terminate. It does if its `aeron.driver.termination.validator` accepts `token`. Does not wait for that. Returns
/// whether there was a driver to ask. Mirrors `aeron_context_request_driver_termination`.
///
/// # Errors
///
/// [`Protocol`](ErrorKind::Protocol) if the driver's file is of another version or damaged; otherwise C's error.
pub fn request_driver_termination(dir: impl AsRef<Path>, token: &[u8]) -> Result<bool> {
    let path = dir.as_ref();
    let dir = native_dir(path)?;
    if let Err(unusable @ (Unusable::Version(_) | Unusable::Corrupt(_))) = Mapped::look(path) {
        return Err(unusable.error(path).context(format_args!("cannot ask the driver in {dir:?} to end")));
    }
    // SAFETY: C reads both during the call.
    let result = unsafe { sys::aeron_context_request_driver_termination(dir.as_ptr(), token.as_ptr(), token.len()) };
    Ok(check(result, format_args!("cannot ask the driver in {dir:?} to end"))? > 0)
}

pub(crate) fn native_dir(dir: &Path) -> Result<std::ffi::CString> {
    let text = dir.to_str().filter(|text| text.len() <= MAX_DIR_LENGTH).ok_or_else(|| {
        let message = format!("aeron directory is not UTF-8 or longer than {MAX_DIR_LENGTH} bytes: {}", dir.display());
        Error::new(ErrorKind::InvalidArgument, message)
    })?;
    c_string(text, "aeron directory")
}
