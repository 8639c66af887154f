//! Where the fields of a mark file are: `MarkFileHeader` of `aeron-cluster-mark-codecs.xml` (schema 110, template 200),
//! little endian, behind an SBE message header; files older than that header begin with the fields.

use crate::bytes::{i32_at, i64_at, u16_at};

/// The part of the file before the error log.
pub(crate) const HEADER_LENGTH: usize = 8 * 1024;
/// The SBE message header: block length, template, schema and version, 16 bits each.
pub(crate) const MESSAGE_HEADER_LENGTH: usize = 8;
/// The fixed fields.
pub(crate) const BLOCK_LENGTH: usize = 128;
/// The template that marks a file with a message header.
pub(crate) const TEMPLATE_ID: u16 = 200;
/// The schema that marks a file with a message header.
pub(crate) const SCHEMA_ID: u16 = 110;
/// The schema version written: 1 added the services' cluster directory.
pub(crate) const SCHEMA_VERSION: u16 = 2;

/// Semantic version 0.3.0 of the file's content.
pub(crate) const SEMANTIC_VERSION: i32 = 3 << 8;
/// The version of a file whose component failed to start.
pub(crate) const VERSION_FAILED: i32 = -1;

// Offsets from the end of the message header.
pub(crate) const VERSION: usize = 0;
pub(crate) const COMPONENT_TYPE: usize = 4;
pub(crate) const ACTIVITY_TIMESTAMP: usize = 8;
pub(crate) const START_TIMESTAMP: usize = 16;
pub(crate) const PID: usize = 24;
pub(crate) const CANDIDATE_TERM_ID: usize = 32;
pub(crate) const ARCHIVE_STREAM_ID: usize = 40;
pub(crate) const SERVICE_STREAM_ID: usize = 44;
pub(crate) const CONSENSUS_MODULE_STREAM_ID: usize = 48;
pub(crate) const INGRESS_STREAM_ID: usize = 52;
pub(crate) const MEMBER_ID: usize = 56;
pub(crate) const SERVICE_ID: usize = 60;
pub(crate) const HEADER_LENGTH_FIELD: usize = 64;
pub(crate) const ERROR_BUFFER_LENGTH: usize = 68;
pub(crate) const CLUSTER_ID: usize = 72;

/// The end of the fixed fields, where the strings begin.
pub(crate) const STRINGS: usize = MESSAGE_HEADER_LENGTH + BLOCK_LENGTH;

/// Our own mark at the end of the header, which Java does not read: a magic number, and copies of pid and
/// start timestamp. A Java container that takes the file over changes the originals, so the copies no longer match.
pub(crate) const OWNER_MARK: usize = HEADER_LENGTH - 32;
pub(crate) const OWNER_PID: usize = OWNER_MARK + 8;
pub(crate) const OWNER_START: usize = OWNER_MARK + 16;
pub(crate) const OWNER_MAGIC: i64 = i64::from_le_bytes(*b"RUSTCSMF");

/// The component type of a service container.
pub(crate) const CONTAINER: i32 = 2;

/// The name of a component type, as Java prints it.
pub(crate) fn component_name(component: i32) -> String {
    match component {
        0 => "UNKNOWN".into(),
        1 => "CONSENSUS_MODULE".into(),
        CONTAINER => "CONTAINER".into(),
        3 => "BACKUP".into(),
        4 => "STANDBY".into(),
        other => format!("{other} (not a component)"),
    }
}

/// The major part of a semantic version.
pub(crate) fn major(version: i32) -> i32 {
    (version >> 16) & 0xFF
}

/// What decides whether an existing file may be taken over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Existing {
    /// Where the fields begin: after the message header, or at 0 in an old file without one.
    pub(crate) base: usize,
    pub(crate) version: i32,
    pub(crate) activity_timestamp: i64,
    pub(crate) pid: i64,
    /// Whether a Rust container wrote it last.
    pub(crate) is_ours: bool,
}

impl Existing {
    /// Reads the first bytes of a file, at most [`HEADER_LENGTH`]; `None` if they are too few to hold the fields.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Existing> {
        let has_message_header = u16_at(bytes, 2)? == TEMPLATE_ID && u16_at(bytes, 4)? == SCHEMA_ID;
        let base = if has_message_header { MESSAGE_HEADER_LENGTH } else { 0 };
        bytes.get(..base + BLOCK_LENGTH)?;
        let start_timestamp = i64_at(bytes, base + START_TIMESTAMP)?;
        let pid = i64_at(bytes, base + PID)?;
        Some(Existing {
            base,
            version: i32_at(bytes, base + VERSION)?,
            activity_timestamp: i64_at(bytes, base + ACTIVITY_TIMESTAMP)?,
            pid,
            is_ours: has_message_header
                && i64_at(bytes, OWNER_MARK) == Some(OWNER_MAGIC)
                && i64_at(bytes, OWNER_PID) == Some(pid)
                && i64_at(bytes, OWNER_START) == Some(start_timestamp),
        })
    }
}
