//! Text for C, and text from C.

use std::ffi::{CStr, CString};

use crate::error::{Error, ErrorKind, Result};

/// A string for C. An error if it has a NUL in it.
pub(crate) fn c_string(value: &str, what: &str) -> Result<CString> {
    CString::new(value).map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, format!("{what} contains a NUL byte, which C cannot take: {value:?}"))
    })
}

/// The text that C wrote to a buffer, up to its NUL.
pub(crate) fn text(buffer: &[u8]) -> String {
    CStr::from_bytes_until_nul(buffer).unwrap_or_default().to_string_lossy().into_owned()
}
