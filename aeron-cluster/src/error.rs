//! The error type of the whole crate.

use std::fmt;

/// What this crate's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a program may want to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value given by the caller cannot be used; the message names it.
    InvalidArgument,
    /// Something awaited did not happen in its time.
    Timeout,
    /// The media driver is dead, absent, or stopped answering.
    DriverDead,
    /// The media driver refused to add a publication, subscription, counter or destination.
    Registration,
    /// The media driver cannot serve the request at this moment; the same request may succeed soon.
    ResourceTemporarilyUnavailable,
    /// The object, or the client it belongs to, is closed.
    Closed,
    /// The other side is not connected.
    NotConnected,
    /// The operating system reported an error.
    Io,
    /// A peer sent something that breaks the protocol, or a driver's file is damaged or of another version.
    Protocol,
    /// The archive refused a request or closed the connection.
    Archive,
    /// The archive or the media driver has no storage space left.
    StorageSpace,
    /// The cluster refused a request; the message is the cluster's.
    Cluster,
    /// The peer rejected the credentials.
    Authentication,
    /// The call is not allowed in the present state, or from within the present callback.
    State,
    /// The service or its container ended.
    Terminated,
    /// An error of the C client without a kind of its own.
    Native,
}

/// An error with its kind, the C client's code where there is one, and a message that names the values involved.
///
/// Errors of the C client are captured at the failing call, on the thread that made it: `aeron_errcode()` and
/// `aeron_errmsg()` are thread-local and overwritten by the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    code: i32,
    message: String,
}

impl Error {
    /// An error of this crate, without a code of the C client.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, code: 0, message: message.into() }
    }

    /// An error with a code of the C client.
    pub(crate) fn with_code(kind: ErrorKind, code: i32, message: impl Into<String>) -> Self {
        Error { kind, code, message: message.into() }
    }

    /// The same error with what was being done in front of its message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The code of the C client (`aeron_errcode()`): negative for Aeron's own codes, positive for an `errno`, 0 if the
    /// error did not come from C.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The message, without the kind.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::with_code(ErrorKind::Io, error.raw_os_error().unwrap_or(0), error.to_string())
    }
}
