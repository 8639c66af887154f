//! Connecting with credentials, and the settings that a connection concludes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context as AeronContext, IdleStrategy};
use aeron_cluster::archive::{Archive, Context};
use aeron_cluster::security::CredentialsSupplier;
use aeron_cluster::testing::{PATIENCE, Process};

use crate::node::Node;
use crate::until;

/// `ControlSessionCounter.TYPE_ID`.
const CONTROL_SESSION_TYPE_ID: i32 = 113;
/// Where a client of another process finds its media driver.
const DIR: &str = "ARCHIVE_TEST_AERON_DIR";

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

/// A supplier with a mistake in it, at once or when it is challenged.
struct Panicking {
    at_once: bool,
}

impl CredentialsSupplier for Panicking {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        assert!(!self.at_once, "no credentials today");
        b"knock".to_vec()
    }

    fn on_challenge(&mut self, _encoded_challenge: &[u8]) -> Vec<u8> {
        panic!("no answer today");
    }
}

#[test]
fn credentials_and_challenges_are_answered() {
    let node = Node::with_properties(&[
        ("aeron.archive.authenticator.supplier", "PasswordAuthenticator"),
        ("aeron.archive.session.liveness.check.interval", "200ms"),
    ]);
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

    for (at_once, words) in [(true, "no credentials today"), (false, "no answer today")] {
        let context = node.local().credentials_supplier(Panicking { at_once });
        let panic = catch_unwind(AssertUnwindSafe(|| Archive::connect(&context))).expect_err("its panic comes through");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&words));
    }
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

#[test]
pub fn the_archive_shows_who_its_clients_are() {
    let node = Node::start();
    let archive = node.connect();
    let session = archive.control_session_id();
    let label = until("the session's counter", || {
        let mut label = None;
        node.aeron.counters().for_each(|counter| {
            let key = [archive.archive_id(), session].map(i64::to_le_bytes).concat();
            if counter.type_id == CONTROL_SESSION_TYPE_ID && counter.key.starts_with(&key) {
                label = Some(counter.label.to_owned());
            }
        });
        label
    });
    assert!(label.contains("name=test version=1.54.0 commit="), "{label}");
    drop(archive);
}

/// Not a test: what the next one runs with another environment.
#[test]
fn a_client_with_settings_of_its_environment() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let aeron = Aeron::connect(AeronContext::new().dir(dir)).expect("client");
    match Archive::connect(&Context::new(&aeron)) {
        Ok(archive) => println!("settings {:?}", archive.settings()),
        Err(error) => println!("refused {error}"),
    }
}

fn with_environment(node: &Node, settings: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", "connecting::a_client_with_settings_of_its_environment", "--nocapture"])
        .env(DIR, node.driver.dir())
        .envs(settings.iter().copied());
    let mut client = Process::spawn("client", &command).expect("client");
    client.wait_for_success(PATIENCE).expect("it ends");
    client.lines().join("\n")
}

#[test]
fn settings_come_from_the_environment_too() {
    let node = Node::start();
    let control = node.control_channel();
    let mut settings = [
        ("AERON_ARCHIVE_CONTROL_CHANNEL", control.as_str()),
        ("AERON_ARCHIVE_CONTROL_STREAM_ID", "10"),
        ("AERON_ARCHIVE_CONTROL_RESPONSE_CHANNEL", "aeron:udp?endpoint=localhost:0"),
        ("AERON_ARCHIVE_CONTROL_RESPONSE_STREAM_ID", "2009"),
        ("AERON_ARCHIVE_RECORDING_EVENTS_CHANNEL", "aeron:udp?endpoint=localhost:8888"),
        ("AERON_ARCHIVE_RECORDING_EVENTS_STREAM_ID", "31"),
        ("AERON_ARCHIVE_MESSAGE_TIMEOUT", "59s"),
        ("AERON_ARCHIVE_MESSAGE_RETRY_ATTEMPTS", "404"),
        ("AERON_ARCHIVE_CONTROL_TERM_BUFFER_LENGTH", "128k"),
        ("AERON_ARCHIVE_CONTROL_TERM_BUFFER_SPARSE", "false"),
        ("AERON_ARCHIVE_CONTROL_MTU_LENGTH", "8k"),
        ("AERON_ARCHIVE_CLIENT_NAME", "environs"),
    ];
    let said = with_environment(&node, &settings);
    for part in [
        control.trim_start_matches("aeron:udp?"),
        "control_request_stream_id: 10",
        "endpoint=localhost:0|",
        "control_response_stream_id: 2009",
        "recording_events_channel: Some(\"aeron:udp?endpoint=localhost:8888\")",
        "recording_events_stream_id: 31",
        "message_timeout: 59s",
        "message_retry_attempts: 404",
        "control_term_buffer_length: 131072",
        "control_term_buffer_sparse: false",
        "control_mtu_length: 8192",
        "client_name: \"environs\"",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    // C would add this to its clock, and find that it is long past.
    settings[6].1 = "9223372036s";
    let said = with_environment(&node, &settings);
    assert!(said.contains("refused") && said.contains("message timeout is out of range"), "{said}");
}
