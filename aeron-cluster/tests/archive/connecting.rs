//! Connecting with credentials, and the settings that a connection concludes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::IdleStrategy;
use aeron_cluster::archive::{Archive, Context};
use aeron_cluster::security::CredentialsSupplier;

use crate::node::Node;
use crate::support::java_programs;

/// What is said, and what was asked.
#[derive(Clone)]
struct Words {
    first: Vec<u8>,
    then: Vec<u8>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

fn words(first: &str, then: &str) -> Words {
    Words { first: first.into(), then: then.into(), asked: Arc::default() }
}

impl CredentialsSupplier for Words {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        self.first.clone()
    }

    fn on_challenge(&mut self, encoded_challenge: &[u8]) -> Vec<u8> {
        self.asked.lock().unwrap().push(encoded_challenge.to_vec());
        self.then.clone()
    }
}

/// A supplier with a mistake in it.
struct Panicking;

impl CredentialsSupplier for Panicking {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        panic!("no credentials today");
    }

    fn on_challenge(&mut self, _encoded_challenge: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn credentials_and_challenges_are_answered() {
    let node = Node::with(
        &java_programs(),
        &[
            ("aeron.archive.authenticator.supplier", "PasswordAuthenticator"),
            ("aeron.archive.session.liveness.check.interval", "200ms"),
        ],
    );
    let connect = |words: &Words| Archive::connect(&node.local().credentials_supplier(words.clone()));

    let open = words("open", "");
    let mut archive = connect(&open).expect("let in");
    assert_eq!(archive.list_recordings(0, 1).expect("it works"), []);
    assert_eq!(*open.asked.lock().unwrap(), Vec::<Vec<u8>>::new());

    let friend = words("knock", "friend");
    let context = node.local().credentials_supplier(friend.clone());
    // One context serves several connections.
    for _ in 0..2 {
        let mut archive = Archive::connect(&context).expect("let in");
        assert_eq!(archive.list_recordings(0, 1).expect("it works"), []);
    }
    assert_eq!(*friend.asked.lock().unwrap(), [b"who\0?".to_vec(), b"who\0?".to_vec()]);

    for refused in [connect(&words("knock", "foe")), connect(&words("", "")), Archive::connect(&node.local())] {
        let error = refused.expect_err("not let in");
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }

    let long = words(&"x".repeat(3 * 1024 + 1), "");
    let error = connect(&long).expect_err("longer than a request");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("3073 bytes, at most 3072"), "{error}");

    let context = node.local().credentials_supplier(Panicking);
    let panic = catch_unwind(AssertUnwindSafe(|| Archive::connect(&context))).expect_err("its panic comes through");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no credentials today"));
}

/// Counts how often it is asked to wait, and waits.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU32>);

impl IdleStrategy for Counting {
    fn idle(&mut self, _work_count: usize) {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
    }

    fn reset(&mut self) {}
}

#[test]
fn settings_are_those_given_and_the_defaults_of_c() {
    let node = Node::start();
    let (idle, invoked) = (Counting::default(), Arc::new(AtomicU32::new(0)));
    let invocations = Arc::clone(&invoked);
    let context = node
        .local()
        .recording_events_channel("aeron:udp?endpoint=localhost:8030")
        .recording_events_stream_id(31)
        .message_timeout(Duration::from_secs(7))
        .message_retry_attempts(5)
        .control_term_buffer_length(128 * 1024)
        .control_mtu_length(4096)
        .control_term_buffer_sparse(false)
        .idle_strategy(idle.clone())
        .delegating_invoker(move || _ = invocations.fetch_add(1, Ordering::Relaxed))
        .control_response_channel("aeron:ipc");
    let mut archive = Archive::connect(&context).expect("archive");
    archive.list_recordings(0, 1).expect("it works");
    assert!(idle.0.load(Ordering::Relaxed) > 0 && invoked.load(Ordering::Relaxed) > 0, "it waited for the answer");
    let settings = archive.settings();
    assert!(settings.control_request_channel.contains("term-length=64k"), "{settings:?}");
    assert!(settings.control_response_channel.contains("term-length=131072"), "{settings:?}");
    assert!(settings.control_response_channel.contains("mtu=4096"), "{settings:?}");
    assert!(settings.control_response_channel.contains("session-id="), "{settings:?}");
    assert_eq!((settings.control_request_stream_id, settings.control_response_stream_id), (10, 121));
    assert_eq!(settings.recording_events_channel.as_deref(), Some("aeron:udp?endpoint=localhost:8030"));
    assert_eq!((settings.recording_events_stream_id, settings.message_retry_attempts), (31, 5));
    assert_eq!((settings.message_timeout, settings.client_name.as_str()), (Duration::from_secs(7), "test"));
    assert_eq!((settings.control_term_buffer_length, settings.control_mtu_length), (128 * 1024, 4096));
    assert!(!settings.control_term_buffer_sparse);

    let defaults = Archive::connect(&node.remote()).expect("archive").settings();
    assert_eq!((defaults.recording_events_stream_id, defaults.message_retry_attempts), (30, 3));
    assert_eq!((defaults.recording_events_channel, defaults.control_term_buffer_length), (None, 64 * 1024));

    let bad: [Context; 5] = [
        node.local().message_retry_attempts(0),
        node.local().control_term_buffer_length(usize::MAX),
        node.local().control_mtu_length(0),
        node.local().client_name("x".repeat(101)),
        node.local().control_request_channel(format!("aeron:ipc?alias={}", "a".repeat(5_000))),
    ];
    for context in bad {
        let error = Archive::connect(&context).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}
