//! What an archive answers to a request, as it stands on the wire.

use super::signal::RecordingSignal;
use crate::bytes::{i32_at, i64_at};
use crate::codec::MessageHeader;

/// The archive's schema (`aeron-archive-codecs.xml`), and in it the answer to a request and a recording's signal.
const SCHEMA_ID: u16 = 101;
const TEMPLATE_ID: u16 = 1;
const SIGNAL_TEMPLATE_ID: u16 = 24;

// Where the values are in the fixed part of an answer.
const CONTROL_SESSION_ID_OFFSET: usize = 0;
const CORRELATION_ID_OFFSET: usize = 8;
const RELEVANT_ID_OFFSET: usize = 16;
const CODE_OFFSET: usize = 24;

// And of a signal.
const RECORDING_ID_OFFSET: usize = 16;
const SUBSCRIPTION_ID_OFFSET: usize = 24;
const POSITION_OFFSET: usize = 32;
const SIGNAL_OFFSET: usize = 40;

/// `ControlResponseCode`.
const CODE_OK: i32 = 0;
const CODE_ERROR: i32 = 1;

/// What an answer says of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// Done; the id of what was started.
    Done(i64),
    /// Refused: the archive's error code, and its words.
    Refused(i64, &'a [u8]),
    /// None of these: the code.
    Unexpected(i32),
}

/// The answer to a request, of a session with the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ControlResponse<'a> {
    pub(super) control_session_id: i64,
    pub(super) correlation_id: i64,
    pub(super) answer: Answer<'a>,
}

impl<'a> ControlResponse<'a> {
    /// The answer in a message, if it is one: signals of recordings, descriptors and what later versions send are not.
    pub(super) fn decode(message: &'a [u8]) -> Option<Self> {
        let (block, rest) = parts(message, TEMPLATE_ID)?;
        let relevant_id = i64_at(block, RELEVANT_ID_OFFSET)?;
        let answer = match i32_at(block, CODE_OFFSET)? {
            CODE_OK => Answer::Done(relevant_id),
            CODE_ERROR => Answer::Refused(relevant_id, text(rest).unwrap_or_default()),
            code => Answer::Unexpected(code),
        };
        let control_session_id = i64_at(block, CONTROL_SESSION_ID_OFFSET)?;
        Some(ControlResponse { control_session_id, correlation_id: i64_at(block, CORRELATION_ID_OFFSET)?, answer })
    }
}

/// The signal in a message, if it is one.
pub(super) fn decode_signal(message: &[u8]) -> Option<RecordingSignal> {
    let (block, _) = parts(message, SIGNAL_TEMPLATE_ID)?;
    Some(RecordingSignal::new(
        i64_at(block, CONTROL_SESSION_ID_OFFSET)?,
        i64_at(block, RECORDING_ID_OFFSET)?,
        i64_at(block, SUBSCRIPTION_ID_OFFSET)?,
        i64_at(block, POSITION_OFFSET)?,
        i32_at(block, SIGNAL_OFFSET)?,
    ))
}

/// The fixed part of a message and what follows it, if it is such a message.
fn parts(message: &[u8], template_id: u16) -> Option<(&[u8], &[u8])> {
    let (header, body) = MessageHeader::decode(message).ok()?;
    if (header.schema_id, header.template_id) != (SCHEMA_ID, template_id) {
        return None;
    }
    body.split_at_checked(usize::from(header.block_length))
}

/// Text behind its length.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::RecordingSignalKind;

    fn message(template_id: u16, block_length: u16, code: i32, words: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        for value in [block_length, template_id, SCHEMA_ID, 14] {
            message.extend_from_slice(&value.to_le_bytes());
        }
        for value in [7i64, 8, 11] {
            message.extend_from_slice(&value.to_le_bytes());
        }
        message.extend_from_slice(&code.to_le_bytes());
        // Later versions have a field more, and may have others.
        message.resize(MessageHeader::ENCODED_LENGTH + usize::from(block_length), 0);
        message.extend_from_slice(&(words.len() as u32).to_le_bytes());
        message.extend_from_slice(words);
        message
    }

    #[test]
    fn answers_of_every_version_are_read() {
        for block_length in [28, 32, 40] {
            let refused = message(1, block_length, 1, b"no space");
            let response = ControlResponse::decode(&refused).unwrap();
            assert_eq!((response.control_session_id, response.correlation_id), (7, 8));
            assert_eq!(response.answer, Answer::Refused(11, b"no space"));
            let done = message(1, block_length, 0, b"");
            assert_eq!(ControlResponse::decode(&done).unwrap().answer, Answer::Done(11));
        }
        assert_eq!(ControlResponse::decode(&message(1, 32, 2, b"")).unwrap().answer, Answer::Unexpected(2));
    }

    #[test]
    fn signals_are_read() {
        let mut signal = message(SIGNAL_TEMPLATE_ID, 44, 0, b"");
        // Session 7, correlation 8, recording 11; then subscription, position and the signal itself.
        let values = MessageHeader::ENCODED_LENGTH + SUBSCRIPTION_ID_OFFSET;
        signal[values..values + 8].copy_from_slice(&(-1i64).to_le_bytes());
        signal[values + 8..values + 16].copy_from_slice(&640i64.to_le_bytes());
        signal[values + 16..values + 20].copy_from_slice(&2i32.to_le_bytes());
        let expected = RecordingSignal {
            control_session_id: 7,
            recording_id: 11,
            subscription_id: None,
            position: Some(640),
            kind: RecordingSignalKind::Extend,
        };
        assert_eq!(decode_signal(&signal), Some(expected));
        assert_eq!(decode_signal(&message(TEMPLATE_ID, 44, 0, b"")), None);
        for length in 0..MessageHeader::ENCODED_LENGTH + 44 {
            assert_eq!(decode_signal(&signal[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_is_no_answer_is_none_and_what_is_cut_off_no_panic() {
        assert_eq!(ControlResponse::decode(&message(24, 44, 0, b"")), None);
        let mut foreign = message(1, 32, 0, b"");
        foreign[4] = 111;
        assert_eq!(ControlResponse::decode(&foreign), None);
        let whole = message(1, 32, 1, b"no space");
        for length in 0..MessageHeader::ENCODED_LENGTH + 32 {
            assert_eq!(ControlResponse::decode(&whole[..length]), None, "{length}");
        }
        let cut = ControlResponse::decode(&whole[..whole.len() - 1]).unwrap();
        assert_eq!(cut.answer, Answer::Refused(11, b""));
    }
}
