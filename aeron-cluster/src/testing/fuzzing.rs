//! What fuzz targets reach of what is private (`fuzz/`).

use std::ffi::OsString;
use std::path::Path;

use crate::aeron::{Action, Header};
use crate::archive::RecordingSignal;
use crate::error::Result;
use crate::{aeron, archive, client, service};

pub use crate::aeron::fuzzing::Polled;
pub use crate::archive::fuzzing::Decoded;

/// Decodes a message of an archive, as an answer and as a signal.
pub fn archive_answer(message: &[u8]) -> Option<RecordingSignal> {
    archive::fuzzing::decode_answer(message)
}

/// Decodes a message of an archive with the C client's decoders, for what they list and signal.
pub fn archive_answer_in_c(message: &[u8]) -> Decoded {
    archive::fuzzing::decode_in_c(message)
}

/// Reads a framed snapshot of this name, of any version, whose parts are these.
pub fn read_framed(name: &str, parts: Vec<Vec<u8>>) -> Result<Vec<u8>> {
    service::framed::fuzzing::read(name, parts)
}

/// Parts of a framed snapshot, of these kinds and bodies, with the checksums that they must have.
pub fn sealed(parts: &[(u8, &[u8])]) -> Vec<Vec<u8>> {
    service::framed::fuzzing::sealed(parts)
}

/// Loads a snapshot of these messages: the ids of its sessions and how many messages were read, `None` if its end is missing.
pub fn load_snapshot(messages: &[&[u8]]) -> Result<Option<(Vec<i64>, usize)>> {
    service::fuzzing::load_snapshot(messages)
}

/// The recording of a service's snapshot, by the key of the counter of what a cluster recovered.
pub fn recovered_snapshot(key: &[u8], service_id: i32) -> Option<Result<i64>> {
    service::fuzzing::recovered_snapshot(key, service_id)
}

/// The members in a list of endpoints, with the channel to each.
pub fn members(list: &str, ingress_channel: &str) -> Result<Vec<(i32, String)>> {
    client::fuzzing::members(list, ingress_channel)
}

/// The settings of a container in this environment, shown.
pub fn container_settings(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<String> {
    service::fuzzing::settings(lookup)
}

/// The settings of a client in this environment, shown.
pub fn client_settings(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<String> {
    client::fuzzing::settings(lookup)
}

/// Polls a term that has these frames, as the poll of an image does.
pub fn poll_term(frames: &[u8], on_fragment: impl FnMut(&[u8], &Header<'_>) -> Action) -> Polled {
    aeron::fuzzing::poll(frames, on_fragment)
}

/// Whether these frames may be sent as a block.
pub fn is_block(frames: &[u8]) -> bool {
    aeron::fuzzing::is_block(frames)
}

/// What a media driver looks at before it takes a directory.
pub fn check_leftover(dir: &Path) -> Result<()> {
    aeron::check_leftover(dir)
}
