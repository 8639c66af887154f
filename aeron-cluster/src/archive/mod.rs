//! The safe archive client, over the official C archive client.
//!
//! A [`Context`] names the archive's control channels, [`Archive::connect`] or an [`AsyncConnect`] gives the [`Archive`], and
//! that starts and stops recordings and replays. It works through a client of ours: the C archive client never makes one of its
//! own, whose errors would end the process.
//!
//! ```no_run
//! use aeron_cluster::aeron::{self, Aeron};
//! use aeron_cluster::archive::{Archive, Context, ReplayParams};
//!
//! # fn main() -> aeron_cluster::Result<()> {
//! let aeron = Aeron::connect(aeron::Context::new())?;
//! let context = Context::new(&aeron)
//!     .control_request_channel("aeron:udp?endpoint=archive.example:8010")
//!     .control_response_channel("aeron:udp?endpoint=localhost:0");
//! let mut archive = Archive::connect(&context)?;
//! for recording in archive.list_recordings(0, 100)? {
//!     println!("{} from {} to {:?}", recording.recording_id, recording.start_position, recording.stop_position);
//! }
//! let mut replay = archive.replay(7, "aeron:udp?endpoint=localhost:20123", 1001, &ReplayParams::new())?;
//! while replay.is_connected() {
//!     replay.poll(10, |fragment, header| println!("{} bytes up to {}", fragment.len(), header.position()))?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Positions are counted in bytes from the beginning of a stream, with the headers of its frames. Ids are the archive's own. A connection
//! may be moved to another thread but not shared; more than one may go through the same client.
//!
//! | for | there is |
//! |---|---|
//! | recording, replaying, looking after what is recorded | [`Archive`] |
//! | the same in a program that must not wait | [`AsyncConnect`], [`PendingRequest`] |
//! | a live stream that is joined by way of its recording, once | [`ReplayMerge`] |
//! | the same again and again, whatever is lost | [`PersistentSubscription`] |
//! | a copy on another archive | [`Archive::replicate`] |
//! | programs that nobody can reach | channels with `control-mode=response`, for answers and for replays |
//!
//! C works the conductor of a client that has no thread for it while it waits for the archive; so every request takes the client's
//! turn first, in which other threads leave the conductor alone ([`Aeron::do_work`](crate::aeron::Aeron::do_work) is 0 to them).
//!
//! An archive that went away is [`NotConnected`](crate::ErrorKind::NotConnected): the [`Archive`] is of no more use then, and a
//! new one is connected. An archive whose disk is full is [`StorageSpace`](crate::ErrorKind::StorageSpace).
//!
//! # Handlers cannot call the archive
//!
//! What a [`Context`] or a [`PersistentSubscription`] is given is called while C works for the connection, which is borrowed mutably
//! meanwhile: C would find its own lock open, and work with what it is working with. So this compiles without the line that is marked, and
//! not with it. (An archive in a `Mutex` is locked by whoever calls it; a handler that locks it too waits for itself.)
//!
//! ```
//! # use aeron_cluster::archive::{Archive, Context};
//! fn listens(context: Context, mut archive: Archive) -> Context {
//!     let context = context.on_recording_signal(|signal| println!("{signal:?}"));
//!     let _ = archive.list_recordings(0, 1);
//!     context
//! }
//! ```
//! ```compile_fail,E0277
//! # use aeron_cluster::archive::{Archive, Context};
//! fn calls(context: Context, mut archive: Archive) -> Context {
//!     context.on_recording_signal(move |_| {
//!         let _ = archive.list_recordings(0, 1); // this
//!     })
//! }
//! ```
//! ```compile_fail,E0277
//! # use aeron_cluster::archive::{Archive, Context};
//! fn shares(context: Context, archive: std::rc::Rc<std::cell::RefCell<Archive>>) -> Context {
//!     context.on_recording_signal(move |_| {
//!         let _ = archive.borrow_mut().list_recordings(0, 1); // this
//!     })
//! }
//! ```
#![allow(unsafe_code)]

mod callbacks;
mod catalog;
mod client;
mod connect;
mod context;
mod error_code;
mod errors;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod guard;
mod native_context;
mod persistent_context;
mod persistent_settings;
mod persistent_subscription;
mod positions;
mod proxy;
mod recording;
mod recording_subscription;
mod recordings;
mod replay_merge;
mod replay_params;
mod replays;
mod replication;
mod request;
mod response;
mod response_replay;
mod segments;
mod settings;
mod signal;

pub(crate) use callbacks::SharedSupplier;
pub use client::{Archive, SourceLocation};
pub use connect::AsyncConnect;
pub use context::Context;
pub(crate) use context::timeout_nanos;
pub use error_code::ArchiveErrorCode;
pub use persistent_settings::{PersistentSubscriptionListener, PersistentSubscriptionSettings, StartFrom};
pub use persistent_subscription::PersistentSubscription;
pub use recording::RecordingDescriptor;
pub use recording_subscription::RecordingSubscription;
pub use replay_merge::{ReplayMerge, ReplayMergeSettings};
pub use replay_params::ReplayParams;
pub use replication::ReplicationParams;
pub use request::PendingRequest;
pub use segments::segment_file_base_position;
pub use settings::Settings;
pub use signal::{RecordingSignal, RecordingSignalKind};

use crate::Error;
use crate::ErrorKind;
use crate::aeron::last_error;

// aeron_archive_client_error.h
const ILLEGAL_STATE: i32 = 2002;

/// What the C client says of the one answer that is neither done nor an error (`ControlResponseCode.RECORDING_UNKNOWN`).
const RECORDING_UNKNOWN: &str = "unexpected response code: 2";

/// The error of the call that just failed on this thread.
fn failure(doing: impl std::fmt::Display) -> Error {
    let error = last_error(doing);
    if error.message().contains(RECORDING_UNKNOWN) {
        let code = error_code::native_code(ArchiveErrorCode::UnknownRecording.code().into()).unwrap_or(error.code());
        return Error::with_code(ErrorKind::Archive, code, format!("{}: unknown recording", error.message()));
    }
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
