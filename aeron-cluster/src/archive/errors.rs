//! Errors and signals that an archive sends without a request.

use std::ffi::CStr;

use aeron_sys as sys;

use super::client::Archive;
use crate::Result;

/// The longest error message of an archive that is kept.
const MAX_ERROR_LENGTH: usize = 8 * 1024;

impl Archive {
    /// Returns an error that the archive has sent, if there is one, such as that of a recording that failed for lack of space. If there is an
    /// [`on_error`](super::Context::on_error) handler, it gets the error instead, and this returns `Ok`. Takes one message; a signal goes to its
    /// consumer. Does not block. Mirrors `AeronArchive.checkForErrorResponse`.
    pub fn check_for_error_response(&mut self) -> Result<()> {
        // SAFETY: nothing but the connection is given.
        self.request("the archive reports an error", |archive| unsafe {
            sys::aeron_archive_check_for_error_response(archive)
        })
    }

    /// The text of an error that the archive has sent, if there is one, even if there is a handler. Otherwise as
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

    /// Passes the next signal, if there is one, to the [`on_recording_signal`](super::Context::on_recording_signal) consumer, and returns the number
    /// of signals. Signals that arrive during a request, or while one is polled, are passed on then. Does not block. Mirrors
    /// `AeronArchive.pollForRecordingSignals`.
    ///
    /// # Errors
    ///
    /// Also an error that the archive has sent, if there is no handler for errors.
    pub fn poll_for_recording_signals(&mut self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: C writes the count.
        self.request("cannot poll the archive for signals", |archive| unsafe {
            sys::aeron_archive_poll_for_recording_signals(&mut count, archive)
        })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}
