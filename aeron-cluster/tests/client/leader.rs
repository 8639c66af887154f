//! Changes of the leader, and the end of a session.

use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{self, Aeron, OfferError};
use aeron_cluster::client::{AeronCluster, Reason};
use aeron_cluster::codec::{EventCode, IngressEvent, NewLeaderEvent};
use aeron_cluster::testing::PortBlock;

use crate::rig::*;

#[test]
fn a_client_with_nothing_to_send_follows_the_leader() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut old = host.member(&channels[1]);
    let context = host.context(UDP, UDP_EGRESS).ingress_endpoints(&endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = until("a connect request", || {
        assert!(connect.poll().unwrap().is_none());
        old.poll(|event| match event {
            IngressEvent::SessionConnectRequest(request) => {
                Some((request.correlation_id, request.response_channel.to_owned(), request.response_stream_id))
            }
            other => panic!("{other:?}"),
        })
    });
    old.open_egress(&request.1, request.2);
    old.answer(request.0, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());

    drop(old);
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "CONNECTED -> AWAIT_NEW_LEADER");
    assert_eq!(client.offer(b"nobody"), Err(OfferError::NotConnected));

    let mut new = host.member(&channels[0]);
    new.open_egress(&request.1, request.2);
    new.name_leader(TERM + 1, 0, &endpoints);
    let hello = until("a keep-alive", || {
        client.poll_egress(&mut journal).unwrap();
        new.poll(|event| match event {
            IngressEvent::SessionKeepAlive(alive) => Some(alive),
            other => panic!("{other:?}"),
        })
    });
    assert_eq!((hello.leadership_term_id, hello.cluster_session_id), (TERM + 1, SESSION));
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED");
    assert!(journal.has(&format!("leader 0 {endpoints}")), "{:?}", journal.0);
    assert_eq!((client.leadership_term_id(), client.leader_member_id()), (TERM + 1, 0));

    new.name_leader(TERM, 1, &endpoints);
    new.send_message(SESSION, b"after");
    poll_until(&mut client, &mut journal, "message 7 99 after");
    assert_eq!(client.leadership_term_id(), TERM + 1, "an older leader's event came last");
}

#[test]
fn a_leader_that_is_not_among_its_endpoints_is_an_error_of_the_poll() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut member = host.member(&channels[1]);
    let context = host.context(UDP, UDP_EGRESS).ingress_endpoints(&endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = member.next_connect_request(&mut connect);
    member.answer(request.correlation_id, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    member.name_leader(TERM + 1, 9, &endpoints);
    let error = until("the error", || client.poll_egress(&mut Journal::default()).err());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("new leader 9"), "{error}");
    member.name_leader(TERM + 2, 1, &endpoints);
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED");
}

#[test]
fn without_a_new_leader_the_client_closes_in_time_and_says_why() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC).new_leader_timeout(Duration::from_millis(300)));
    drop(member);
    until("the loss of the leader", || (client.offer(b"?") == Err(OfferError::NotConnected)).then_some(()));
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER -> CLOSED");
    let changes: Vec<_> = journal.0.iter().filter(|entry| entry.contains(" -> ")).collect();
    assert_eq!(changes, ["CONNECTED -> AWAIT_NEW_LEADER", "AWAIT_NEW_LEADER -> CLOSED"]);
    assert_eq!(client.close_reason(), Some(&Reason::NoNewLeader(Duration::from_millis(300))));
}

#[test]
fn the_new_leader_timeout_is_twice_the_heartbeat_timeout() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    drop(member);
    until("the end", || client.poll_egress(&mut Journal::default()).is_err().then_some(()));
    assert_eq!(client.close_reason(), Some(&Reason::NoNewLeader(Duration::from_millis(200))));
}

#[test]
fn a_new_leader_that_never_connects_ends_the_session() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.context(IPC, IPC).message_timeout(Duration::from_millis(500)));
    let egress = member.egress.take();
    // The driver must have heard that nobody listens: the client would find the old member at the new leader's place.
    let witness = host.aeron.add_publication(IPC, 101).unwrap();
    until("the member to listen", || witness.is_connected().then_some(()));
    drop(member.ingress);
    until("the member to listen no more", || (!witness.is_connected()).then_some(()));
    let named = NewLeaderEvent {
        leadership_term_id: TERM + 1,
        cluster_session_id: SESSION,
        leader_member_id: 2,
        ingress_endpoints: "2=localhost:1",
    };
    egress.as_ref().unwrap().offer(named.encode(&mut Vec::new())).unwrap();
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CLOSED");
    assert_eq!(client.close_reason(), Some(&Reason::LeaderNotReached(Duration::from_millis(500))));
}

#[test]
fn the_cluster_closes_the_session() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    member.answer(1, EventCode::Closed, "TIMEOUT");
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "CONNECTED -> CLOSED");
    assert_eq!(journal.0[..2], ["session CLOSED TIMEOUT", "CONNECTED -> CLOSED"]);
    let error = client.poll_egress(&mut journal).unwrap_err();
    assert!(error.message().contains("the cluster closed the session: \"TIMEOUT\""), "{error}");
    assert_eq!(client.send_keep_alive(), Err(OfferError::Closed));
}

#[test]
fn the_death_of_the_driver_ends_the_client() {
    let host = Host::start();
    let context = aeron::Context::new().dir(host.driver.dir()).driver_timeout(Duration::from_millis(700));
    let supplied = Aeron::connect(context).unwrap();
    let (mut client, member) = host.connected(host.context(IPC, IPC).aeron(supplied));
    drop((member, host));
    let mut journal = Journal::default();
    let error = until("the end", || client.poll_egress(&mut journal).err());
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(client.is_closed());
    assert!(error.message().contains("Aeron client is closed"), "{error}");
}
