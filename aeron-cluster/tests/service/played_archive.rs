//! An archive that the test plays itself: it answers when the test says so, or never.

use std::ops::ControlFlow;

use aeron_cluster::aeron::{Aeron, Counter, ExclusivePublication, Subscription};
use aeron_cluster::codec::MessageHeader;
use aeron_cluster::testing::{PATIENCE, wait_until};

use crate::script::wait_for;

const SCHEMA_ID: u16 = 101;
const CONTROL_RESPONSE: u16 = 1;
const RECORDING_SIGNAL: u16 = 24;
const CHALLENGE: u16 = 59;
/// The archive's protocol: one that asks for the archive's id.
const VERSION: i32 = (1 << 16) | (12 << 8);
const OK: i32 = 0;
const RECORDING_POSITION_TYPE_ID: i32 = 100;
const CONTROL_SESSION: i64 = 777;
const ARCHIVE_ID: i64 = 4711;
const SOURCE_IDENTITY: &[u8] = b"aeron:ipc";

/// What a client can ask for, by the template of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Asked {
    Replay = 6,
    Connect = 58,
    ChallengeResponse = 60,
    Recording = 63,
    ArchiveId = 68,
}

/// A request: its id, and everything behind the message header.
pub struct Request {
    correlation_id: i64,
    body: Vec<u8>,
}

impl Request {
    /// A request to connect: where the answers are to go, and the credentials.
    pub fn connect(&self) -> (String, i32, &[u8]) {
        let stream_id = i32::from_le_bytes(*self.body[8..].first_chunk().unwrap());
        let (channel, rest) = data(&self.body[16..]);
        (String::from_utf8(channel.to_vec()).unwrap(), stream_id, data(rest).0)
    }

    /// A response to a challenge: the credentials.
    pub fn challenge_response(&self) -> &[u8] {
        data(&self.body[16..]).0
    }
}

/// Bytes behind their length, and what follows.
fn data(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u32::from_le_bytes(*length) as usize)
}

/// The archive's side of its control channel, for one client at a time.
pub struct PlayedArchive {
    aeron: Aeron,
    requests: Subscription,
    responses: Option<ExclusivePublication>,
}

impl PlayedArchive {
    pub fn new(aeron: &Aeron) -> PlayedArchive {
        let requests = aeron.add_subscription("aeron:ipc", 10).unwrap();
        PlayedArchive { aeron: aeron.clone(), requests, responses: None }
    }

    /// The next request, which must be this one.
    pub fn asked(&mut self, wanted: Asked) -> Request {
        let requests = &mut self.requests;
        wait_until("a request to the archive", PATIENCE, || {
            let mut found = None;
            requests.poll(1, |message, _| {
                let (header, body) = MessageHeader::decode(message).unwrap();
                if header.template_id == wanted as u16 {
                    // A connection has no session yet that would come first.
                    let at = if wanted == Asked::Connect { 0 } else { 8 };
                    let correlation_id = i64::from_le_bytes(*body[at..].first_chunk().unwrap());
                    found = Some(Request { correlation_id, body: body.to_vec() });
                }
            })?;
            Ok(found.map_or(ControlFlow::Continue(()), ControlFlow::Break))
        })
        .unwrap()
    }

    /// The next request to connect, whose answers will arrive.
    pub fn asked_to_connect(&mut self) -> Request {
        let request = self.asked(Asked::Connect);
        let (channel, stream_id, _) = request.connect();
        self.responses = Some(self.aeron.add_exclusive_publication(&channel, stream_id).unwrap());
        request
    }

    /// Lets a client connect as far as to the question for the archive's id.
    pub fn connect_partly(&mut self) -> Request {
        let request = self.asked_to_connect();
        self.answer(&request, 0);
        self.asked(Asked::ArchiveId)
    }

    /// Challenges a client.
    pub fn challenge(&mut self, request: &Request, challenge: &[u8]) -> Request {
        let mut message = header(CHALLENGE, 20);
        for value in [CONTROL_SESSION, request.correlation_id] {
            message.extend_from_slice(&value.to_le_bytes());
        }
        for value in [VERSION, challenge.len() as i32] {
            message.extend_from_slice(&value.to_le_bytes());
        }
        message.extend_from_slice(challenge);
        self.send(&message);
        self.asked(Asked::ChallengeResponse)
    }

    /// Lets a client connect.
    pub fn connect(&mut self) {
        let request = self.connect_partly();
        self.answer(&request, ARCHIVE_ID);
    }

    /// Answers that the request is done.
    pub fn answer(&mut self, request: &Request, relevant_id: i64) {
        self.respond(request.correlation_id, relevant_id, OK, "");
    }

    /// Answers that the request is refused.
    pub fn refuse(&mut self, request: &Request, error_code: i64, words: &str) {
        self.respond(request.correlation_id, error_code, 1, words);
    }

    /// Answers a request that nobody made, or waits for.
    pub fn answer_another(&mut self, request: &Request) {
        self.respond(request.correlation_id - 1, 99, OK, "");
        self.respond(request.correlation_id - 1, 5, 1, "of another request");
    }

    /// Tells that a recording started.
    pub fn signal(&mut self, request: &Request) {
        let mut signal = header(RECORDING_SIGNAL, 44);
        for value in [CONTROL_SESSION, request.correlation_id, 1, 2, 0] {
            signal.extend_from_slice(&value.to_le_bytes());
        }
        signal.extend_from_slice(&0i32.to_le_bytes());
        self.send(&signal);
    }

    /// The counter of a recording's progress, until it is dropped.
    pub fn record(&self, recording_id: i64, session_id: i32) -> Counter {
        let mut key = recording_id.to_le_bytes().to_vec();
        key.extend_from_slice(&session_id.to_le_bytes());
        key.extend_from_slice(&(SOURCE_IDENTITY.len() as i32).to_le_bytes());
        key.extend_from_slice(SOURCE_IDENTITY);
        key.extend_from_slice(&ARCHIVE_ID.to_le_bytes());
        self.aeron.add_counter(RECORDING_POSITION_TYPE_ID, &key, "rec-pos").unwrap()
    }

    /// Waits until the client has taken all answers.
    pub fn wait_until_heard(&self) {
        let responses = self.responses.as_ref().expect("a client");
        let sent = responses.position().unwrap();
        let session = format!(" {} {} ", responses.session_id(), responses.stream_id());
        let counters = self.aeron.counters();
        wait_for(|| {
            let taken = |label: &str| label.starts_with("sub-pos: ") && label.contains(&session);
            let counter = counters.find(|counter| taken(counter.label));
            counter.is_some_and(|id| counters.value(id) == Some(sent))
        });
    }

    fn respond(&mut self, correlation_id: i64, relevant_id: i64, code: i32, words: &str) {
        let mut response = header(CONTROL_RESPONSE, 32);
        for value in [CONTROL_SESSION, correlation_id, relevant_id] {
            response.extend_from_slice(&value.to_le_bytes());
        }
        for value in [code, VERSION, words.len() as i32] {
            response.extend_from_slice(&value.to_le_bytes());
        }
        response.extend_from_slice(words.as_bytes());
        self.send(&response);
    }

    fn send(&mut self, message: &[u8]) {
        let responses = self.responses.as_mut().expect("a client");
        wait_for(|| responses.offer(message).is_ok());
    }
}

fn header(template_id: u16, block_length: u16) -> Vec<u8> {
    [block_length, template_id, SCHEMA_ID, 12].into_iter().flat_map(u16::to_le_bytes).collect()
}

/// The session of a publication that is recorded, out of the channel that the request names.
pub fn recorded_session(request: &Request) -> i32 {
    let channel = String::from_utf8_lossy(&request.body);
    let (_, session) = channel.split_once("session-id=").expect("a channel with a session");
    let digits: String = session.chars().take_while(|c| *c == '-' || c.is_ascii_digit()).collect();
    digits.parse().unwrap()
}
