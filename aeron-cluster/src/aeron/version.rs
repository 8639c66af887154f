//! The version of the linked C client.

use std::ffi::{CStr, c_char};

use aeron_sys as sys;

/// The version of the linked C client: `1.54.0`.
pub fn version() -> &'static str {
    // SAFETY: aeron_version_text (aeronc.h) returns a string constant.
    text(unsafe { sys::aeron_version_text() })
}

/// The commit that the linked C client was built from, as it reports it; empty if unknown.
pub fn commit() -> &'static str {
    // SAFETY: aeron_version_gitsha (aeronc.h) returns a string constant.
    text(unsafe { sys::aeron_version_gitsha() })
}

fn text(constant: *const c_char) -> &'static str {
    if constant.is_null() {
        return "";
    }
    // SAFETY: both callers pass a NUL-terminated constant of the library.
    unsafe { CStr::from_ptr(constant) }.to_str().unwrap_or_default()
}
