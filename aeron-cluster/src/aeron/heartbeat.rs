//! Whether a driver is there, found out without `aeron_init`.
//!
//! `aeron_init` of 1.54.0 that finds no living driver unmaps its file, and `aeron_context_close` unmaps the same addresses
//! again, which another thread may have mapped by then. So it is only called where a driver was just seen to live.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cnc::Mapped;
use crate::error::{Error, ErrorKind, Result};

/// How often a driver that is not there is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Waits until the driver in `dir` has shown a sign of life that is younger than `timeout`, for at most that long.
pub(super) fn await_driver(dir: &CStr, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let age = age_of_heartbeat(dir)?;
        if age.is_some_and(|age| age < timeout) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let seen = age.map_or_else(|| "none".to_owned(), |age| format!("{age:?} ago"));
            let message = format!("no sign of life for {timeout:?}, the last one: {seen}");
            return Err(Error::new(ErrorKind::DriverDead, message));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Whether the driver in `dir` has shown a sign of life that is younger than `timeout`. Does not wait.
pub(crate) fn driver_is_alive(dir: &Path, timeout: Duration) -> bool {
    let Ok(dir) = CString::new(dir.as_os_str().as_bytes()) else { return false };
    age_of_heartbeat(&dir).ok().flatten().is_some_and(|age| age < timeout)
}

/// How long ago the driver in `dir` last said that it lives; `None` if there is none, or it is starting or has ended.
fn age_of_heartbeat(dir: &CStr) -> Result<Option<Duration>> {
    match Mapped::open(dir, Duration::ZERO, "cannot read its file") {
        Ok(file) => Ok(file.heartbeat_age()),
        Err(error) if error.kind() == ErrorKind::DriverDead => Ok(None),
        Err(error) => Err(error),
    }
}
