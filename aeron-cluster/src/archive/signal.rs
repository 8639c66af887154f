//! Signals about recordings, which an archive sends without a request.

use aeron_sys as sys;

use crate::aeron::NULL_VALUE;

/// What happened to a recording. Mirrors `RecordingSignal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingSignalKind {
    /// It started.
    Start,
    /// It stopped.
    Stop,
    /// It continues after a stop.
    Extend,
    /// A copy of it started.
    Replicate,
    /// A copy of it continues with the live stream.
    Merge,
    /// A copy of it has all that its source had.
    Sync,
    /// It, or a part of it, was deleted.
    Delete,
    /// A copy of it ended.
    ReplicateEnd,
    /// A code of a later version of the archive.
    Unknown(i32),
}

impl From<i32> for RecordingSignalKind {
    fn from(code: i32) -> Self {
        match code {
            0 => RecordingSignalKind::Start,
            1 => RecordingSignalKind::Stop,
            2 => RecordingSignalKind::Extend,
            3 => RecordingSignalKind::Replicate,
            4 => RecordingSignalKind::Merge,
            5 => RecordingSignalKind::Sync,
            6 => RecordingSignalKind::Delete,
            7 => RecordingSignalKind::ReplicateEnd,
            code => RecordingSignalKind::Unknown(code),
        }
    }
}

/// Something that happened to a recording in this session with the archive. Mirrors `RecordingSignalConsumer.onSignal` and
/// `aeron_archive_recording_signal_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingSignal {
    /// The session with the archive.
    pub control_session_id: i64,
    /// The recording.
    pub recording_id: i64,
    /// The id of its recording subscription, if there is one.
    pub subscription_id: Option<i64>,
    /// The position of the recording.
    pub position: Option<i64>,
    /// What happened.
    pub kind: RecordingSignalKind,
}

impl RecordingSignal {
    pub(super) fn new(
        control_session_id: i64,
        recording_id: i64,
        subscription_id: i64,
        position: i64,
        code: i32,
    ) -> Self {
        let present = |value: i64| (value != NULL_VALUE).then_some(value);
        RecordingSignal {
            control_session_id,
            recording_id,
            subscription_id: present(subscription_id),
            position: present(position),
            kind: code.into(),
        }
    }

    pub(super) fn from_native(native: &sys::aeron_archive_recording_signal_t) -> Self {
        RecordingSignal::new(
            native.control_session_id,
            native.recording_id,
            native.subscription_id,
            native.position,
            native.recording_signal_code,
        )
    }
}
