//! What fuzz targets reach of the container.

use std::ffi::OsString;

use super::Context;
use super::recovery_state::RecoveryState;
use super::snapshot_loader::SnapshotLoader;
use crate::aeron::Action;
use crate::error::Result;

/// What a counter with this key says of a service's snapshot: `None` if it is no such counter's, or the snapshot's recording.
pub(crate) fn recovered_snapshot(key: &[u8], service_id: i32) -> Option<Result<i64>> {
    let state = RecoveryState::decode(key)?;
    let found = state.snapshot_recording_id(service_id);
    // What a container asks besides.
    let _ = (state.has_snapshot(), state.log_position, state.timestamp);
    Some(found)
}

/// Loads a snapshot of these messages until its end. Returns the ids of its sessions and how many messages were read, or `None` if the end
/// is missing.
pub(crate) fn load_snapshot(messages: &[&[u8]]) -> Result<Option<(Vec<i64>, usize)>> {
    let (mut loader, mut sessions) = (SnapshotLoader::default(), Vec::new());
    for (index, message) in messages.iter().enumerate() {
        let action = loader.on_message(message, &mut |session| {
            sessions.push(session.cluster_session_id);
            Ok(())
        })?;
        if action == Action::Break {
            return Ok(loader.is_done().then_some((sessions, index + 1)));
        }
    }
    Ok(None)
}

/// The settings of a container in this environment, shown.
pub(crate) fn settings(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<String> {
    Context::from_lookup(lookup).map(|context| format!("{context:?}"))
}
