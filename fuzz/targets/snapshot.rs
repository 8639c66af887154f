//! What a service's snapshot holds before the application's own messages.
#![no_main]

use aeron_cluster::codec::SnapshotEvent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Ok(SnapshotEvent::ClientSession(session)) = SnapshotEvent::decode(frame) {
        let mut again = Vec::new();
        session.encode(&mut again);
        assert_eq!(SnapshotEvent::decode(&again), Ok(SnapshotEvent::ClientSession(session)));
    }
});
