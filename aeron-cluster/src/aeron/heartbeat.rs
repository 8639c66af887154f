//! Whether a driver is there, found out without `aeron_init`.
//!
//! `aeron_init` of 1.54.0 that finds no living driver unmaps its file, and `aeron_context_close` unmaps the same addresses
//! again, which another thread may have mapped by then. So it is only called where a driver was just seen to live. Nor does it look at
//! what is in the file, or wait with an end for one that is shorter than it says: it is only called where that was looked at too.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cnc::{Mapped, POLL_INTERVAL};
use crate::error::{Error, ErrorKind, Result};

/// Waits until the driver in `dir` has shown a sign of life that is younger than `timeout`, for at most that long.
/// A file that no driver can have made is an error at once.
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

/// Whether the driver in `dir` has shown a sign of life that is younger than `timeout`. Does not wait: a file that is not there is an
/// error, as one is that cannot be read.
pub(crate) fn driver_is_alive(dir: &Path, timeout: Duration) -> Result<bool> {
    let file = Mapped::look(dir).map_err(|unusable| unusable.error(dir))?;
    Ok(file.heartbeat_age().is_some_and(|age| age < timeout))
}
