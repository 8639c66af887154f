//! What clients tell the replica to do, and what it answers.

/// What a message tells the replica to do. On the wire: the operation (1 byte), the client's number for the message (8), then the
/// arguments, all little endian. A message shorter than 9 bytes is content alone: it is answered with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// Answer with the whole message.
    Echo(&'a [u8]),
    /// Answer with [`Reply::Done`], whatever the content.
    Note(&'a [u8]),
    /// Schedule the timer `id`, due in `delay_ms`. Each service has timers of its own; see [`Command::correlation_id`].
    ScheduleTimer { id: i64, delay_ms: i64 },
    /// Cancel the timer `id`.
    CancelTimer { id: i64 },
    /// Send this content to the log, from the service.
    Offer(&'a [u8]),
    /// Answer with so many bytes.
    Reply { length: u32 },
    /// Fail the next snapshot.
    FailSnapshot(Targets),
    /// Panic, before anything of the message is applied.
    Panic(Targets),
    /// Block the service.
    Sleep { targets: Targets, ms: u32 },
    /// End the node.
    Terminate { targets: Targets, expected: bool },
    /// Close a session; 0 is the sender's.
    CloseSession { id: i64 },
    /// Keep so many bytes as part of the state, instead of those kept before.
    Keep { length: u32 },
}

/// The services that a command is for: one bit for each service of a member, and for each member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets {
    /// Bit n is for the service with id n.
    pub services: u16,
    /// Bit n is for member n.
    pub members: u16,
}

impl Targets {
    /// Every service of every member.
    pub const ALL: Targets = Targets { services: u16::MAX, members: u16::MAX };

    /// One service on every member.
    pub fn service(id: usize) -> Targets {
        Targets { services: 1 << id, members: u16::MAX }
    }

    /// Every service of one member.
    pub fn member(id: usize) -> Targets {
        Targets { services: u16::MAX, members: 1 << id }
    }

    pub(super) fn contain(self, service_id: i32, member_id: i32) -> bool {
        let has = |mask: u16, bit: i32| (0..16).contains(&bit) && mask & (1 << bit) != 0;
        has(self.services, service_id) && has(self.members, member_id)
    }
}

const ECHO: u8 = 0;
const NOTE: u8 = 1;
const SCHEDULE_TIMER: u8 = 2;
const CANCEL_TIMER: u8 = 3;
const OFFER: u8 = 4;
const REPLY: u8 = 5;
const FAIL_SNAPSHOT: u8 = 6;
const PANIC: u8 = 7;
const SLEEP: u8 = 8;
const TERMINATE: u8 = 9;
const CLOSE_SESSION: u8 = 10;
const KEEP: u8 = 11;

impl<'a> Command<'a> {
    /// The message that carries this command.
    pub fn encode(&self, number: u64) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(number.to_le_bytes());
        let targets = |message: &mut Vec<u8>, targets: Targets| {
            message.extend(targets.services.to_le_bytes());
            message.extend(targets.members.to_le_bytes());
        };
        message[0] = match *self {
            Command::Echo(content) => add(&mut message, content, ECHO),
            Command::Note(content) => add(&mut message, content, NOTE),
            Command::ScheduleTimer { id, delay_ms } => {
                message.extend(id.to_le_bytes());
                add(&mut message, &delay_ms.to_le_bytes(), SCHEDULE_TIMER)
            }
            Command::CancelTimer { id } => add(&mut message, &id.to_le_bytes(), CANCEL_TIMER),
            Command::Offer(content) => add(&mut message, content, OFFER),
            Command::Reply { length } => add(&mut message, &length.to_le_bytes(), REPLY),
            Command::FailSnapshot(of) => {
                targets(&mut message, of);
                FAIL_SNAPSHOT
            }
            Command::Panic(of) => {
                targets(&mut message, of);
                PANIC
            }
            Command::Sleep { targets: of, ms } => {
                targets(&mut message, of);
                add(&mut message, &ms.to_le_bytes(), SLEEP)
            }
            Command::Terminate { targets: of, expected } => {
                targets(&mut message, of);
                add(&mut message, &[u8::from(expected)], TERMINATE)
            }
            Command::CloseSession { id } => add(&mut message, &id.to_le_bytes(), CLOSE_SESSION),
            Command::Keep { length } => add(&mut message, &length.to_le_bytes(), KEEP),
        };
        message
    }

    /// The number and the command of a message; `None` for one that is no command.
    pub fn decode(message: &'a [u8]) -> Option<(u64, Command<'a>)> {
        let (operation, rest) = message.split_first()?;
        let (number, arguments) = rest.split_first_chunk()?;
        Some((u64::from_le_bytes(*number), Self::with_arguments(*operation, arguments)?))
    }

    fn with_arguments(operation: u8, arguments: &'a [u8]) -> Option<Command<'a>> {
        let i64_at = |at: usize| arguments.get(at..)?.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
        let u32_at = |at: usize| arguments.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let targets = || {
            let both = u32_at(0)?;
            Some(Targets { services: both as u16, members: (both >> 16) as u16 })
        };
        Some(match operation {
            ECHO => Command::Echo(arguments),
            NOTE => Command::Note(arguments),
            SCHEDULE_TIMER => Command::ScheduleTimer { id: i64_at(0)?, delay_ms: i64_at(8)? },
            CANCEL_TIMER => Command::CancelTimer { id: i64_at(0)? },
            OFFER => Command::Offer(arguments),
            REPLY => Command::Reply { length: u32_at(0)? },
            FAIL_SNAPSHOT => Command::FailSnapshot(targets()?),
            PANIC => Command::Panic(targets()?),
            SLEEP => Command::Sleep { targets: targets()?, ms: u32_at(4)? },
            TERMINATE => Command::Terminate { targets: targets()?, expected: *arguments.get(4)? != 0 },
            CLOSE_SESSION => Command::CloseSession { id: i64_at(0)? },
            KEEP => Command::Keep { length: u32_at(0)? },
            _ => return None,
        })
    }

    /// The timer of one service behind a timer's id in a command.
    pub fn correlation_id(id: i64, service_id: i32) -> i64 {
        id.wrapping_mul(16).wrapping_add(i64::from(service_id))
    }
}

fn add(message: &mut Vec<u8>, bytes: &[u8], operation: u8) -> u8 {
    message.extend(bytes);
    operation
}

/// The bytes of which answers and kept content consist.
pub fn pattern(length: usize, seed: u64) -> Vec<u8> {
    (0..length).map(|i| (seed as usize).wrapping_mul(31).wrapping_add(i.wrapping_mul(7)) as u8).collect()
}

/// What the replica sends to clients, besides the message itself as an echo. On the wire: the kind (1 byte), the service's id
/// (1), and the rest, little endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The command of this number was applied; the hash is that of the state after it.
    Done { service_id: u8, number: u64, hash: u64 },
    /// To all sessions: a timer expired.
    Timer { service_id: u8, correlation_id: i64 },
    /// To all sessions: a message of a service came.
    ServiceMessage { service_id: u8, message: Vec<u8> },
    /// The bytes that a [`Command::Reply`] asked for.
    Bytes { service_id: u8, number: u64, bytes: Vec<u8> },
}

const DONE: u8 = 0x80;
const TIMER: u8 = 0x81;
const SERVICE_MESSAGE: u8 = 0x82;
const BYTES: u8 = 0x83;

impl Reply {
    /// The message that carries this reply.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Reply::Done { service_id, number, hash } => {
                [&[DONE, *service_id][..], &number.to_le_bytes(), &hash.to_le_bytes()].concat()
            }
            Reply::Timer { service_id, correlation_id } => {
                [&[TIMER, *service_id][..], &correlation_id.to_le_bytes()].concat()
            }
            Reply::ServiceMessage { service_id, message } => [&[SERVICE_MESSAGE, *service_id][..], message].concat(),
            Reply::Bytes { service_id, number, bytes } => {
                [&[BYTES, *service_id][..], &number.to_le_bytes(), bytes].concat()
            }
        }
    }

    /// What a message to a client says; `None` if it is an echo.
    pub fn decode(message: &[u8]) -> Option<Reply> {
        let (&[kind, service_id], rest) = message.split_first_chunk()?;
        let first = || rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        match kind {
            DONE => {
                let hash = u64::from_le_bytes(*rest.get(8..)?.first_chunk()?);
                Some(Reply::Done { service_id, number: first()?, hash })
            }
            TIMER => Some(Reply::Timer { service_id, correlation_id: first()? as i64 }),
            SERVICE_MESSAGE => Some(Reply::ServiceMessage { service_id, message: rest.to_vec() }),
            BYTES => Some(Reply::Bytes { service_id, number: first()?, bytes: rest.get(8..)?.to_vec() }),
            _ => None,
        }
    }
}
