//! Every message there and back, at every schema version, with more bytes and with fewer.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::schema_test::{Described, Description};
use super::*;

/// Makes values of random bytes.
pub(crate) struct Sampler<'a> {
    entropy: &'a [u8],
    text: &'a str,
}

impl<'a> Sampler<'a> {
    pub(crate) fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        for byte in &mut bytes {
            if let Some((first, rest)) = self.entropy.split_first() {
                *byte = *first;
                self.entropy = rest;
            }
        }
        i64::from_le_bytes(bytes)
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let wanted = self.number() as u8 as usize;
        let (bytes, rest) = self.entropy.split_at(wanted.min(self.entropy.len()));
        self.entropy = rest;
        bytes
    }

    pub(crate) fn text(&mut self) -> &'a str {
        let wanted = self.number() as u8 as usize;
        let (text, rest) = self.text.split_at(wanted.min(self.text.len()));
        self.text = rest;
        text
    }
}

/// A message that can be made of random bytes.
pub(crate) trait Sample<'a>: Sized {
    fn sample(sampler: &mut Sampler<'a>) -> Self;
    fn encoded(&self) -> Vec<u8>;
    fn decoded(frame: &Frame<'a>) -> Result<Self, CodecError>;
}

/// A message type without its type, so that one test can go through all.
pub(super) struct AnyMessage {
    pub(super) description: Description,
    /// Makes a message, checks that it survives the way there and back, and returns its bytes.
    sample: fn(&[u8], &str) -> Vec<u8>,
    /// Decodes and encodes.
    recode: fn(&[u8]) -> Result<Vec<u8>, CodecError>,
}

macro_rules! any_messages {
    ($($name:ident),+ $(,)?) => {
        /// All messages.
        pub(super) fn any_messages() -> Vec<AnyMessage> {
            vec![$( AnyMessage {
                description: $name::description(),
                sample: |entropy, text| {
                    let sample = $name::sample(&mut Sampler { entropy, text });
                    let bytes = sample.encoded();
                    let frame = Frame::parse(&bytes).expect("our own header");
                    assert_eq!($name::decoded(&frame).as_ref(), Ok(&sample));
                    bytes
                },
                recode: |bytes| Ok($name::decoded(&Frame::parse(bytes)?)?.encoded()),
            }, )+]
        }
    };
}

any_messages! {
    SessionMessageHeader, TimerEvent, SessionOpenEvent, SessionCloseEvent, ClusterActionRequest, NewLeadershipTermEvent,
    MembershipChangeEvent, JoinLog, ServiceTerminationPosition, RequestServiceAck, CloseSession, ScheduleTimer, CancelTimer,
    ServiceAck, ClusterMembersQuery, SnapshotMarker, ClientSession, SessionConnectRequest, SessionCloseRequest,
    SessionKeepAlive, ChallengeResponse, AdminRequest, SessionEvent, NewLeaderEvent, Challenge, AdminResponse,
}

const HEADER: usize = MessageHeader::ENCODED_LENGTH;

fn put_u16(frame: &mut [u8], offset: usize, value: u16) {
    frame[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
}

/// Splits the variable data of an encoded message into its pieces, each with its length.
fn var_pieces<'a>(frame: &'a [u8], description: &Description) -> Vec<&'a [u8]> {
    let mut rest = &frame[HEADER + description.block_length..];
    let mut pieces = Vec::new();
    for _ in &description.var_data {
        let length = 4 + u32::from_le_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    assert!(rest.is_empty());
    pieces
}

/// What a sender at `version` would have sent, and the same at our version with null in place of what it did not have.
fn as_of(version: u16, full: &[u8], description: &Description) -> (Vec<u8>, Vec<u8>) {
    let absent = || description.fields.iter().filter(|field| field.since > version);
    let block_length = absent().map(|field| field.offset).min().unwrap_or(description.block_length);
    let mut old = full[..HEADER + block_length].to_vec();
    put_u16(&mut old, 0, block_length as u16);
    put_u16(&mut old, 6, version);
    let mut same = full[..HEADER + description.block_length].to_vec();
    for field in absent() {
        same[HEADER + field.offset..][..field.absent.len()].copy_from_slice(&field.absent);
    }
    for (piece, var) in var_pieces(full, description).into_iter().zip(&description.var_data) {
        if var.since <= version {
            old.extend_from_slice(piece);
            same.extend_from_slice(piece);
        } else {
            same.extend_from_slice(&[0; 4]);
        }
    }
    (old, same)
}

/// What a later version might send: more bytes at the end of the block.
fn with_longer_block(full: &[u8], description: &Description, more: usize) -> Vec<u8> {
    let (before, after) = full.split_at(HEADER + description.block_length);
    let mut frame = before.to_vec();
    frame.resize(frame.len() + more, 0xAA);
    frame.extend_from_slice(after);
    put_u16(&mut frame, 0, (description.block_length + more) as u16);
    put_u16(&mut frame, 6, SCHEMA_VERSION + 1);
    frame
}

fn decode_every_way(frame: &[u8]) -> String {
    let mut out = String::new();
    let _ = write!(out, "{:?}", LogEvent::decode(frame));
    let _ = write!(out, "{:?}", ControlEvent::decode(frame));
    let _ = write!(out, "{:?}", ServiceEvent::decode(frame));
    let _ = write!(out, "{:?}", IngressEvent::decode(frame));
    let _ = write!(out, "{:?}", EgressEvent::decode(frame));
    let _ = write!(out, "{:?}", SnapshotEvent::decode(frame));
    out
}

proptest! {
    #[test]
    fn every_message_at_every_version(entropy in prop::collection::vec(any::<u8>(), 0..700), text in "[ -~]{0,300}") {
        for message in any_messages() {
            let description = &message.description;
            let full = (message.sample)(&entropy, &text);
            for version in 0..=SCHEMA_VERSION {
                let (old, same) = as_of(version, &full, description);
                prop_assert_eq!((message.recode)(&old), (message.recode)(&same), "{:?} {}", description, version);
            }
            for more in [1, 8, 200] {
                let longer = with_longer_block(&full, description, more);
                prop_assert_eq!((message.recode)(&longer), Ok(full.clone()), "{:?}", description);
            }
            for length in 0..full.len() {
                let error = (message.recode)(&full[..length]).expect_err("a truncated frame");
                let named = matches!(error, CodecError::ShortFrame { needed, actual } if needed > length && actual == length);
                prop_assert!(named, "{:?} at {}: {}", description, length, error);
                decode_every_way(&full[..length]);
            }
        }
    }

    #[test]
    fn no_input_panics(
        block_length in prop_oneof![0u16..64, any::<u16>()],
        template_id in prop_oneof![0u16..120, any::<u16>()],
        version in 0u16..20,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut frame = Vec::new();
        for part in [block_length, template_id, SCHEMA_ID, version] {
            frame.extend_from_slice(&part.to_le_bytes());
        }
        frame.extend_from_slice(&body);
        decode_every_way(&frame);
    }
}

#[test]
fn session_message_is_header_and_payload() {
    let header = SessionMessageHeader { leadership_term_id: 1, cluster_session_id: 2, timestamp: 3 };
    let mut frame = header.encode().to_vec();
    assert_eq!(frame.len(), 32);
    assert_eq!(LogEvent::decode(&frame), Ok(LogEvent::SessionMessage { header, payload: &[] }));
    frame.extend_from_slice(b"abc");
    assert_eq!(LogEvent::decode(&frame), Ok(LogEvent::SessionMessage { header, payload: b"abc" }));
    assert_eq!(EgressEvent::decode(&frame), Ok(EgressEvent::SessionMessage { header, payload: b"abc" }));
}

#[test]
fn errors_name_both_sides() {
    let mut frame = TimerEvent { leadership_term_id: 1, correlation_id: 2, timestamp: 3 }.encode();
    put_u16(&mut frame, 4, 7);
    assert_eq!(LogEvent::decode(&frame), Err(CodecError::WrongSchema { expected: 111, actual: 7 }));
    put_u16(&mut frame, 4, SCHEMA_ID);
    put_u16(&mut frame, 2, 999);
    assert_eq!(LogEvent::decode(&frame), Ok(LogEvent::Unknown { template_id: 999 }));
    put_u16(&mut frame, 2, TimerEvent::TEMPLATE_ID);
    put_u16(&mut frame, 0, 16);
    let short = CodecError::ShortBlock { template_id: 20, needed: 24, actual: 16 };
    assert_eq!(LogEvent::decode(&frame), Err(short));
    assert_eq!(LogEvent::decode(&frame[..7]), Err(CodecError::ShortFrame { needed: 8, actual: 7 }));
    assert_eq!(
        TimerEvent { leadership_term_id: 1, correlation_id: 2, timestamp: 3 }.write_to(&mut [0; 31]),
        Err(CodecError::BufferTooShort { needed: 32, actual: 31 })
    );
}

#[test]
fn what_older_senders_leave_out_has_its_default() {
    let mut frame = ClusterActionRequest {
        leadership_term_id: 1,
        log_position: 2,
        timestamp: 3,
        action: ClusterAction::Snapshot,
        flags: ActionFlags::STANDBY_SNAPSHOT,
    }
    .encode();
    put_u16(&mut frame, 6, 10);
    let Ok(LogEvent::ClusterAction(request)) = LogEvent::decode(&frame) else { panic!("not an action") };
    assert_eq!(request.flags, ActionFlags::DEFAULT);

    let mut frame = ServiceTerminationPosition { log_position: 9, ack_required: Some(true) }.encode();
    put_u16(&mut frame, 0, 8);
    put_u16(&mut frame, 6, 16);
    let position = ServiceTerminationPosition { log_position: 9, ack_required: None };
    assert_eq!(ControlEvent::decode(&frame[..16]), Ok(ControlEvent::ServiceTerminationPosition(position)));
}

#[test]
fn text_that_is_not_ascii_round_trips() {
    let event = NewLeaderEvent {
        leadership_term_id: 1,
        cluster_session_id: 2,
        leader_member_id: 3,
        ingress_endpoints: "0=é:1",
    };
    let mut out = Vec::new();
    let frame = event.encode(&mut out).to_vec();
    let Ok(EgressEvent::NewLeader(read)) = EgressEvent::decode(&frame) else { panic!("not a new leader") };
    assert_eq!(read.ingress_endpoints, "0=?:1");
    let mut frame = frame;
    let question_mark = frame.len() - 3;
    frame[question_mark] = 0xE9;
    let error = CodecError::NotAscii { template_id: 6, field: "ingress_endpoints" };
    assert_eq!(EgressEvent::decode(&frame), Err(error));
}

#[test]
fn codes_without_meaning_are_refused_where_a_default_would_lie() {
    let join = JoinLog {
        log_position: 0,
        max_log_position: i64::MAX,
        member_id: 0,
        log_session_id: 1,
        log_stream_id: 100,
        is_startup: true,
        role: Role::Leader,
        is_standby: None,
        log_channel: "aeron:ipc",
    };
    let mut out = Vec::new();
    join.encode(&mut out);
    out[8 + 28] = 2;
    let error = CodecError::InvalidValue { template_id: 40, field: "is_startup", value: 2 };
    assert_eq!(ControlEvent::decode(&out), Err(error));
    join.encode(&mut out);
    out[8 + 32] = 3;
    let error = CodecError::InvalidValue { template_id: 40, field: "role", value: 3 };
    assert_eq!(ControlEvent::decode(&out), Err(error));
}
