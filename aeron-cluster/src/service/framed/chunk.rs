//! The parts of a framed snapshot, as bytes. All numbers are little-endian.
//!
//! Each part is one message: a head, any number of data parts, an end. All begin with a prefix of [`PREFIX_LENGTH`] bytes:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | [`MAGIC`] |
//! | 4 | 1 | the version of this framing: [`FRAMING_VERSION`] |
//! | 5 | 1 | the kind: 1 head, 2 data, 3 end |
//! | 6 | 2 | zero |
//! | 8 | 8 | the number of the part, from 0 |
//! | 16 | 4 | the CRC-32 (that of zip and `java.util.zip.CRC32`) of all earlier parts, the 16 bytes above and the body |
//!
//! The body of a head: the format's version (4 bytes), the total of data bytes or all ones (8), the format's name. The body of an end: the total of
//! data bytes (8), and how many messages the service had sent to the log by then, or −1 (8).

use crate::bytes::{i64_at, u32_at, u64_at};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: [u8; 4] = *b"\xAESNP";
const FRAMING_VERSION: u8 = 1;
pub(super) const PREFIX_LENGTH: usize = 20;
const CHECKSUM_OFFSET: usize = 16;
/// The longest name of a format, in bytes.
pub(super) const MAX_NAME_LENGTH: usize = 100;
const UNKNOWN_TOTAL: u64 = u64::MAX;

const HEAD: u8 = 1;
const DATA: u8 = 2;
const END: u8 = 3;

/// What a part is, with its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk<'a> {
    Head { version: u32, total: Option<u64>, name: &'a str },
    Data(&'a [u8]),
    End { bytes: u64, service_messages: i64 },
}

/// How far a writer or reader is in the sequence of parts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Chain {
    sequence: u64,
    checksum: u32,
}

impl Chain {
    /// How many parts there were.
    pub(super) fn length(self) -> u64 {
        self.sequence
    }

    fn checksum_of(self, prefix: &[u8], body: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.checksum);
        hasher.update(prefix);
        hasher.update(body);
        hasher.finalize()
    }

    fn advance(&mut self, checksum: u32) {
        *self = Chain { sequence: self.sequence + 1, checksum };
    }

    /// Fills in the prefix of `part`, whose body follows the space for it.
    pub(super) fn seal(&mut self, part: &mut [u8], kind: u8) {
        let Some((prefix, body)) = part.split_at_mut_checked(PREFIX_LENGTH) else { return };
        prefix[..4].copy_from_slice(&MAGIC);
        prefix[4..8].copy_from_slice(&[FRAMING_VERSION, kind, 0, 0]);
        prefix[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        let checksum = self.checksum_of(&prefix[..CHECKSUM_OFFSET], body);
        prefix[CHECKSUM_OFFSET..].copy_from_slice(&checksum.to_le_bytes());
        self.advance(checksum);
    }

    /// As [`seal`](Self::seal), for a data part.
    pub(super) fn seal_data(&mut self, part: &mut [u8]) {
        self.seal(part, DATA);
    }

    /// Makes `part` the head.
    pub(super) fn encode_head(&mut self, part: &mut Vec<u8>, version: u32, total: Option<u64>, name: &str) {
        part.clear();
        part.resize(PREFIX_LENGTH, 0);
        part.extend_from_slice(&version.to_le_bytes());
        part.extend_from_slice(&total.unwrap_or(UNKNOWN_TOTAL).to_le_bytes());
        part.extend_from_slice(name.as_bytes());
        self.seal(part, HEAD);
    }

    /// Makes `part` the end.
    pub(super) fn encode_end(&mut self, part: &mut Vec<u8>, bytes: u64, service_messages: i64) {
        part.clear();
        part.resize(PREFIX_LENGTH, 0);
        part.extend_from_slice(&bytes.to_le_bytes());
        part.extend_from_slice(&service_messages.to_le_bytes());
        self.seal(part, END);
    }

    /// Decodes a part, after checking that it is the next one and undamaged.
    pub(super) fn decode<'a>(&mut self, part: &'a [u8]) -> Result<Chunk<'a>> {
        let sequence = self.sequence;
        let Some((prefix, body)) = part.split_at_checked(PREFIX_LENGTH).filter(|(prefix, _)| prefix[..4] == MAGIC)
        else {
            let start = &part[..part.len().min(8)];
            return Err(refused(format!(
                "expected part {sequence} of a framed snapshot, found a message of {} bytes that is none and begins with \
                 {start:02x?}",
                part.len()
            )));
        };
        let (framing, kind) = (prefix[4], prefix[5]);
        if framing != FRAMING_VERSION {
            return Err(refused(format!("expected framing of version {FRAMING_VERSION}, found version {framing}")));
        }
        let found = u64_at(prefix, 8).unwrap_or_default();
        if found != sequence {
            return Err(refused(format!("expected part {sequence} of the snapshot, found part {found}")));
        }
        let (expected, checksum) =
            (self.checksum_of(&prefix[..CHECKSUM_OFFSET], body), u32_at(prefix, CHECKSUM_OFFSET).unwrap_or_default());
        if checksum != expected {
            return Err(refused(format!(
                "part {sequence} of the snapshot is damaged: expected checksum {expected:08x}, found {checksum:08x}"
            )));
        }
        let chunk = decode_body(kind, body).ok_or_else(|| {
            refused(format!("part {sequence} of the snapshot cannot be read: kind {kind}, {} bytes", body.len()))
        })?;
        if (sequence == 0) != matches!(chunk, Chunk::Head { .. }) {
            return Err(refused(format!("part {sequence} of the snapshot is out of order: kind {kind}")));
        }
        self.advance(checksum);
        Ok(chunk)
    }
}

fn decode_body(kind: u8, body: &[u8]) -> Option<Chunk<'_>> {
    match kind {
        HEAD => {
            let total = Some(u64_at(body, 4)?).filter(|total| *total != UNKNOWN_TOTAL);
            let name = std::str::from_utf8(body.get(12..)?).ok()?;
            Some(Chunk::Head { version: u32_at(body, 0)?, total, name })
        }
        DATA => Some(Chunk::Data(body)),
        END if body.len() == 16 => Some(Chunk::End { bytes: u64_at(body, 0)?, service_messages: i64_at(body, 8)? }),
        _ => None,
    }
}

/// A snapshot that is not what it should be.
pub(super) fn refused(message: String) -> Error {
    Error::new(ErrorKind::Protocol, message)
}
