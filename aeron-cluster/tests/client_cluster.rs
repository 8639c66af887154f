//! The cluster client with real clusters, whose service is the Java echo.
#![cfg(feature = "testing")]

use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::client::{AeronCluster, Context, EgressListener, State, StateChange};
use aeron_cluster::codec::{AdminResponse, AdminResponseCode, EventCode, NewLeaderEvent, SessionEvent};
use aeron_cluster::testing::{Java, PATIENCE, Part, Process, TestCluster};

mod support;
use support::{java_1_54, java_programs, start_java_services};

fn echo_cluster(members: usize, java: &Java) -> (TestCluster, Vec<Process>, usize) {
    let mut cluster =
        TestCluster::builder().members(members).property("aeron.cluster.session.timeout", "3s").start().unwrap();
    let services = start_java_services(&cluster, members, java, "EchoService");
    let leader = cluster.wait_for_leader().unwrap();
    (cluster, services, leader)
}

fn context(cluster: &TestCluster, member: usize) -> Context {
    Context::new()
        .aeron_dir(cluster.aeron_dir(member))
        .ingress_channel("aeron:udp?term-length=64k")
        .ingress_endpoints(cluster.ingress_endpoints())
        .egress_channel(cluster.egress_channel())
        .message_timeout(PATIENCE)
        .client_name("client_cluster")
}

/// Keeps what the tests ask about.
#[derive(Default)]
struct Inbox {
    messages: Vec<Vec<u8>>,
    leaders: Vec<i32>,
    admin: Vec<(i64, AdminResponseCode)>,
    states: Vec<State>,
    closed: Option<String>,
}

impl EgressListener for Inbox {
    fn on_message(&mut self, _session_id: i64, timestamp: i64, message: &[u8], _header: &Header<'_>) {
        assert!(timestamp > 0);
        self.messages.push(message.to_vec());
    }

    fn on_session_event(&mut self, event: &SessionEvent<'_>) {
        if event.code == EventCode::Closed {
            self.closed = Some(event.detail.to_owned());
        }
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.leaders.push(event.leader_member_id);
    }

    fn on_admin_response(&mut self, response: &AdminResponse<'_>) {
        self.admin.push((response.correlation_id, response.response_code));
    }

    fn on_state_change(&mut self, change: &StateChange) {
        self.states.push(change.current);
    }
}

/// Polls until `observe` gives a value.
fn poll_until<T>(
    what: &str,
    client: &mut AeronCluster,
    inbox: &mut Inbox,
    mut observe: impl FnMut(&mut AeronCluster, &mut Inbox) -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.poll_egress(inbox).unwrap();
        if let Some(value) = observe(client, inbox) {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up on {what}: {client:?}");
        std::thread::yield_now();
    }
}

/// Sends one message, and waits for its echo.
fn echo(client: &mut AeronCluster, inbox: &mut Inbox, message: &[u8]) {
    inbox.messages.clear();
    poll_until("room to send", client, inbox, |client, _| match client.offer(message) {
        Ok(_) => Some(()),
        Err(OfferError::BackPressured | OfferError::AdminAction | OfferError::NotConnected) => None,
        Err(error) => panic!("{error}"),
    });
    poll_until("the echo", client, inbox, |_, inbox| inbox.messages.pop().map(|echoed| assert_eq!(echoed, message)));
}

#[test]
fn echoes_of_one_member() {
    let java = java_programs();
    let (cluster, _services, _) = echo_cluster(1, &java);
    let mut client = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let mut inbox = Inbox::default();
    assert_eq!((client.leader_member_id(), client.state()), (0, State::Connected));
    for length in [0, 1, 100, 1_376, 1_377, 8_000] {
        let message: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        echo(&mut client, &mut inbox, &message);
    }
    let too_long = vec![0; client.max_message_length().unwrap() + 1];
    assert_eq!(client.offer(&too_long), Err(OfferError::InvalidArgument));

    let mut plain = AeronCluster::connect(
        Context::new()
            .aeron_dir(cluster.aeron_dir(0))
            .ingress_channel(format!("aeron:udp?endpoint={}", cluster.ingress_endpoints().trim_start_matches("0=")))
            .egress_channel("aeron:ipc")
            .is_ingress_exclusive(false),
    )
    .unwrap();
    assert_ne!(plain.cluster_session_id(), client.cluster_session_id());
    echo(&mut plain, &mut inbox, b"over another channel");
    echo(&mut client, &mut inbox, b"beside it");
    assert_eq!(inbox.states, []);
}

#[test]
fn echoes_of_servers_at_1_54() {
    let java = java_1_54();
    let (cluster, _services, _) = echo_cluster(1, &java);
    let mut client = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let mut inbox = Inbox::default();
    echo(&mut client, &mut inbox, b"schema 17");
    echo(&mut client, &mut inbox, &[17; 5_000]);
}

#[test]
fn a_silent_client_is_closed_by_the_cluster_and_one_that_says_it_is_alive_is_not() {
    let java = java_programs();
    let (cluster, _services, _) = echo_cluster(1, &java);
    let mut silent = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let mut alive = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let (mut silent_inbox, mut alive_inbox) = (Inbox::default(), Inbox::default());
    let mut last_sent = Instant::now();
    poll_until("the end of the silent session", &mut silent, &mut silent_inbox, |silent, _| {
        if last_sent.elapsed() > Duration::from_millis(500) {
            last_sent = Instant::now();
            alive.send_keep_alive().unwrap();
        }
        alive.poll_egress(&mut alive_inbox).unwrap();
        silent.is_closed().then_some(())
    });
    assert_eq!(silent_inbox.closed.as_deref(), Some("TIMEOUT"));
    assert_eq!(silent_inbox.states, [State::Closed]);
    assert_eq!(silent.poll_egress(&mut silent_inbox).unwrap_err().kind(), ErrorKind::Closed);
    echo(&mut alive, &mut alive_inbox, b"still here");
}

#[test]
fn a_snapshot_is_refused_to_a_client_that_may_not_ask_for_it() {
    let java = java_programs();
    let (cluster, _services, _) = echo_cluster(1, &java);
    let mut client = AeronCluster::connect(context(&cluster, 0)).unwrap();
    client.send_admin_request_to_take_a_snapshot(4711).unwrap();
    let answer = poll_until("the answer", &mut client, &mut Inbox::default(), |_, inbox| inbox.admin.pop());
    assert_eq!(answer, (4711, AdminResponseCode::UnauthorisedAccess));
}

#[test]
fn sessions_follow_the_leader_of_three_members() {
    let java = java_programs();
    let (mut cluster, mut services, leader) = echo_cluster(3, &java);
    cluster.wait_for_members().unwrap();
    let survivor = (leader + 1) % 3;
    let mut passive = AeronCluster::connect(context(&cluster, survivor)).unwrap();
    let mut active = AeronCluster::connect(context(&cluster, survivor)).unwrap();
    let (mut passive_inbox, mut active_inbox) = (Inbox::default(), Inbox::default());
    assert_eq!(active.leader_member_id(), leader as i32);
    echo(&mut active, &mut active_inbox, b"before");

    cluster.kill(leader, Part::ConsensusModule);
    services[leader].kill();
    poll_until("the new leader", &mut active, &mut active_inbox, |active, inbox| {
        passive.poll_egress(&mut passive_inbox).unwrap();
        let is_back = !inbox.leaders.is_empty() && active.state() == State::Connected;
        let both = is_back && !passive_inbox.leaders.is_empty() && passive.state() == State::Connected;
        both.then_some(())
    });
    let next = cluster.wait_for_leader().unwrap();
    assert_eq!((active.leader_member_id(), passive.leader_member_id()), (next as i32, next as i32));
    echo(&mut active, &mut active_inbox, b"after");
    echo(&mut passive, &mut passive_inbox, b"I said nothing until now");
    assert_eq!(active_inbox.states.last(), Some(&State::Connected));
}
