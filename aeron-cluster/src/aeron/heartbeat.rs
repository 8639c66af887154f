//! Checks for a live driver without `aeron_init`.
//!
//! If `aeron_init` of 1.54.0 finds no live driver, it unmaps the driver's file, and `aeron_context_close` unmaps the same addresses
//! again, when another thread may have mapped them. It also trusts what is in the file, and waits for ever for one that is shorter than
//! it says. So it is only called after the file was checked here and a live driver seen.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cnc::{Mapped, POLL_INTERVAL};
use crate::error::{Error, ErrorKind, Result};

/// Blocks until the driver in `dir` has a heartbeat younger than `timeout`, for at most that long.
/// A damaged file is an error at once.
pub(super) fn await_driver(dir: &CStr, timeout: Duration) -> Result<()> {
    let dir = Path::new(OsStr::from_bytes(dir.to_bytes()));
    let deadline = Instant::now() + timeout;
    loop {
        let is_late = Instant::now() > deadline;
        let age = match Mapped::look(dir) {
            Ok(file) => file.heartbeat_age(),
            Err(unusable) if unusable.may_pass() && !(is_late && unusable.is_forbidden()) => None,
            Err(unusable) => return Err(unusable.error(dir)),
        };
        if age.is_some_and(|age| age < timeout) {
            return Ok(());
        }
        if is_late {
            let seen = age.map_or_else(|| "none".to_owned(), |age| format!("{age:?} ago"));
            let message = format!("no sign of life for {timeout:?}, the last one: {seen}");
            return Err(Error::new(ErrorKind::DriverDead, message));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Whether the driver in `dir` has a heartbeat younger than `timeout`. Does not block: a file that is missing or cannot be read is an
/// error.
pub(crate) fn driver_is_alive(dir: &Path, timeout: Duration) -> Result<bool> {
    let file = Mapped::look(dir).map_err(|unusable| unusable.error(dir))?;
    Ok(file.heartbeat_age().is_some_and(|age| age < timeout))
}
