//! The safe archive client, over the official C archive client.
//!
//! A [`Context`] names the archive's control channels, [`Archive::connect`] or an [`AsyncConnect`] gives the [`Archive`], and
//! that starts and stops recordings and replays. It works through a client of ours: the C archive client never makes one of its
//! own, whose errors would end the process.
//!
//! C works the conductor of a client that has no thread for it while it waits for the archive; so every request takes the client's
//! turn first, in which other threads leave the conductor alone ([`Aeron::do_work`](crate::aeron::Aeron::do_work) is 0 to them).
//!
//! An archive that went away is [`NotConnected`](crate::ErrorKind::NotConnected): the [`Archive`] is of no more use then, and a
//! new one is connected. An archive whose disk is full is [`StorageSpace`](crate::ErrorKind::StorageSpace).
#![allow(unsafe_code)]

mod client;
mod connect;
mod context;
mod recording;
mod request;
mod response;

pub use client::{Archive, SourceLocation};
pub use connect::AsyncConnect;
pub use context::Context;
pub use recording::RecordingDescriptor;
pub use request::PendingRequest;

use crate::Error;
use crate::ErrorKind;
use crate::aeron::last_error;

// aeron_archive_client_error.h
const ILLEGAL_STATE: i32 = 2002;

/// The error of the call that just failed on this thread.
fn failure(doing: impl std::fmt::Display) -> Error {
    let error = last_error(doing);
    if error.code().abs() == ILLEGAL_STATE {
        // The C client says so for every call after the one that found the archive gone.
        return Error::with_code(ErrorKind::NotConnected, error.code(), error.message());
    }
    error
}

/// Turns C's "negative is an error" into a `Result`.
fn check(result: i32, doing: impl std::fmt::Display) -> crate::Result<()> {
    if result < 0 { Err(failure(doing)) } else { Ok(()) }
}
