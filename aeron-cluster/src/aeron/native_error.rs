//! Errors of the C client, captured at the call that failed.

use std::ffi::CStr;

use aeron_sys as sys;

use crate::error::{Error, ErrorKind, Result};

// aeron_client_error.h: codes of the driver's error responses.
const RESOURCE_TEMPORARILY_UNAVAILABLE: i32 = 10;
const STORAGE_SPACE: i32 = 12;
pub(crate) const LAST_REGISTRATION_CODE: i32 = 14;
// aeronc.h: AERON_CLIENT_ERROR_*.
const DRIVER_TIMEOUT: i32 = 1000;
const CLIENT_TIMEOUT: i32 = 1001;
const CONDUCTOR_SERVICE_TIMEOUT: i32 = 1002;
const BUFFER_FULL: i32 = 1003;
const DRIVER_BUFFER_FULL: i32 = 1004;
const ILLEGAL_STATE: i32 = 1005;
const BROADCAST_ILLEGAL_STATE: i32 = 1006;
// aeron_archive_client_error.h
const ARCHIVE_FIRST: i32 = 200;
const ARCHIVE_AUTHENTICATION_REJECTED: i32 = 210;
const ARCHIVE_STORAGE_SPACE: i32 = 211;
const ARCHIVE_LAST: i32 = 299;
const ARCHIVE_CLIENT_NOT_CONNECTED: i32 = 2001;

/// The error of the C call that just failed on this thread, prefixed with what was being done.
pub(crate) fn last_error(doing: impl std::fmt::Display) -> Error {
    // SAFETY: aeron_errcode and aeron_errmsg (aeronc.h) read thread-local state and are callable at any time; the
    // message is a NUL-terminated string that lives until the next call on this thread, and is copied before that.
    let (code, message) = unsafe { (sys::aeron_errcode(), CStr::from_ptr(sys::aeron_errmsg())) };
    let message = message.to_string_lossy();
    Error::with_code(kind_of(code), code, format!("{doing}: {}", message.trim()))
}

/// Turns C's "negative is an error" into a `Result`.
pub(crate) fn check(result: i32, doing: impl std::fmt::Display) -> Result<i32> {
    if result < 0 { Err(last_error(doing)) } else { Ok(result) }
}

pub(crate) fn kind_of(code: i32) -> ErrorKind {
    match code {
        libc::EINVAL => return ErrorKind::InvalidArgument,
        libc::ETIMEDOUT => return ErrorKind::Timeout,
        _ => {}
    }
    match code.abs() {
        DRIVER_TIMEOUT => ErrorKind::DriverDead,
        CLIENT_TIMEOUT | CONDUCTOR_SERVICE_TIMEOUT | ILLEGAL_STATE | BROADCAST_ILLEGAL_STATE => ErrorKind::Closed,
        BUFFER_FULL | DRIVER_BUFFER_FULL => ErrorKind::ResourceTemporarilyUnavailable,
        ARCHIVE_AUTHENTICATION_REJECTED => ErrorKind::Authentication,
        ARCHIVE_STORAGE_SPACE => ErrorKind::StorageSpace,
        ARCHIVE_CLIENT_NOT_CONNECTED => ErrorKind::NotConnected,
        ARCHIVE_FIRST..=ARCHIVE_LAST => ErrorKind::Archive,
        RESOURCE_TEMPORARILY_UNAVAILABLE if code < 0 => ErrorKind::ResourceTemporarilyUnavailable,
        STORAGE_SPACE if code < 0 => ErrorKind::StorageSpace,
        1..=LAST_REGISTRATION_CODE if code < 0 => ErrorKind::Registration,
        _ if code > 0 => ErrorKind::Io,
        _ => ErrorKind::Native,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_driver_and_of_the_operating_system_are_told_apart() {
        assert_eq!(kind_of(-10), ErrorKind::ResourceTemporarilyUnavailable);
        assert_eq!(kind_of(libc::ECHILD), ErrorKind::Io);
        assert_eq!(kind_of(-1), ErrorKind::Registration);
        assert_eq!(kind_of(-12), ErrorKind::StorageSpace);
        assert_eq!(kind_of(-1000), ErrorKind::DriverDead);
        assert_eq!(kind_of(-1004), ErrorKind::ResourceTemporarilyUnavailable);
        assert_eq!(kind_of(libc::EINVAL), ErrorKind::InvalidArgument);
        assert_eq!(kind_of(211), ErrorKind::StorageSpace);
    }
}
