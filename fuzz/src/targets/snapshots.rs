//! Snapshots: the container's own part, message by message and as a whole, and what it frames for services.

use aeron_cluster::ErrorKind;
use aeron_cluster::codec::SnapshotEvent;
use aeron_cluster::testing::fuzzing;

/// What a service's snapshot holds before the application's own messages.
pub fn snapshot(frame: &[u8]) {
    if let Ok(SnapshotEvent::ClientSession(session)) = SnapshotEvent::decode(frame) {
        let mut again = Vec::new();
        session.encode(&mut again);
        assert_eq!(SnapshotEvent::decode(&again), Ok(SnapshotEvent::ClientSession(session)));
    }
}

/// The container's part of a snapshot: messages, each behind its length in two bytes.
pub fn snapshot_load(bytes: &[u8]) {
    let messages = messages_of(bytes);
    match fuzzing::load_snapshot(&messages) {
        Ok(Some((sessions, read))) => {
            // Its markers are not sessions, and nothing behind its end is read.
            assert!(sessions.len() + 2 <= read && read <= messages.len());
            assert!(fuzzing::load_snapshot(&messages[..read - 1]).is_ok_and(|loaded| loaded.is_none()));
        }
        Ok(None) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{error}"),
    }
}

/// The messages of [`snapshot_load`].
pub fn messages_of(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut messages, mut rest) = (Vec::new(), bytes);
    while let Some((length, more)) = rest.split_first_chunk() {
        let (message, left) = more.split_at(more.len().min(u16::from_le_bytes(*length).into()));
        messages.push(message);
        rest = left;
    }
    messages
}

/// A framed snapshot: its parts, each behind its kind and its length, get their checksums here, without which none is looked at; and the
/// bytes as one part that has none.
pub fn framed(bytes: &[u8]) {
    assert!(fuzzing::read_framed("fuzz", vec![bytes.to_vec()]).is_err());
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while let [kind, length, more @ ..] = rest {
        let (body, left) = more.split_at(more.len().min(usize::from(*length)));
        parts.push((*kind, body));
        rest = left;
    }
    let data: usize = parts.iter().filter(|(kind, _)| *kind == 2).map(|(_, body)| body.len()).sum();
    if let Ok(read) = fuzzing::read_framed("fuzz", fuzzing::sealed(&parts)) {
        assert!(read.len() <= data, "more than was there");
    }
}
