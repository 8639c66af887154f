//! What the container does otherwise than Java's, on purpose: see `docs/differences.md`. Here are the tests of what no rule
//! of Java's asks for.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use aeron_cluster::aeron::{FrameFlags, Header, OfferError};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ClusteredServiceContainer, FailurePolicy, Role, ServiceError,
    SnapshotImage, SnapshotPublication, Termination,
};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{message, open, open_on};
use crate::played_archive::{Asked, PlayedArchive};
use crate::probe::{Fail, Probe, context};
use crate::recording::fragment;
use crate::script::{Recovery, Script, Stage, ended, wait_for};

/// Sends to each client that comes, at once and until it is known whether that can be done.
struct Greeter(Sender<Result<i64, OfferError>>);

impl ClusteredService for Greeter {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }
    fn on_session_open(&mut self, cluster: &Cluster, session: &ClientSession, _: i64) {
        let mut sent = session.offer(b"hello");
        self.0.send(sent).unwrap();
        while sent == Err(OfferError::AdminAction) {
            cluster.idle(0).unwrap();
            sent = session.offer(b"hello");
        }
        self.0.send(sent).unwrap();
    }
    fn on_session_message(&mut self, _: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {}
    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[test]
fn a_client_is_connected_without_waiting_and_sends_meanwhile_say_so() {
    let stage = Stage::with_driver();
    let (answers, answered) = channel();
    let mut script = stage.launch_service(&Recovery::NOTHING, Greeter(answers), Probe::new().1, |context| context);
    script.started(&Recovery::NOTHING);
    let _client = script.aeron.add_subscription("aeron:ipc", 102).unwrap();
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open(3));
    script.append(&mut log, &open_on(4, "aeron:udp?endpoint=no.such.host.invalid:1"));
    let next = || answered.recv_timeout(PATIENCE).expect("an answer");
    assert_eq!(next(), Err(OfferError::AdminAction));
    // The client is there. Its image may not be yet: then it is not connected, as with any publication.
    assert!(matches!(next(), Ok(_) | Err(OfferError::NotConnected)));
    assert_eq!([next(), next()], [Err(OfferError::AdminAction), Err(OfferError::NotConnected)]);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_container_that_is_closed_while_it_starts_leaves_the_acknowledgement_to_the_next() {
    let stage = Stage::with_driver();
    let recovery = Recovery { leadership_term_id: 1, recording_id: Some(3), ..Recovery::NOTHING };
    let mut archive = PlayedArchive::new(&stage.aeron);
    let mut script = stage.launch(&recovery, Fail::Never, |context| context);
    archive.connect();
    archive.asked(Asked::Replay);
    script.container.closer().close();
    wait_for(|| script.container.is_ended());
    let settings = context(&stage.cluster).mark_file_wait(Duration::ZERO);
    let second = ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap();
    let first = std::mem::replace(&mut script.container, second);
    assert_eq!(first.wait().unwrap(), Termination::Closed);
    archive.connect();
    let request = archive.asked(Asked::Replay);
    archive.refuse(&request, 5, "unknown recording");
    // The first that is heard is that of the second container.
    let ack = script.ack();
    assert_eq!((ack.ack_id, ack.relevant_id), (0, -1));
    assert!(ended(script.container).unwrap_err().message().contains("unknown recording"));
}

#[test]
fn a_log_message_without_its_beginning_is_an_error() {
    for policy in [FailurePolicy::Terminate, FailurePolicy::LogAndContinue] {
        let mut script = Script::start(|context| context.failure_policy(policy));
        let mut log = script.log(0);
        script.join(&log, Role::Follower);
        fragment(&mut log.publication, FrameFlags::END, b"the end of a message");
        script.append(&mut log, &message(1, 1, "after"));
        let error = "Cluster log must be contiguous: the message of the fragment before position 64 has no beginning";
        assert_eq!(script.errors.recv_timeout(PATIENCE).unwrap(), error);
        if policy == FailurePolicy::LogAndContinue {
            assert_eq!(script.events.text(), "after");
            assert_eq!(script.container.close().unwrap(), Termination::Closed);
        } else {
            assert_eq!(ended(script.container).unwrap_err().message(), error);
        }
    }
}

#[test]
fn a_start_that_fails_is_counted_as_an_error() {
    const ERROR_COUNTER: i32 = 215;
    let stage = Stage::with_driver();
    let (hook, hooked) = channel();
    let aeron = stage.aeron.clone();
    let mut script = stage.launch(&Recovery::NOTHING, Fail::StartWithError, |context| {
        context.termination_hook(move || {
            let counters = aeron.counters();
            let count = counters.find(|counter| counter.type_id == ERROR_COUNTER).and_then(|id| counters.value(id));
            hook.send(count).unwrap();
        })
    });
    assert_eq!(script.ack().relevant_id, -1);
    assert_eq!(hooked.recv_timeout(PATIENCE).unwrap(), Some(1));
    assert!(ended(script.container).is_err());
}
