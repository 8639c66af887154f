//! Raw bindings to the official Aeron C client 1.54.0.
#![no_std]

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}
pub use bindings::*;

/// The Aeron source tree that this library was built from, for tests that read its schemas; `None` with a system library.
#[doc(hidden)]
pub const SOURCE_DIR: Option<&str> = option_env!("AERON_SYS_SOURCE_DIR");
