//! The header before every message, and the message that carries an application's payload.

use zerocopy::little_endian::{I64, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::message::message;
use super::{CodecError, SCHEMA_ID, SCHEMA_VERSION};

/// The layout of [`MessageHeader`].
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(super) struct WireHeader {
    block_length: U16,
    template_id: U16,
    schema_id: U16,
    version: U16,
}

impl WireHeader {
    /// The header of a message that this module writes.
    pub(super) const fn ours(template_id: u16, block_length: usize) -> Self {
        Self {
            block_length: U16::new(block_length as u16),
            template_id: U16::new(template_id),
            schema_id: U16::new(SCHEMA_ID),
            version: U16::new(SCHEMA_VERSION),
        }
    }
}

/// The header before every message: which message of which schema follows, at the sender's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// Bytes of the message's fixed part.
    pub block_length: u16,
    /// Which message of the schema follows.
    pub template_id: u16,
    /// Which schema: [`SCHEMA_ID`] for the cluster's.
    pub schema_id: u16,
    /// The version of the schema that the sender wrote.
    pub version: u16,
}

impl MessageHeader {
    /// Bytes of the header.
    pub const ENCODED_LENGTH: usize = size_of::<WireHeader>();

    /// The header at the start of a frame, of whatever schema, and the bytes after it.
    #[inline]
    pub fn decode(buffer: &[u8]) -> Result<(Self, &[u8]), CodecError> {
        let (wire, body) = WireHeader::ref_from_prefix(buffer)
            .map_err(|_| CodecError::ShortFrame { needed: Self::ENCODED_LENGTH, actual: buffer.len() })?;
        let header = Self {
            block_length: wire.block_length.get(),
            template_id: wire.template_id.get(),
            schema_id: wire.schema_id.get(),
            version: wire.version.get(),
        };
        Ok((header, body))
    }
}

/// A frame whose header is read and belongs to the cluster's schema.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    header: MessageHeader,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the header of a frame; an error if it is too short or of another schema.
    #[inline]
    pub fn parse(buffer: &'a [u8]) -> Result<Self, CodecError> {
        let (header, body) = MessageHeader::decode(buffer)?;
        if header.schema_id != SCHEMA_ID {
            return Err(CodecError::WrongSchema { expected: SCHEMA_ID, actual: header.schema_id });
        }
        Ok(Self { header, body })
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &MessageHeader {
        &self.header
    }

    /// Bytes of the whole frame, header included.
    #[inline]
    pub(super) fn length(&self) -> usize {
        MessageHeader::ENCODED_LENGTH + self.body.len()
    }

    /// Everything after the header.
    #[inline]
    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// What follows the fixed part; empty if the frame ends within it.
    #[inline]
    pub(super) fn after_block(&self) -> &'a [u8] {
        self.body.get(usize::from(self.header.block_length)..).unwrap_or_default()
    }
}

message! {
    /// The header before an application's payload, on ingress, in the log and on egress.
    SessionMessageHeader = 1 {
        /// The leadership term; on ingress the one the client believes in.
        leadership_term_id: i64,
        /// The session; in the log it is negative for a message that a service sent.
        cluster_session_id: i64,
        /// The cluster's time, in the cluster's time unit; unset on ingress.
        timestamp: i64,
    }
}

/// The start of a [`SessionMessageHeader`]'s frame as it stands nearly always: with our fields and none besides.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct UsualSessionMessage {
    header: WireHeader,
    leadership_term_id: I64,
    cluster_session_id: I64,
    timestamp: I64,
}

impl SessionMessageHeader {
    /// Where the session's id is in the message, in bytes.
    pub(crate) const SESSION_ID_OFFSET: usize = std::mem::offset_of!(UsualSessionMessage, cluster_session_id);

    /// The header of a session message and the application's bytes; `None` for what must be looked at closer: any other message, and one
    /// of a sender with more or fewer fields.
    #[inline]
    pub(crate) fn split(buffer: &[u8]) -> Option<(Self, &[u8])> {
        const OURS: WireHeader = WireHeader::ours(
            SessionMessageHeader::TEMPLATE_ID,
            size_of::<UsualSessionMessage>() - size_of::<WireHeader>(),
        );
        let (message, payload) = UsualSessionMessage::ref_from_prefix(buffer).ok()?;
        let WireHeader { block_length, template_id, schema_id, .. } = message.header;
        let usual = (template_id, block_length, schema_id) == (OURS.template_id, OURS.block_length, OURS.schema_id);
        usual.then_some((
            Self {
                leadership_term_id: message.leadership_term_id.get(),
                cluster_session_id: message.cluster_session_id.get(),
                timestamp: message.timestamp.get(),
            },
            payload,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SessionMessageHeader =
        SessionMessageHeader { leadership_term_id: i64::MIN + 1, cluster_session_id: -7, timestamp: i64::MAX };

    fn message() -> Vec<u8> {
        [HEADER.encode().as_slice(), b"payload"].concat()
    }

    #[test]
    fn a_usual_session_message_is_split_as_it_is_read() {
        let mut message = message();
        for version in [0, 1, SCHEMA_VERSION, u16::MAX] {
            message[6..8].copy_from_slice(&version.to_le_bytes());
            let frame = Frame::parse(&message).unwrap();
            let read = (SessionMessageHeader::read(frame).unwrap(), frame.after_block());
            assert_eq!((SessionMessageHeader::split(&message), read), (Some(read), (HEADER, b"payload".as_slice())));
        }
        assert_eq!(SessionMessageHeader::split(&message[..32]), Some((HEADER, b"".as_slice())));
    }

    #[test]
    fn what_is_no_usual_session_message_is_not_split() {
        let message = message();
        for length in 0..32 {
            assert_eq!(SessionMessageHeader::split(&message[..length]), None);
        }
        // Length of the block, template, schema.
        for byte in 0..6 {
            let mut other = message.clone();
            other[byte] ^= 1;
            assert_eq!(SessionMessageHeader::split(&other), None, "byte {byte}");
        }
    }
}
