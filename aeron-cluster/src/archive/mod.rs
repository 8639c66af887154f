//! The safe archive client, over the official C archive client.
//!
//! A [`Context`] names the archive's control channels; [`Archive::connect`] or an [`AsyncConnect`] returns an [`Archive`], which
//! starts and stops recordings and replays. It always works through an [`Aeron`](crate::aeron::Aeron) client of ours. (The C archive client could make
//! one itself, but the errors of that one would end the process.)
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
//! Positions are in bytes from the beginning of a stream, frame headers included. Ids are assigned by the archive. A connection
//! can be moved to another thread but not shared; several connections can use the same client.
//!
//! | to | use |
//! |---|---|
//! | record, replay, and manage recordings | [`Archive`] |
//! | do so without blocking | [`AsyncConnect`], [`PendingRequest`] |
//! | join a live stream once, starting from its recording | [`ReplayMerge`] |
//! | do so again whenever the live stream is lost | [`PersistentSubscription`] |
//! | copy a recording to another archive | [`Archive::replicate`] |
//! | work from behind a firewall or NAT | channels with `control-mode=response`, for answers and for replays |
//!
//! If the client's conductor has no thread, C runs it while it waits for the archive. So every request first takes the lock
//! of the conductor; until it is done, [`Aeron::do_work`](crate::aeron::Aeron::do_work) on other threads returns 0.
//!
//! When the archive has gone away, requests return [`NotConnected`](crate::ErrorKind::NotConnected), and the [`Archive`] cannot be used any
//! more: connect again. When its disk is full, they return [`StorageSpace`](crate::ErrorKind::StorageSpace).
//!
//! # Handlers cannot call the archive
//!
//! The handlers of a [`Context`] or a [`PersistentSubscription`] run while C uses the connection. A request from a handler would corrupt C's
//! state; its lock is re-entrant and would not prevent that. But requests borrow the connection mutably, so the code below compiles only
//! without the marked lines. (With an archive in a `Mutex`, a handler that locks it deadlocks.)
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
pub use error_code::ArchiveErrorCode;
pub(crate) use guard::{session_channel, timeout_nanos};
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

/// The C client's message for the one answer that is neither OK nor an error (`ControlResponseCode.RECORDING_UNKNOWN`).
const RECORDING_UNKNOWN: &str = "unexpected response code: 2";

/// The error of the call that just failed on this thread.
fn failure(doing: impl std::fmt::Display) -> Error {
    let error = last_error(doing);
    if error.message().contains(RECORDING_UNKNOWN) {
        let code = error_code::native_code(ArchiveErrorCode::UnknownRecording.code().into()).unwrap_or(error.code());
        return Error::with_code(ErrorKind::Archive, code, format!("{}: unknown recording", error.message()));
    }
    if error.code().abs() == ILLEGAL_STATE {
        // The C client's error for every call after the one that found the archive gone.
        return Error::with_code(ErrorKind::NotConnected, error.code(), error.message());
    }
    error
}

/// Turns C's "negative is an error" into a `Result`.
fn check(result: i32, doing: impl std::fmt::Display) -> crate::Result<()> {
    if result < 0 { Err(failure(doing)) } else { Ok(()) }
}
