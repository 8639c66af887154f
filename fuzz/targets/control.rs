//! The two ways between consensus module and service.
#![no_main]

use aeron_cluster::codec::{ControlEvent, ServiceEvent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Ok(event) = ControlEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
    if let Ok(event) = ServiceEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
});
