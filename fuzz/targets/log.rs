//! What a service reads from the log.
#![no_main]

use aeron_cluster::codec::{LogEvent, MessageHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Ok(event) = LogEvent::decode(frame) {
        // What was read lies within the frame.
        if let LogEvent::SessionMessage { payload, .. } = event {
            assert!(payload.len() + MessageHeader::ENCODED_LENGTH <= frame.len());
        }
        assert!(!format!("{event:?}").is_empty());
    }
});
