//! The clustered service and the container that hosts it.

pub mod error_log;
pub mod mark_file;
