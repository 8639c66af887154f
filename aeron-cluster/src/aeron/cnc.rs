//! A driver's file of commands and counters, read without being its client: whether the driver lives, its counters, errors and losses.

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aeron_sys as sys;

use super::counters::{CountersReader, Owner};
use super::handle::{c_string, lock};
use super::native_error::{check, last_error, text};
use crate::error::{Error, ErrorKind, Result};

/// The longest directory that C keeps whole (`AERON_MAX_PATH`, less the names of the files in it).
const MAX_DIR_LENGTH: usize = 4_000;
/// The longest path that C gives out, with its NUL (`AERON_MAX_PATH`).
const MAX_PATH: usize = 4_096;
/// More than any text of the error log or the loss report has, in bytes: their lengths are what shared memory says.
const MAX_TEXT_LENGTH: usize = 1 << 20;

/// The file that a media driver shares with its clients, mapped to be read: what monitoring needs, without a client that the driver would
/// have to look after.
///
/// Cheap to clone; Send and Sync. A driver that is started again has a new file: what is read here is then the old one's last state.
/// Mirrors `aeron_cnc_t` and `io.aeron.CncFileDescriptor`.
#[derive(Clone)]
pub struct CncFile {
    raw: Arc<Mapped>,
    /// The same, for those who read its counters.
    owner: Owner,
}

/// What never changes about a driver's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CncConstants {
    /// The version of the file's layout: major, minor and patch, a byte each from the third on.
    pub version: i32,
    /// The driver's process.
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

/// An error that the driver observed, once or more often. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinctError {
    /// How often.
    pub observation_count: i32,
    /// When first.
    pub first_observation_ms: i64,
    /// When last.
    pub last_observation_ms: i64,
    /// The driver's words.
    pub message: String,
}

/// Data that did not arrive, of one stream. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How often something was missing.
    pub observation_count: i64,
    /// How much, in bytes.
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
    /// Where it was to come from.
    pub source: String,
}

impl CncFile {
    /// Opens the file of the driver in `dir`, waiting for it to appear for at most `patience`.
    ///
    /// # Errors
    ///
    /// [`DriverDead`](ErrorKind::DriverDead) when there is none by then, [`Native`](ErrorKind::Native) for one of another version; both
    /// name the directory.
    pub fn open(dir: impl AsRef<Path>, patience: Duration) -> Result<CncFile> {
        let dir = native_dir(dir.as_ref())?;
        let doing = format!("cannot read the file of the driver in {dir:?}");
        let raw = Arc::new(Mapped::open(&dir, patience, &doing)?);
        let owner: Arc<dyn Any + Send + Sync> = Arc::<Mapped>::clone(&raw);
        Ok(CncFile { raw, owner })
    }

    /// The file's path.
    pub fn path(&self) -> PathBuf {
        // SAFETY: a NUL-terminated string that belongs to the file, which is mapped as long as `raw`.
        unsafe { CStr::from_ptr(sys::aeron_cnc_filename(self.raw.ptr())) }.to_string_lossy().into_owned().into()
    }

    /// What never changes about it.
    pub fn constants(&self) -> CncConstants {
        let mut raw = MaybeUninit::<sys::aeron_cnc_constants_t>::zeroed();
        // SAFETY: the file is mapped as long as `raw`; the struct is plain C data for which zero is a value. The call fails for null
        // pointers alone.
        let raw = unsafe {
            sys::aeron_cnc_constants(self.raw.ptr(), raw.as_mut_ptr());
            raw.assume_init()
        };
        let length = |length: i32| usize::try_from(length).unwrap_or(0);
        CncConstants {
            version: raw.cnc_version,
            pid: raw.pid,
            start_timestamp_ms: raw.start_timestamp,
            client_liveness_timeout: Duration::from_nanos(u64::try_from(raw.client_liveness_timeout).unwrap_or(0)),
            to_driver_buffer_length: length(raw.to_driver_buffer_length),
            to_clients_buffer_length: length(raw.to_clients_buffer_length),
            counters_metadata_buffer_length: length(raw.counter_metadata_buffer_length),
            counters_values_buffer_length: length(raw.counter_values_buffer_length),
            error_log_buffer_length: length(raw.error_log_buffer_length),
            file_page_size: length(raw.file_page_size),
        }
    }

    /// How long ago the driver last said that it lives; `None` if it has ended in order, or has not begun.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.raw.heartbeat_age()
    }

    /// Whether the driver has shown a sign of life that is younger than `timeout`. Mirrors `MediaDriver.isDriverActive` and
    /// `aeron_is_driver_active`.
    pub fn is_driver_active(&self, timeout: Duration) -> bool {
        self.heartbeat_age().is_some_and(|age| age < timeout)
    }

    /// The counters of the driver and of all its clients.
    pub fn counters(&self) -> CountersReader<'_> {
        // SAFETY: the reader belongs to the file, and lives as long; so does the mapping that it reads.
        unsafe { CountersReader::new(&self.owner, sys::aeron_cnc_counters_reader(self.raw.ptr())) }
    }

    /// The errors that the driver has observed at or after a time, given in milliseconds since the epoch; 0 for all.
    pub fn errors(&self, since_ms: i64) -> Vec<DistinctError> {
        let mut errors: Vec<DistinctError> = Vec::new();
        let clientd = std::ptr::from_mut(&mut errors).cast();
        // SAFETY: the file is mapped as long as `raw`; C calls `on_error` within the call alone, with `errors`.
        unsafe { sys::aeron_cnc_error_log_read(self.raw.ptr(), Some(on_error), clientd, since_ms) };
        errors
    }

    /// What was lost, by stream.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the driver's loss report cannot be read.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        let mut losses: Vec<Loss> = Vec::new();
        let clientd = std::ptr::from_mut(&mut losses).cast();
        // SAFETY: the file is mapped as long as `raw`; C calls `on_loss` within the call alone, with `losses`.
        let result = unsafe { sys::aeron_cnc_loss_reporter_read(self.raw.ptr(), Some(on_loss), clientd) };
        check(result, "cannot read the driver's loss report")?;
        Ok(losses)
    }
}

impl std::fmt::Debug for CncFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CncFile").field("path", &self.path()).field("heartbeat_age", &self.heartbeat_age()).finish()
    }
}

/// The directory of drivers and clients that were told of no other, `AERON_DIR` aside (`aeron_default_path`).
pub fn default_dir() -> PathBuf {
    let mut path = [0u8; MAX_PATH];
    // SAFETY: C writes at most the given length, its NUL included.
    one_at_a_time(|| unsafe { sys::aeron_default_path(path.as_mut_ptr().cast(), path.len()) });
    text(&path).into()
}

/// Calls what works out the default directory, as each context does when it is made: where `USER` is not set C reads the user's name into
/// one buffer that all threads share (aeron_fileutil.c, `username`).
pub(crate) fn one_at_a_time<R>(call: impl FnOnce() -> R) -> R {
    if std::env::var_os("USER").is_some() {
        return call();
    }
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = lock(&TURN);
    call()
}

/// Asks the driver in `dir` to end, which one that was told to listen does (`aeron.driver.termination.validator`). `token` is what
/// it expects to be told. Does not wait. Whether there was a driver to ask. Mirrors `aeron_context_request_driver_termination`.
pub fn request_driver_termination(dir: impl AsRef<Path>, token: &[u8]) -> Result<bool> {
    let dir = native_dir(dir.as_ref())?;
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

/// An `aeron_cnc_t`.
pub(super) struct Mapped(NonNull<sys::aeron_cnc_t>);

// SAFETY: the mapping is only read, and what changes in it is read atomically.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    pub(super) fn open(dir: &CStr, patience: Duration, doing: &str) -> Result<Mapped> {
        let patience_ms = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        let mut raw = std::ptr::null_mut();
        // SAFETY: C copies the directory, and gives out a file if the result is not negative.
        check(unsafe { sys::aeron_cnc_init(&mut raw, dir.as_ptr(), patience_ms) }, doing)?;
        NonNull::new(raw).map(Mapped).ok_or_else(|| last_error(doing))
    }

    fn ptr(&self) -> *mut sys::aeron_cnc_t {
        self.0.as_ptr()
    }

    pub(super) fn heartbeat_age(&self) -> Option<Duration> {
        // SAFETY: the file is mapped as long as `self`.
        let heartbeat = unsafe { sys::aeron_cnc_to_driver_heartbeat(self.ptr()) };
        // Negative when the driver has ended, 0 before its first sign of life.
        let heartbeat = u64::try_from(heartbeat).ok().filter(|millis| *millis > 0)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(now.saturating_sub(Duration::from_millis(heartbeat)))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it was opened by `open` and is closed here alone.
        unsafe { sys::aeron_cnc_close(self.ptr()) };
    }
}

/// # Safety
///
/// `start` must be readable for `length` bytes.
unsafe fn copy(start: *const c_char, length: usize) -> String {
    if start.is_null() || length > MAX_TEXT_LENGTH {
        return String::new();
    }
    // SAFETY: by this function's contract.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// # Safety
///
/// For C to call while it reads the error log, with a vector of errors and a text that lies in the log.
unsafe extern "C" fn on_error(
    observation_count: i32,
    first_observation_ms: i64,
    last_observation_ms: i64,
    error: *const c_char,
    error_length: usize,
    clientd: *mut c_void,
) {
    // SAFETY: by this function's contract.
    let (errors, message) = unsafe { (&mut *clientd.cast::<Vec<DistinctError>>(), copy(error, error_length)) };
    errors.push(DistinctError { observation_count, first_observation_ms, last_observation_ms, message });
}

/// # Safety
///
/// For C to call while it reads the loss report, with a vector of losses and texts that lie in the report.
unsafe extern "C" fn on_loss(
    clientd: *mut c_void,
    observation_count: i64,
    total_bytes_lost: i64,
    first_observation_ms: i64,
    last_observation_ms: i64,
    session_id: i32,
    stream_id: i32,
    channel: *const c_char,
    channel_length: i32,
    source: *const c_char,
    source_length: i32,
) {
    let length = |length: i32| usize::try_from(length).unwrap_or(0);
    // SAFETY: by this function's contract.
    let (losses, channel, source) = unsafe {
        let losses = &mut *clientd.cast::<Vec<Loss>>();
        (losses, copy(channel, length(channel_length)), copy(source, length(source_length)))
    };
    losses.push(Loss {
        observation_count,
        total_bytes_lost,
        first_observation_ms,
        last_observation_ms,
        session_id,
        stream_id,
        channel,
        source,
    });
}
