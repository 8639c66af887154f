//! Messages that a service and a client get from their cluster, and the cluster from them.

use aeron_cluster::codec::{ControlEvent, EgressEvent, IngressEvent, LogEvent, MessageHeader, ServiceEvent};
use aeron_cluster::testing::fuzzing;

/// What a service reads from the log.
pub fn log(frame: &[u8]) {
    if let Ok(event) = LogEvent::decode(frame) {
        // What was read lies within the frame.
        if let LogEvent::SessionMessage { payload, .. } = event {
            assert!(payload.len() + MessageHeader::ENCODED_LENGTH <= frame.len());
        }
        assert!(!format!("{event:?}").is_empty());
    }
}

/// The two ways between consensus module and service.
pub fn control(frame: &[u8]) {
    if let Ok(event) = ControlEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
    if let Ok(event) = ServiceEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
}

/// The two ways between client and cluster; what decodes comes through an encoder unchanged.
pub fn clients(frame: &[u8]) {
    if let Ok(EgressEvent::SessionEvent(event)) = EgressEvent::decode(frame) {
        let mut again = Vec::new();
        event.encode(&mut again);
        assert_eq!(EgressEvent::decode(&again), Ok(EgressEvent::SessionEvent(event)));
    }
    if let Ok(event) = IngressEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
}

/// The key of the counter that says what a cluster recovered: a service finds the recording of its snapshot there, or is told that it is not
/// among so many.
pub fn recovery_state(key: &[u8]) {
    for service_id in [0, 1, 9, i32::MAX, -1] {
        match fuzzing::recovered_snapshot(key, service_id) {
            Some(Ok(recording)) => {
                let at = 32 + 8 * usize::try_from(service_id).expect("a service that is counted");
                assert_eq!(key[at..].first_chunk().copied().map(i64::from_le_bytes), Some(recording));
            }
            Some(Err(error)) => assert!(error.message().contains("invalid serviceId"), "{error}"),
            None => {}
        }
    }
}
