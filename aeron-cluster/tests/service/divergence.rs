//! Messages of the service that come back from the log otherwise than they were sent.

use std::sync::mpsc::{Receiver, Sender, channel};

use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::codec::{ActionFlags, ClusterAction, ServiceEvent, SessionMessageHeader};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Context, Divergence, FailurePolicy, Role, ServiceError, SnapshotImage,
    SnapshotPublication, SnapshotReader, SnapshotWriter, Termination,
};
use aeron_cluster::testing::{PATIENCE, Part, Place, TestCluster};

use crate::client::Client;
use crate::messages::{action, message};
use crate::probe::Probe;
use crate::script::{Log, Recovery, Script, Stage};

/// What a service found after a message.
#[derive(Debug, PartialEq)]
struct Seen {
    text: String,
    sent: Option<u64>,
    divergence: Option<Divergence>,
}

/// Sends to the log what messages say, in the way that their first word names: `offer`, `pieces`, `claim`, `abort`.
struct Relay(Sender<Seen>);

impl Relay {
    fn relay(cluster: &Cluster, how: &str, text: &str) -> Result<i64, OfferError> {
        match how {
            "offer" => cluster.offer(text.as_bytes()),
            "pieces" => {
                let pieces: Vec<_> = text.as_bytes().chunks(3).map(std::io::IoSlice::new).collect();
                cluster.offer_vectored(&pieces)
            }
            "claim" => {
                let mut claim = cluster.try_claim(text.len())?;
                claim.copy_from_slice(text.as_bytes());
                Ok(claim.commit())
            }
            "abort" => cluster.try_claim(text.len()).map(|claim| {
                claim.abort();
                0
            }),
            _ => Ok(0),
        }
    }
}

impl ClusteredService for Relay {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        if let Some(snapshot) = snapshot {
            SnapshotReader::open(cluster, snapshot, "relay", 1..=1)?.finish()?;
        }
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        _: Option<&ClientSession>,
        _: i64,
        message: &[u8],
        _: &Header<'_>,
    ) {
        let text = String::from_utf8(message.to_vec()).unwrap();
        if let Some((how, text)) = text.split_once(' ') {
            while let Err(reason) = Self::relay(cluster, how, text) {
                assert!(reason.is_retryable(), "{reason}");
                cluster.idle(0).unwrap();
            }
        }
        let (sent, divergence) = (cluster.service_messages_sent(), cluster.divergence());
        // A test that saw enough has dropped its end.
        let _ = self.0.send(Seen { text, sent, divergence });
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        SnapshotWriter::new(cluster, snapshot, "relay", 1)?.finish()?;
        Ok(())
    }
}

struct Rig {
    script: Script,
    log: Log,
    seen: Receiver<Seen>,
}

impl Rig {
    fn start(stage: &Stage, recovery: &Recovery, configure: impl FnOnce(Context) -> Context) -> Rig {
        let (sender, seen) = channel();
        let mut script = stage.launch_service(recovery, Relay(sender), Probe::new().1, configure);
        script.started(recovery);
        let log = script.log(recovery.log_position);
        script.join(&log, Role::Follower);
        Rig { script, log, seen }
    }

    /// A message of a client in the log: how many messages the service has sent after it.
    fn client(&mut self, text: &str) -> Option<u64> {
        self.script.append(&mut self.log, &message(3, 9, text));
        self.next(text).sent
    }

    /// A message of the service in the log, as the leader's consensus module puts it there: what the service then knows.
    fn service(&mut self, number: i64, text: &str) -> Option<Divergence> {
        self.script.append(&mut self.log, &service_message(0, number, text));
        self.next(text).divergence
    }

    fn next(&self, text: &str) -> Seen {
        let seen = self.seen.recv_timeout(PATIENCE).unwrap();
        assert_eq!(seen.text, text);
        seen
    }
}

fn service_message(service_id: i64, number: i64, text: &str) -> Vec<u8> {
    message(i64::MIN | service_id << 56 | number, 9, text)
}

#[test]
fn what_comes_back_as_it_was_sent_is_no_divergence_and_what_does_not_is_told() {
    let mut rig = Rig::start(&Stage::with_driver(), &Recovery::NOTHING, |context| context);
    for (sent, text) in (1..).zip(["offer a", "pieces more than three", "claim b"]) {
        assert_eq!(rig.client(text), Some(sent));
    }
    assert_eq!(rig.client("abort c"), Some(3));
    assert_eq!(rig.client("offer d"), Some(4));
    // What is compared is what the consensus module hears.
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(rig.script.heard(|event| match event {
            ServiceEvent::SessionMessage { header: SessionMessageHeader { cluster_session_id: 0, .. }, payload } => {
                Some(String::from_utf8(payload.to_vec()).unwrap())
            }
            _ => None,
        }));
    }
    assert_eq!(heard, ["a", "more than three", "b", "d"]);
    for (number, text) in (1..).zip(&heard[..3]) {
        assert_eq!(rig.service(number, text), None);
    }
    // Another service's numbers are its own.
    rig.script.append(&mut rig.log, &service_message(1, 4, "other"));
    assert_eq!(rig.next("other").divergence, None);
    assert_eq!(rig.script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());

    let divergence = rig.service(4, "not d").unwrap();
    assert_eq!((divergence.number, divergence.log_position), (4, rig.log.position));
    assert_eq!(divergence.sent.map(|sent| sent.length), Some(1));
    assert_eq!(divergence.found.length, 5);
    // The first stays; later ones follow from it.
    assert_eq!(rig.service(5, "never sent"), Some(divergence));
    assert_eq!(rig.script.container.close().unwrap(), Termination::Closed);
    assert_eq!(rig.script.errors.try_iter().collect::<Vec<_>>(), [divergence.to_string()]);
}

#[test]
fn a_divergence_ends_the_node_if_that_is_the_policy() {
    let configure = |context: Context| context.divergence_policy(FailurePolicy::Terminate);
    let mut rig = Rig::start(&Stage::with_driver(), &Recovery::NOTHING, configure);
    rig.script.append(&mut rig.log, &service_message(0, 1, "of another member"));
    let (ended, _, told) = rig.script.ended();
    let error = ended.unwrap_err().to_string();
    assert!(error.starts_with("the members diverge: message 1 of this service, at log position "), "{error}");
    assert!(error.ends_with(", and this member did not send it"), "{error}");
    assert_eq!(told, [error]);
    assert!(rig.seen.recv().is_err(), "the message was consumed");
}

#[test]
fn after_a_snapshot_the_messages_go_on_where_it_was_taken() {
    let stage = Stage::with(TestCluster::builder(), &[Part::Driver, Part::Archive]);
    let mut rig = Rig::start(&stage, &Recovery::NOTHING, |context| context);
    assert_eq!(rig.client("offer back before"), Some(1));
    assert_eq!(rig.service(1, "back before"), None);
    assert_eq!(rig.client("offer pending"), Some(2));
    let position = rig.log.position_after(40);
    rig.script.append(&mut rig.log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
    let recording_id = rig.script.ack().relevant_id;
    assert_ne!(recording_id, -1);
    assert_eq!(rig.script.container.close().unwrap(), Termination::Closed);

    let recovery = Recovery {
        cluster_id: 1,
        leadership_term_id: 0,
        log_position: position,
        timestamp: 6,
        recording_id: Some(recording_id),
    };
    let mut rig = Rig::start(&stage, &recovery, |context| context);
    assert_eq!(rig.service(2, "pending"), None);
    assert_eq!(rig.client("claim after"), Some(3));
    assert_eq!(rig.service(3, "after"), None);
    assert_eq!(rig.service(4, "not ours").map(|divergence| divergence.number), Some(4));
    assert_eq!(rig.script.container.close().unwrap(), Termination::Closed);
}

/// Sends something else on each member.
struct Apart {
    member: usize,
    found: Sender<(usize, Option<Divergence>)>,
}

impl ClusteredService for Apart {
    fn on_start(&mut self, _: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _: i64,
        _: &[u8],
        _: &Header<'_>,
    ) {
        if session.is_none() {
            self.found.send((self.member, cluster.divergence())).unwrap();
            return;
        }
        let message = format!("from member {}", self.member);
        while cluster.offer(message.as_bytes()).is_err() {
            cluster.idle(0).unwrap();
        }
    }

    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[test]
fn followers_notice_that_their_leader_is_another() {
    const MEMBERS: usize = 3;
    let (sender, found) = channel();
    let service = move |place: &Place| Apart { member: place.member(), found: sender.clone() };
    let mut cluster = TestCluster::builder().members(MEMBERS).service(service).start().unwrap();
    let leader = cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    client.send("to all members");
    for _ in 0..MEMBERS {
        let (member, divergence) = found.recv_timeout(PATIENCE).unwrap();
        assert_eq!(divergence.is_some(), member != leader, "member {member} of leader {leader}: {divergence:?}");
    }
    let follower = (leader + 1) % MEMBERS;
    let errors = cluster.cluster_tool(follower, &["errors"]).unwrap();
    assert!(errors.contains("the members diverge: message 1 of this service"), "{errors}");
}
