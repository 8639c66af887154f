//! What an archive sends without being asked: errors and signals.

use std::ffi::CStr;

use aeron_sys as sys;

use super::client::Archive;
use crate::Result;

/// The longest error message of an archive that is kept.
const MAX_ERROR_LENGTH: usize = 8 * 1024;

impl Archive {
    /// Reports an error that the archive sent, if one has come; a recording that fails for lack of space is told so. With an
    /// [`on_error`](super::Context::on_error) handler, that gets it and this is `Ok`. Looks at one message, and gives a signal to the
    /// consumer. Does not block. Mirrors `AeronArchive.checkForErrorResponse`.
    pub fn check_for_error_response(&mut self) -> Result<()> {
        // SAFETY: nothing but the connection is given.
        self.request("the archive reports an error", |archive| unsafe {
            sys::aeron_archive_check_for_error_response(archive)
        })
    }

    /// The text of an error that the archive sent, if one has come, handler or not. Otherwise as
    /// [`check_for_error_response`](Self::check_for_error_response). Mirrors `AeronArchive.pollForErrorResponse`.
    pub fn poll_for_error_response(&mut self) -> Result<Option<String>> {
        let mut text = vec![0u8; MAX_ERROR_LENGTH];
        // SAFETY: C writes a NUL-terminated string of at most the length given.
        self.request("cannot poll the archive for errors", |archive| unsafe {
            sys::aeron_archive_poll_for_error_response(archive, text.as_mut_ptr().cast(), text.len())
        })?;
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default().to_string_lossy();
        Ok((!text.is_empty()).then(|| text.into_owned()))
    }

    /// Gives the next signal to the [`on_recording_signal`](super::Context::on_recording_signal) consumer, if one has come, and returns how
    /// many these were. Signals that come while a request waits for its answer, or is polled, are given then. Does not block. Mirrors
    /// `AeronArchive.pollForRecordingSignals`.
    ///
    /// # Errors
    ///
    /// Also an error that the archive sent meanwhile, if there is no handler for them.
    pub fn poll_for_recording_signals(&mut self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: C writes the count.
        self.request("cannot poll the archive for signals", |archive| unsafe {
            sys::aeron_archive_poll_for_recording_signals(&mut count, archive)
        })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}
