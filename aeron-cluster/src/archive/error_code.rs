//! The archive's own error codes.

use crate::Error;

/// What the C client adds to an archive's error code to make it its own (aeron_archive_client_error.h).
const CLIENT_BASE: i32 = 200;

/// Why an archive refused something. Mirrors the codes of `ArchiveException`.
///
/// ```
/// use aeron_cluster::archive::{Archive, ArchiveErrorCode};
/// fn is_there(archive: &mut Archive, recording_id: i64) -> aeron_cluster::Result<bool> {
///     match archive.start_position(recording_id) {
///         Err(error) if ArchiveErrorCode::of(&error) == Some(ArchiveErrorCode::UnknownRecording) => Ok(false),
///         answer => answer.map(|_| true),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveErrorCode {
    /// No code of its own; the message says more.
    Generic,
    /// The session already has a listing in progress.
    ActiveListing,
    /// The recording is active, which the request does not allow.
    ActiveRecording,
    /// The channel and stream are already being recorded.
    ActiveSubscription,
    /// There is no such recording subscription.
    UnknownSubscription,
    /// There is no such recording.
    UnknownRecording,
    /// There is no such replay.
    UnknownReplay,
    /// The archive has reached its limit of replays.
    MaxReplays,
    /// The archive has reached its limit of recordings.
    MaxRecordings,
    /// The publication does not continue the recording.
    InvalidExtension,
    /// The credentials were rejected.
    AuthenticationRejected,
    /// The archive's disk is full.
    StorageSpace,
    /// There is no such replication.
    UnknownReplication,
    /// This session may not do that.
    UnauthorisedAction,
    /// The other archive of a replication cannot be reached.
    ReplicationConnectionFailure,
    /// The recording has nothing in it.
    EmptyRecording,
    /// The position is outside of the recording, or not a valid place to cut it.
    InvalidPosition,
}

impl ArchiveErrorCode {
    const ALL: [ArchiveErrorCode; 17] = [
        ArchiveErrorCode::Generic,
        ArchiveErrorCode::ActiveListing,
        ArchiveErrorCode::ActiveRecording,
        ArchiveErrorCode::ActiveSubscription,
        ArchiveErrorCode::UnknownSubscription,
        ArchiveErrorCode::UnknownRecording,
        ArchiveErrorCode::UnknownReplay,
        ArchiveErrorCode::MaxReplays,
        ArchiveErrorCode::MaxRecordings,
        ArchiveErrorCode::InvalidExtension,
        ArchiveErrorCode::AuthenticationRejected,
        ArchiveErrorCode::StorageSpace,
        ArchiveErrorCode::UnknownReplication,
        ArchiveErrorCode::UnauthorisedAction,
        ArchiveErrorCode::ReplicationConnectionFailure,
        ArchiveErrorCode::EmptyRecording,
        ArchiveErrorCode::InvalidPosition,
    ];

    /// The archive's code of an error; `None` if the error is not the archive's, or its code is unknown here.
    pub fn of(error: &Error) -> Option<Self> {
        let code = usize::try_from(error.code().checked_neg()?.checked_sub(CLIENT_BASE)?).ok()?;
        Self::ALL.get(code).copied()
    }

    /// Whether this is a code of an archive as the C client has it, but for the sign.
    pub(super) fn is_native(code: i32) -> bool {
        code.checked_sub(CLIENT_BASE).is_some_and(|code| (0..Self::ALL.len() as i32).contains(&code))
    }

    /// The number on the wire (`ArchiveException.errorCode`).
    pub fn code(self) -> i32 {
        self as i32
    }
}

/// The code that the C client gives an archive's code, if it knows that. Mirrors
/// `aeron_archive_client_map_archive_to_client_error_code`, with the sign that errors of Aeron have.
pub(super) fn native_code(archive_code: i64) -> Option<i32> {
    let code = usize::try_from(archive_code).ok().filter(|code| *code < ArchiveErrorCode::ALL.len())?;
    Some(-(CLIENT_BASE + code as i32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn codes_are_those_of_the_archive_and_its_c_client() {
        for (number, code) in ArchiveErrorCode::ALL.iter().enumerate() {
            assert_eq!(code.code(), number as i32);
            let native = native_code(number as i64).unwrap();
            // SAFETY: a pure function of numbers.
            let mapped = unsafe { aeron_sys::aeron_archive_client_map_archive_to_client_error_code(number as i32) };
            assert_eq!(native, -mapped);
            let error = Error::with_code(ErrorKind::Archive, native, "refused");
            assert_eq!(ArchiveErrorCode::of(&error), Some(*code));
        }
        for other in [0, 5, 205, -199, -217, i32::MIN, i32::MAX] {
            let error = Error::with_code(ErrorKind::Archive, other, "another");
            assert_eq!(ArchiveErrorCode::of(&error), None, "{other}");
        }
        assert_eq!((native_code(-1), native_code(17)), (None, None));
    }
}
