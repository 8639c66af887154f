//! The two ways between client and cluster; what decodes comes through an encoder unchanged.
#![no_main]

use aeron_cluster::codec::{EgressEvent, IngressEvent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Ok(EgressEvent::SessionEvent(event)) = EgressEvent::decode(frame) {
        let mut again = Vec::new();
        event.encode(&mut again);
        assert_eq!(EgressEvent::decode(&again), Ok(EgressEvent::SessionEvent(event)));
    }
    if let Ok(event) = IngressEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
});
