//! Why a frame could not be decoded, or a message not be written.

use std::fmt;

use super::{SCHEMA_ID, SCHEMA_VERSION};

/// Why a frame could not be decoded, or a message not be written.
///
/// It is `Copy` and allocates nothing, so that a decoder on the message path can return it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The frame belongs to another schema than the cluster's.
    WrongSchema {
        /// The schema id of the cluster, [`SCHEMA_ID`].
        expected: u16,
        /// The schema id in the frame's header.
        actual: u16,
    },
    /// The frame ends before the message does.
    ShortFrame {
        /// Bytes that the message needs at least, header included.
        needed: usize,
        /// Bytes in the frame.
        actual: usize,
    },
    /// The fixed part of the message is shorter than the sender's schema version promises.
    ShortBlock {
        /// The message's template id.
        template_id: u16,
        /// Bytes of the fixed part at the version in the frame's header.
        needed: usize,
        /// The block length in the frame's header.
        actual: usize,
    },
    /// A text field holds a byte that is not ASCII.
    NotAscii {
        /// The message's template id.
        template_id: u16,
        /// The field.
        field: &'static str,
    },
    /// A field holds a code that has no meaning.
    InvalidValue {
        /// The message's template id.
        template_id: u16,
        /// The field.
        field: &'static str,
        /// The code.
        value: i32,
    },
    /// The buffer to write to is too short for the message.
    BufferTooShort {
        /// Bytes that the message needs.
        needed: usize,
        /// Bytes in the buffer.
        actual: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WrongSchema { expected, actual } => {
                write!(f, "expected schemaId={expected}, actual={actual}")
            }
            Self::ShortFrame { needed, actual } => {
                write!(f, "frame too short: the message needs {needed} bytes, actual={actual}")
            }
            Self::ShortBlock { template_id, needed, actual } => write!(
                f,
                "block of template {template_id} too short: its schema version needs {needed} bytes, actual={actual}"
            ),
            Self::NotAscii { template_id, field } => {
                write!(f, "field {field} of template {template_id} is not ASCII")
            }
            Self::InvalidValue { template_id, field, value } => write!(
                f,
                "field {field} of template {template_id} has the unknown value {value} \
                 (schema {SCHEMA_ID} version {SCHEMA_VERSION} is known here)"
            ),
            Self::BufferTooShort { needed, actual } => {
                write!(f, "buffer too short to encode to: {needed} bytes needed, actual={actual}")
            }
        }
    }
}

impl std::error::Error for CodecError {}

impl From<CodecError> for crate::Error {
    fn from(error: CodecError) -> Self {
        Self::new(crate::ErrorKind::Protocol, error.to_string())
    }
}
