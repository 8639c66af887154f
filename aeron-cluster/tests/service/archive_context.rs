//! The settings with which a container reaches its archive.

use std::time::{Duration, Instant};

use aeron_cluster::security::CredentialsSupplier;
use aeron_cluster::service::{ClusteredServiceContainer, Context, Termination};

use crate::played_archive::{Asked, PlayedArchive};
use crate::probe::{Fail, Probe, context};
use crate::script::{Recovery, Script, Stage, ended};

struct Password;

impl CredentialsSupplier for Password {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        b"name".to_vec()
    }
    fn on_challenge(&mut self, challenge: &[u8]) -> Vec<u8> {
        [challenge, b" to you"].concat()
    }
}

/// Fails as its field says.
struct Bad(Option<usize>);

impl CredentialsSupplier for Bad {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        vec![0; self.0.expect("no credentials today")]
    }
    fn on_challenge(&mut self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

/// A container that must connect to an archive to start, and the archive.
fn start(configure: impl FnOnce(Context) -> Context) -> (Script, PlayedArchive) {
    let stage = Stage::with_driver();
    let archive = PlayedArchive::new(&stage.aeron);
    let recovery = Recovery { cluster_id: 2, leadership_term_id: 1, recording_id: Some(3), ..Recovery::NOTHING };
    (stage.launch(&recovery, Fail::Never, configure), archive)
}

#[test]
fn a_container_names_itself_to_the_archive_as_java_does() {
    let (script, mut archive) = start(|context| context.service_id(0));
    let request = archive.asked(Asked::Connect);
    let (channel, stream_id, credentials) = request.connect();
    assert!(channel.starts_with("aeron:ipc?term-length=64k"), "{channel}");
    assert!(channel.contains("alias=sc-0-archive-ctrl-resp-cluster-2"), "{channel}");
    assert_eq!((stream_id, credentials), (321, &[][..]));
    let mut requests = Vec::new();
    script.aeron.counters().for_each(|counter| requests.push(counter.label.to_owned()));
    assert!(requests.iter().any(|label| label.contains("alias=sc-0-archive-ctrl-req-cluster-2")), "{requests:?}");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);

    let (script, mut archive) = start(|context| {
        context.archive_response_channel("aeron:ipc?alias=mine|term-length=128k").archive_response_stream_id(77)
    });
    let (channel, stream_id, _) = archive.asked(Asked::Connect).connect();
    assert!(channel.contains("alias=mine") && channel.contains("term-length=128k"), "{channel}");
    assert_eq!(stream_id, 77);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn credentials_reach_the_archive_and_answer_its_challenge() {
    let (script, mut archive) = start(|context| context.archive_credentials_supplier(Password));
    let request = archive.asked_to_connect();
    assert_eq!(request.connect().2, b"name");
    let response = archive.challenge(&request, b"good day");
    assert_eq!(response.challenge_response(), b"good day to you");
    archive.answer(&response, 0);
    let request = archive.asked(Asked::ArchiveId);
    archive.answer(&request, 4711);
    archive.asked(Asked::Replay);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_supplier_that_fails_ends_the_start() {
    let (mut script, _archive) = start(|context| context.archive_credentials_supplier(Bad(Some(5_000))));
    assert_eq!(script.ack().relevant_id, -1);
    let error = ended(script.container).unwrap_err().to_string();
    assert!(error.contains("archive credentials have 5000 bytes, at most "), "{error}");

    let (mut script, _archive) = start(|context| context.archive_credentials_supplier(Bad(None)));
    assert_eq!(script.ack().relevant_id, -1);
    let error = ended(script.container).unwrap_err().to_string();
    assert!(error.contains("no credentials today"), "{error}");
}

#[test]
fn an_archive_that_answers_too_late_ends_the_start_with_the_timeout_in_its_words() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    for connected in [false, true] {
        let begin = Instant::now();
        let (mut script, mut archive) = start(|context| context.archive_message_timeout(TIMEOUT));
        if connected {
            archive.connect();
        }
        assert_eq!(script.ack().relevant_id, -1);
        assert!(begin.elapsed() >= TIMEOUT, "{:?}", begin.elapsed());
        let error = ended(script.container).unwrap_err().to_string();
        let expected = match connected {
            false => "cannot connect to archive at aeron:ipc",
            true => "the archive did not answer within its message timeout of 500ms",
        };
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn settings_of_the_archive_that_cannot_be_used_are_named() {
    let stage = Stage::with_driver();
    let udp = "aeron:udp?endpoint=localhost:8010";
    let settings = || context(&stage.cluster);
    for (settings, text) in [
        (settings().archive_control_channel(udp), "local archive control must be IPC: aeron:udp"),
        (settings().archive_response_channel(udp), "local archive control must be IPC: aeron:udp"),
        (settings().archive_response_channel("ipc"), "archive response channel: invalid channel \"ipc\""),
        (settings().archive_message_timeout(Duration::ZERO), "archive message timeout is out of range: 0ns"),
        (settings().archive_message_timeout(Duration::MAX), "archive message timeout is out of range"),
    ] {
        let error = ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
