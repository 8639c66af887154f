//! Leaders that are killed under load, clusters that are started anew, and a driver that dies.

use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::client::{
    AeronCluster, Context, EgressListener, Reason, Reconnect, RequestTracker, State, StateChange,
};
use aeron_cluster::codec::NewLeaderEvent;
use aeron_cluster::testing::{DriverKind, PATIENCE, TestCluster};

use crate::echo::Echo;
use crate::inbox::{Inbox, echo, poll_until};
use crate::support::{java_programs, start_java_services};

/// How many requests may be unanswered.
const WINDOW: usize = 32;
/// How many requests are answered before the leader is killed, and again after that.
const ROUND: u64 = 500;

/// Numbers requests, and looks that every answer is one to a request that has none yet, in their order.
#[derive(Default)]
struct Ledger {
    requests: RequestTracker<()>,
    answered: u64,
    last: Option<u64>,
    wrong: Vec<String>,
    changes: Vec<StateChange>,
    leader: Option<i32>,
}

impl EgressListener for Ledger {
    fn on_message(&mut self, _session_id: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) {
        let number = u64::from_le_bytes(message.try_into().unwrap());
        let is_expected = self.requests.answered(number).is_some() && self.last.is_none_or(|last| last < number);
        if !is_expected {
            self.wrong.push(format!("{number} after {:?}", self.last));
        }
        self.last = Some(number);
        self.answered += 1;
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.leader = Some(event.leader_member_id);
        self.requests.interrupted();
    }

    fn on_state_change(&mut self, change: &StateChange) {
        if let Reason::NewSession { .. } = change.reason {
            self.requests.interrupted();
        }
        self.changes.push(change.clone());
    }
}

impl Ledger {
    /// Sends while the window allows it, and polls. What is in doubt takes no room in the window.
    fn work(&mut self, client: &mut AeronCluster) {
        let waited_for = self.requests.unanswered_count() - self.requests.in_doubt_count();
        if waited_for < WINDOW {
            match client.offer(&self.requests.next_number().to_le_bytes()) {
                Ok(_) => {
                    self.requests.track(());
                }
                Err(OfferError::BackPressured | OfferError::AdminAction | OfferError::NotConnected) => {}
                Err(error) => panic!("{error}: {client:?}"),
            }
        }
        client.poll_egress(self).unwrap();
    }

    /// Works until it has got somewhere; gives up when no answer comes and no state changes for a while.
    fn work_until(&mut self, what: &str, client: &mut AeronCluster, is_there: impl Fn(&Self, &AeronCluster) -> bool) {
        let progress = |ledger: &Self| (ledger.answered, ledger.changes.len());
        let (mut last, mut moved) = (progress(self), Instant::now());
        while !is_there(self, client) {
            self.work(client);
            if progress(self) != last {
                (last, moved) = (progress(self), Instant::now());
            }
            assert!(moved.elapsed() < PATIENCE, "gave up on {what}: {client:?} {:?}", self.changes);
        }
    }

    fn work_a_round(&mut self, client: &mut AeronCluster) {
        let goal = self.answered + ROUND;
        self.work_until("answers", client, |ledger, _| ledger.answered >= goal);
    }
}

/// Kills the leader under load; the session goes on with the next, and so does that of a client that says nothing.
fn outlive_the_leader(
    cluster: &mut TestCluster,
    context: &Context,
    kill: impl FnOnce(&mut TestCluster, usize),
) -> AeronCluster {
    let leader = cluster.wait_for_leader().unwrap();
    let mut passive = AeronCluster::connect(context.clone().reconnect(Reconnect::new())).unwrap();
    let mut client = AeronCluster::connect(context.clone().reconnect(Reconnect::new())).unwrap();
    let sessions = (client.cluster_session_id(), passive.cluster_session_id());
    let (mut ledger, mut inbox) = (Ledger::default(), Inbox::default());
    ledger.work_a_round(&mut client);
    kill(cluster, leader);
    ledger.work_until("the new leader", &mut client, |ledger, client| {
        ledger.leader.is_some() && client.state() == State::Connected
    });
    let next = client.leader_member_id();
    assert_ne!(next, leader as i32);
    ledger.work_a_round(&mut client);
    assert_eq!(ledger.wrong, Vec::<String>::new());
    let in_doubt: Vec<_> = ledger.requests.in_doubt().map(|(number, _)| number).collect();
    println!("{} answered, in doubt {in_doubt:?}, {:#?}", ledger.answered, ledger.changes);
    assert!(in_doubt.len() <= WINDOW, "{in_doubt:?}");
    poll_until("the passive client", &mut passive, &mut inbox, |passive, inbox| {
        (passive.state() == State::Connected && inbox.leaders.last() == Some(&next)).then_some(())
    });
    echo(&mut passive, &mut inbox, b"I said nothing until now");
    assert_eq!((client.cluster_session_id(), passive.cluster_session_id()), sessions, "the sessions were not kept");
    client
}

#[test]
fn a_session_outlives_its_leader_with_java_drivers_and_services() {
    let java = java_programs();
    let mut cluster = TestCluster::builder().members(3).driver(DriverKind::Java).start().unwrap();
    let mut services = start_java_services(&cluster, 3, &java, "EchoService");
    cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    let context = cluster.remote_client_context().unwrap();
    outlive_the_leader(&mut cluster, &context, |cluster, leader| {
        services[leader].kill();
        cluster.kill_member(leader);
    });
}

#[test]
fn a_client_outlives_its_leader_its_cluster_and_its_driver_with_c_drivers_and_rust_services() {
    let mut cluster = TestCluster::builder().members(3).service(|_| Echo).start().unwrap();
    let context = cluster.remote_client_context().unwrap().driver_timeout(Duration::from_secs(2));
    let context = context.new_leader_timeout(Duration::from_secs(3)).message_timeout(Duration::from_secs(5));
    drop(outlive_the_leader(&mut cluster, &context.clone().new_leader_timeout(PATIENCE), TestCluster::kill_member));

    let keep_alive = Duration::from_secs(1);
    let mut client =
        AeronCluster::connect(context.reconnect(Reconnect::new()).keep_alive_interval(keep_alive)).unwrap();
    let session = client.cluster_session_id();
    let mut ledger = Ledger::default();
    ledger.work_a_round(&mut client);
    for member in 0..3 {
        cluster.kill_member(member);
    }
    ledger.work_until("the loss", &mut client, |_, client| client.state() == State::Reconnecting);
    cluster.start().unwrap();
    ledger.work_until("a new session", &mut client, |_, client| client.state() == State::Connected);
    assert_ne!(client.cluster_session_id(), session);
    ledger.work_a_round(&mut client);

    let session = client.cluster_session_id();
    cluster.kill_remote_driver();
    ledger.work_until("the loss of the driver", &mut client, |_, client| client.state() == State::Reconnecting);
    let lost = ledger.changes.last().unwrap();
    assert!(matches!(lost.reason, Reason::AeronClosed(Some(_)) | Reason::NoNewLeader(_)), "{lost}");
    cluster.remote_client_context().unwrap();
    ledger.work_until("a session on the new driver", &mut client, |_, client| client.state() == State::Connected);
    assert_ne!(client.cluster_session_id(), session);
    ledger.work_a_round(&mut client);
    assert_eq!(ledger.wrong, Vec::<String>::new());
    println!("{:#?}", ledger.changes);
}
