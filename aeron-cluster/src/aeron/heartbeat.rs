//! Whether a driver is there, found out without `aeron_init`.
//!
//! `aeron_init` of 1.54.0 that finds no living driver unmaps its file, and `aeron_context_close` unmaps the same addresses
//! again, which another thread may have mapped by then. So it is only called where a driver was just seen to live.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aeron_sys as sys;

use super::native_error::last_error;
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
    let Some(cnc) = Cnc::open(dir)? else { return Ok(None) };
    // SAFETY: the file is mapped as long as `cnc`.
    let heartbeat = unsafe { sys::aeron_cnc_to_driver_heartbeat(cnc.0.as_ptr()) };
    // Negative when the driver has ended, 0 before its first sign of life.
    let heartbeat = u64::try_from(heartbeat).ok().filter(|millis| *millis > 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(heartbeat.map(|millis| now.saturating_sub(Duration::from_millis(millis))))
}

/// An `aeron_cnc_t`: a driver's file, mapped to be read.
struct Cnc(NonNull<sys::aeron_cnc_t>);

impl Cnc {
    fn open(dir: &CStr) -> Result<Option<Cnc>> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: C copies the directory, and gives out a file if the result is not negative. It does not wait.
        if unsafe { sys::aeron_cnc_init(&mut raw, dir.as_ptr(), 0) } < 0 {
            let error = last_error("cannot read its file");
            return if error.kind() == ErrorKind::DriverDead { Ok(None) } else { Err(error) };
        }
        Ok(NonNull::new(raw).map(Cnc))
    }
}

impl Drop for Cnc {
    fn drop(&mut self) {
        // SAFETY: it was opened by `open` and is closed here alone.
        unsafe { sys::aeron_cnc_close(self.0.as_ptr()) };
    }
}
