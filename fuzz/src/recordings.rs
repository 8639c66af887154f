//! Messages out of the recordings of an archive.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

const FRAME_HEADER: usize = 32;
const FRAME_ALIGNMENT: usize = 32;
const UNFRAGMENTED: u8 = 0xc0;
/// The cluster's schema.
const SCHEMA_ID: u16 = 111;

/// The messages of the segment files in `dir` that are whole in one frame, with the target that is to have them.
pub fn messages(dir: &Path) -> std::io::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rec") {
            of_segment(&std::fs::read(path)?, &mut found);
        }
    }
    Ok(found)
}

/// What a message is to be called: two that are equal have one name.
pub fn name_of(message: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    hasher.finish() as u32
}

fn of_segment(segment: &[u8], found: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut rest = segment;
    while let Some(length) =
        rest.first_chunk().copied().map(i32::from_le_bytes).and_then(|length| usize::try_from(length).ok())
    {
        if length < FRAME_HEADER || length > rest.len() {
            return;
        }
        let (flags, kind) = (rest[5], u16::from_le_bytes([rest[6], rest[7]]));
        // What is no padding.
        if kind == 1 && flags & UNFRAGMENTED == UNFRAGMENTED {
            found.extend(
                target_of(&rest[FRAME_HEADER..length]).map(|target| (target, rest[FRAME_HEADER..length].to_vec())),
            );
        }
        rest = rest.get(length.next_multiple_of(FRAME_ALIGNMENT)..).unwrap_or_default();
    }
}

/// By the message's template: markers and sessions are of snapshots, all else that is recorded of a cluster is of its log.
fn target_of(message: &[u8]) -> Option<&'static str> {
    let [_, _, template, template_high, schema, schema_high, ..] = *message else { return None };
    match (u16::from_le_bytes([schema, schema_high]), u16::from_le_bytes([template, template_high])) {
        (SCHEMA_ID, 100 | 102) => Some("snapshot"),
        (SCHEMA_ID, _) => Some("log"),
        _ => None,
    }
}
