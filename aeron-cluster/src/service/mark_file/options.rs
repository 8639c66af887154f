//! How a mark file is opened.

use std::path::PathBuf;
use std::time::Duration;

use super::layout;
use crate::{Error, ErrorKind, Result};

/// The minimum length of the error log, which is also the default: 1 MiB.
pub const ERROR_BUFFER_MIN_LENGTH: usize = 1024 * 1024;
/// The maximum length of the error log, in bytes.
pub const ERROR_BUFFER_MAX_LENGTH: usize = i32::MAX as usize - layout::HEADER_LENGTH;
/// How long an owner counts as alive after its last heartbeat.
pub const LIVENESS_TIMEOUT: Duration = Duration::from_secs(10);

const PAGE_MIN_SIZE: usize = 4 * 1024;
const PAGE_MAX_SIZE: usize = 1024 * 1024 * 1024;

/// How to open a mark file.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) path: PathBuf,
    pub(super) error_buffer_length: usize,
    pub(super) file_page_size: usize,
    pub(super) liveness_timeout: Duration,
    pub(super) wait: Duration,
}

impl Options {
    /// Java's defaults for a mark file at `path`: an error log of 1 MiB, pages of 4 KiB, a liveness timeout of 10 s, and
    /// no waiting for an active file.
    pub fn new(path: impl Into<PathBuf>) -> Options {
        Options {
            path: path.into(),
            error_buffer_length: ERROR_BUFFER_MIN_LENGTH,
            file_page_size: PAGE_MIN_SIZE,
            liveness_timeout: LIVENESS_TIMEOUT,
            wait: Duration::ZERO,
        }
    }

    /// The length of the error log in bytes, [`ERROR_BUFFER_MIN_LENGTH`] to [`ERROR_BUFFER_MAX_LENGTH`].
    #[must_use]
    pub fn error_buffer_length(mut self, length: usize) -> Options {
        self.error_buffer_length = length;
        self
    }

    /// The media driver's file page size in bytes; the file's length is rounded up to a multiple of it.
    #[must_use]
    pub fn file_page_size(mut self, size: usize) -> Options {
        self.file_page_size = size;
        self
    }

    /// How long an owner counts as alive after its last heartbeat.
    #[must_use]
    pub fn liveness_timeout(mut self, timeout: Duration) -> Options {
        self.liveness_timeout = timeout;
        self
    }

    /// How long [`ClusterMarkFile::open`](super::ClusterMarkFile::open) waits for an active mark file to be given up. Java does not wait.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Options {
        self.wait = wait;
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
        let (length, page) = (self.error_buffer_length, self.file_page_size);
        if !(ERROR_BUFFER_MIN_LENGTH..=ERROR_BUFFER_MAX_LENGTH).contains(&length) {
            return invalid(format!(
                "Invalid errorBufferLength: {length}, must be {ERROR_BUFFER_MIN_LENGTH} to {ERROR_BUFFER_MAX_LENGTH}"
            ));
        }
        if page < PAGE_MIN_SIZE {
            return invalid(format!("Page size less than min size of {PAGE_MIN_SIZE}: page size={page}"));
        }
        if page > PAGE_MAX_SIZE {
            return invalid(format!("Page size more than max size of {PAGE_MAX_SIZE}: page size={page}"));
        }
        if !page.is_power_of_two() {
            return invalid(format!("Page size not a power of 2: page size={page}"));
        }
        Ok(())
    }

    pub(super) fn file_length(&self) -> usize {
        (layout::HEADER_LENGTH + self.error_buffer_length).next_multiple_of(self.file_page_size)
    }
}
