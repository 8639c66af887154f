//! Claims a mark file: only one container can, and only when the last owner is dead or has ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::layout::{self, Existing};
use super::region::Region;
use super::{NULL_VALUE, Options, field, saved_errors};
use crate::aeron::distinct_errors::{self, ErrorObservation};
use crate::{Error, ErrorKind, Result};

/// How often a waiting container retries.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The activity timestamp that Java writes while it claims a file.
const JAVA_CLAIMS: i64 = i64::MAX;
/// The one that we write. It is in the far future too, so that Java finds the file active. But if the lock is free, it proves
/// that a Rust container died while it claimed the file; with Java's value nobody could start any more.
const WE_CLAIM: i64 = i64::MAX - 1;

/// Whether this is the activity timestamp of a file that a Rust container has claimed but not made ready.
pub(super) fn is_claim(activity_timestamp: i64) -> bool {
    activity_timestamp == WE_CLAIM
}

/// A claimed file.
pub(super) struct Activated {
    pub(super) region: Region,
    pub(super) lock: Option<File>,
}

/// Why a file cannot be claimed.
pub(super) enum Refused {
    /// Its owner is alive; that may change.
    WhileActive(Error),
    /// Waiting would not help.
    For(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::For(error)
    }
}

/// Claims the file once, without waiting.
pub(super) fn activate(options: &Options, clock: &impl Fn() -> i64) -> Result<Activated, Refused> {
    let path = options.path.as_path();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|e| io_error("failed to open or create the mark file", path, e))?;
    let locked = lock(&file, path)?;
    let length = file.metadata().map_err(|e| io_error("failed to examine the mark file", path, e))?.len();
    let (region, candidate_term_id) = if length == 0 {
        let region = create(&file, options).inspect_err(|_| {
            // Nobody can have used it yet, and an incomplete file would only puzzle the operator.
            let _left_behind = std::fs::remove_file(path);
        })?;
        (region, NULL_VALUE)
    } else {
        take_over(&file, length, locked, options, clock)?
    };
    write_header(&region, options, candidate_term_id, clock(), locked);
    Ok(Activated { region, lock: locked.then_some(file) })
}

/// Locks the file, if its file system can.
fn lock(file: &File, path: &Path) -> Result<bool, Refused> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Refused::WhileActive(held_elsewhere(file, path)));
        }
        Err(TryLockError::Error(e)) if has_no_locks(&e) => return Ok(false),
        Err(TryLockError::Error(e)) => {
            return Err(io_error("failed to lock the mark file", path, e).into());
        }
    }
    // The locked file must be the one at this path: it may have been removed in between.
    let same = match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(found)) => ours.dev() == found.dev() && ours.ino() == found.ino(),
        _ => false,
    };
    if same { Ok(true) } else { Err(Refused::WhileActive(concurrent(path))) }
}

fn has_no_locks(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP))
}

fn create(file: &File, options: &Options) -> Result<Region> {
    let length = options.file_length();
    let region = map(file, length, length, options)?;
    region.i64_at(field(layout::ACTIVITY_TIMESTAMP)).store(WE_CLAIM, Ordering::SeqCst);
    Ok(region)
}

fn take_over(
    file: &File,
    length: u64,
    locked: bool,
    options: &Options,
    clock: &impl Fn() -> i64,
) -> Result<(Region, i64), Refused> {
    let path = options.path.as_path();
    let existing = read_existing(file, length, path)?;
    check_version(existing.version, path)?;
    if !is_free(&existing, locked, clock(), options.liveness_timeout) {
        return Err(Refused::WhileActive(active(&existing, path, clock(), options.liveness_timeout)));
    }
    let allocated = options.file_length();
    let readable = usize::try_from(length).unwrap_or(usize::MAX).min(super::ERROR_BUFFER_MAX_LENGTH);
    let region = map(file, allocated, allocated.max(readable), options)?;
    let timestamp = region.i64_at(existing.base + layout::ACTIVITY_TIMESTAMP);
    if timestamp.compare_exchange(existing.activity_timestamp, WE_CLAIM, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        return Err(Refused::WhileActive(concurrent(path)));
    }
    if let Err(error) = check_component(&region, existing.base, path) {
        timestamp.store(NULL_VALUE, Ordering::Release);
        region.flush()?;
        return Err(error.into());
    }
    saved_errors::save(path, &existing_errors(&region, existing.base, length), clock());
    region.zero(layout::HEADER_LENGTH, allocated - layout::HEADER_LENGTH);
    let candidate_term_id = region.i64_at(existing.base + layout::CANDIDATE_TERM_ID).load(Ordering::SeqCst);
    Ok((region, candidate_term_id))
}

fn map(file: &File, allocated: usize, mapped: usize, options: &Options) -> Result<Region> {
    Region::allocate_and_map(file, allocated, mapped)
        .map_err(|e| e.context(format!("failed to map the mark file {}", options.path.display())))
}

fn read_existing(file: &File, length: u64, path: &Path) -> Result<Existing> {
    let mut bytes = vec![0; layout::HEADER_LENGTH.min(usize::try_from(length).unwrap_or(usize::MAX))];
    file.read_exact_at(&mut bytes, 0).map_err(|e| io_error("failed to read the mark file", path, e))?;
    Existing::parse(&bytes).ok_or_else(|| {
        let path = path.display();
        state(format!("mark file is too short: length={length}, file={path}; if no service uses it, remove it"))
    })
}

fn check_version(version: i32, path: &Path) -> Result<()> {
    if version == layout::VERSION_FAILED {
        tracing::warn!(path = %path.display(), "mark file version -1 indicates error on previous startup.");
        return Ok(());
    }
    let (found, ours) = (layout::major(version), layout::major(layout::SEMANTIC_VERSION));
    if found == ours {
        return Ok(());
    }
    let path = path.display();
    Err(state(format!("mark file major version {found} does not match software: {ours}, file={path}")))
}

/// Whether an existing file has no living owner. `locked` says that we hold its lock, so no other Rust container does.
fn is_free(existing: &Existing, locked: bool, now_ms: i64, liveness_timeout: Duration) -> bool {
    let timestamp = existing.activity_timestamp;
    let age_ms = now_ms.wrapping_sub(timestamp);
    if age_ms >= i64::try_from(liveness_timeout.as_millis()).unwrap_or(i64::MAX) {
        return true;
    }
    // A file that a Rust container wrote last still has our mark while Java claims it.
    locked && (timestamp == WE_CLAIM || existing.is_ours && timestamp != JAVA_CLAIMS)
}

fn check_component(region: &Region, base: usize, path: &Path) -> Result<()> {
    let component = region.i32_at(base + layout::COMPONENT_TYPE).load(Ordering::Acquire);
    if component == 0 || component == layout::CONTAINER {
        return Ok(());
    }
    let (found, path) = (layout::component_name(component), path.display());
    Err(state(format!("existing Mark file type {found} not same as required type CONTAINER, file={path}")))
}

fn existing_errors(region: &Region, base: usize, file_length: u64) -> Vec<ErrorObservation> {
    let length_at = |offset| u64::try_from(region.i32_at(base + offset).load(Ordering::Acquire)).unwrap_or(0);
    let (header, errors) = (length_at(layout::HEADER_LENGTH_FIELD), length_at(layout::ERROR_BUFFER_LENGTH));
    if header == 0 || errors == 0 || header + errors > file_length.min(region.len() as u64) {
        return Vec::new();
    }
    distinct_errors::read(region.bytes(), header as usize, errors as usize)
}

/// Writes a fresh header. The version of a new file stays 0, which tells readers that it is not ready.
fn write_header(region: &Region, options: &Options, candidate_term_id: i64, now_ms: i64, locked: bool) {
    let version = if is_current(region) { region.i32_at(field(layout::VERSION)).load(Ordering::Acquire) } else { 0 };
    region.i64_at(field(layout::ACTIVITY_TIMESTAMP)).store(WE_CLAIM, Ordering::SeqCst);
    let header = [layout::BLOCK_LENGTH as u16, layout::TEMPLATE_ID, layout::SCHEMA_ID, layout::SCHEMA_VERSION];
    for (index, value) in header.into_iter().enumerate() {
        region.write(2 * index, &value.to_le_bytes());
    }
    let after_timestamp = field(layout::START_TIMESTAMP);
    region.zero(after_timestamp, layout::HEADER_LENGTH - after_timestamp);
    let store_i32 = |offset, value| region.i32_at(field(offset)).store(value, Ordering::Release);
    let store_i64 = |offset, value| region.i64_at(offset).store(value, Ordering::Release);
    store_i32(layout::VERSION, version);
    store_i32(layout::COMPONENT_TYPE, layout::CONTAINER);
    store_i64(field(layout::START_TIMESTAMP), now_ms);
    let pid = i64::from(std::process::id());
    store_i64(field(layout::PID), pid);
    store_i64(field(layout::CANDIDATE_TERM_ID), candidate_term_id);
    store_i32(layout::MEMBER_ID, NULL_VALUE as i32);
    store_i32(layout::HEADER_LENGTH_FIELD, layout::HEADER_LENGTH as i32);
    store_i32(layout::ERROR_BUFFER_LENGTH, options.error_buffer_length as i32);
    if locked {
        store_i64(layout::OWNER_PID, pid);
        store_i64(layout::OWNER_START, now_ms);
        store_i64(layout::OWNER_MARK, layout::OWNER_MAGIC);
    }
}

/// Whether the file has a message header, as files of older versions do not.
fn is_current(region: &Region) -> bool {
    let header = region.bytes().read(0, layout::HEADER_LENGTH);
    header.and_then(|bytes| Existing::parse(&bytes)).is_some_and(|existing| existing.base != 0)
}

fn active(existing: &Existing, path: &Path, now_ms: i64, liveness_timeout: Duration) -> Error {
    let (path, pid, timeout) = (path.display(), existing.pid, liveness_timeout.as_millis());
    if matches!(existing.activity_timestamp, JAVA_CLAIMS | WE_CLAIM) {
        return state(format!(
            "active mark file detected: {path}: a container that is starting has claimed it, or one that died while it \
             started; if no such process exists, remove the file"
        ));
    }
    let age = now_ms.wrapping_sub(existing.activity_timestamp);
    state(format!(
        "active mark file detected: {path}: process {pid} gave a sign of life {age} ms ago; stop it, or wait until the last \
         sign is {timeout} ms old"
    ))
}

fn held_elsewhere(file: &File, path: &Path) -> Error {
    let mut bytes = vec![0; layout::HEADER_LENGTH];
    let read = file.read_at(&mut bytes, 0).unwrap_or(0);
    let pid = Existing::parse(&bytes[..read]).map_or(0, |existing| existing.pid);
    let path = path.display();
    state(format!(
        "active mark file detected: {path}: process {pid}, or a child that it left behind, holds its lock; stop that process"
    ))
}

fn concurrent(path: &Path) -> Error {
    state(format!("concurrent mark file activation: {}", path.display()))
}

fn state(message: String) -> Error {
    Error::new(ErrorKind::State, message)
}

fn io_error(doing: &str, path: &Path, error: std::io::Error) -> Error {
    Error::from(error).context(format!("{doing}: {}", path.display()))
}
