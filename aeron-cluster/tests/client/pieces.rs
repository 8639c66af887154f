//! The parts of the client that are of use alone: poller, adapter, decorator, and polling and sending without the client.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{NULL_VALUE, Subscription};
use aeron_cluster::client::{AeronCluster, EgressAdapter, EgressPoller, IngressSessionDecorator, State, on_message};
use aeron_cluster::codec::{
    AdminRequestType, AdminResponse, AdminResponseCode, Challenge, EventCode, IngressEvent, NewLeaderEvent,
    SessionMessageHeader,
};

use crate::rig::*;

/// A member with an egress, and the subscription at its other end.
fn egress(host: &Host) -> (Member, Subscription) {
    let subscription = host.aeron.add_subscription(IPC, 102).unwrap();
    let mut member = host.member(IPC);
    member.open_egress(IPC, 102);
    (member, subscription)
}

fn foreign() -> [u8; 32] {
    let mut frame =
        SessionMessageHeader { leadership_term_id: TERM, cluster_session_id: SESSION, timestamp: 0 }.encode();
    frame[4] = 55;
    frame
}

fn next(poller: &mut EgressPoller, subscription: &mut Subscription) {
    until("an event", || {
        poller.poll(subscription).unwrap();
        poller.is_poll_complete().then_some(())
    });
}

#[test]
fn a_poller_takes_one_event_at_a_time_and_passes_over_what_is_of_another_schema() {
    let host = Host::start();
    let (member, mut subscription) = egress(&host);
    let mut poller = EgressPoller::new(10);
    member.send(&foreign());
    member.send_message(7777, b"message");
    member.answer(42, EventCode::Redirect, "0=localhost:1");
    next(&mut poller, &mut subscription);
    assert_eq!((poller.cluster_session_id(), poller.leadership_term_id()), (7777, TERM));
    assert_eq!((poller.correlation_id(), poller.event_code(), poller.detail()), (NULL_VALUE, None, ""));
    assert_eq!(poller.template_id(), i32::from(SessionMessageHeader::TEMPLATE_ID));

    next(&mut poller, &mut subscription);
    assert_eq!((poller.correlation_id(), poller.event_code()), (42, Some(EventCode::Redirect)));
    assert_eq!((poller.detail(), poller.leader_member_id()), ("0=localhost:1", 1));
    assert_eq!(poller.leader_heartbeat_timeout_ns(), 100_000_000);
    assert_eq!(poller.version(), Some(aeron_cluster::client::PROTOCOL_VERSION));
    assert!(poller.egress_image_correlation_id().is_some_and(|id| subscription.has_image(id)));

    let challenge = Challenge { correlation_id: 43, cluster_session_id: 9, encoded_challenge: b"riddle" };
    member.send(challenge.encode(&mut Vec::new()));
    member.name_leader(TERM + 1, 2, "2=localhost:2");
    next(&mut poller, &mut subscription);
    assert!(poller.is_challenged());
    assert_eq!((poller.encoded_challenge(), poller.cluster_session_id()), (Some(&b"riddle"[..]), 9));
    next(&mut poller, &mut subscription);
    assert!(!poller.is_challenged());
    assert_eq!((poller.leader_member_id(), poller.detail()), (2, "2=localhost:2"));
    assert_eq!(poller.poll(&mut subscription).unwrap(), 0);
    assert_eq!((poller.is_poll_complete(), poller.cluster_session_id(), poller.template_id()), (false, NULL_VALUE, -1));
}

#[test]
fn an_adapter_gives_a_listener_what_is_of_its_session_alone() {
    let host = Host::start();
    let (member, mut subscription) = egress(&host);
    let long = "x".repeat(5_000);
    let admin = |cluster_session_id| AdminResponse {
        cluster_session_id,
        correlation_id: 5,
        request_type: AdminRequestType::Snapshot,
        response_code: AdminResponseCode::Ok,
        message: "done",
        payload: b"payload",
    };
    for (session, long) in [(SESSION + 1, "not mine"), (SESSION, long.as_str())] {
        member.send_message(session, long.as_bytes());
        member.answer_of(session, 3, EventCode::Closed, "TIMEOUT");
        let named = NewLeaderEvent {
            leadership_term_id: TERM + 1,
            cluster_session_id: session,
            leader_member_id: 2,
            ingress_endpoints: "2=localhost:2",
        };
        member.send(named.encode(&mut Vec::new()));
        member.send(admin(session).encode(&mut Vec::new()));
    }
    member.send(&foreign());
    member.send_message(SESSION, b"the last");
    let mut adapter = EgressAdapter::new(SESSION, 10);
    let mut journal = Journal::default();
    until("the last message", || {
        adapter.poll(&mut subscription, &mut journal).unwrap();
        journal.has("message 7 99 the last").then_some(())
    });
    let message = format!("message 7 99 {long}");
    let expected = [
        message.as_str(),
        "session CLOSED TIMEOUT",
        "leader 2 2=localhost:2",
        "admin 5 OK done",
        "schema 55 with 24 bytes",
        "message 7 99 the last",
    ];
    assert_eq!(journal.0, expected);

    member.send(&foreign());
    let error =
        until("the error", || adapter.poll(&mut subscription, &mut on_message(|_, _, _, _| panic!("decoded"))).err());
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Protocol, "expected cluster egress schemaId=111 actual=55")
    );
}

#[test]
fn who_sends_and_polls_by_himself_keeps_the_client_informed() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.shared_context(IPC, IPC));
    let mut decorator = IngressSessionDecorator::new(client.cluster_session_id(), client.leadership_term_id());
    let outcome = decorator.offer(client.ingress_publication().unwrap(), b"by hand");
    client.track_ingress_publication_result(&outcome);
    let header = until("the message", || {
        member.poll(|event| match event {
            IngressEvent::SessionMessage { header, payload: b"by hand" } => Some(header),
            other => panic!("{other:?}"),
        })
    });
    let expected =
        SessionMessageHeader { leadership_term_id: TERM, cluster_session_id: SESSION, timestamp: NULL_VALUE };
    assert_eq!(header, expected);

    member.name_leader(TERM + 1, 2, "2=localhost:2");
    let mut poller = EgressPoller::new(10);
    next(&mut poller, client.egress_subscription().unwrap());
    let named = |cluster_session_id| NewLeaderEvent {
        leadership_term_id: poller.leadership_term_id(),
        cluster_session_id,
        leader_member_id: poller.leader_member_id(),
        ingress_endpoints: poller.detail(),
    };
    let error = client.on_new_leader(&named(SESSION + 1)).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Protocol, "invalid clusterSessionId=8 expected=7"));
    client.on_new_leader(&named(SESSION)).unwrap();
    assert_eq!(client.state(), State::AwaitNewLeaderConnection);
    until("the new leader", || {
        client.poll_state_changes().unwrap();
        (client.state() == State::Connected).then_some(())
    });
    decorator.set_leadership_term_id(client.leadership_term_id());
    assert_eq!((client.leadership_term_id(), client.leader_member_id()), (TERM + 1, 2));
    let older = NewLeaderEvent { leadership_term_id: TERM, ..named(SESSION) };
    client.on_new_leader(&older).unwrap();
    assert_eq!((client.state(), client.leadership_term_id()), (State::Connected, TERM + 1), "polled too late");
    let hello = until("a keep-alive", || member.poll(|event| Some(matches!(event, IngressEvent::SessionKeepAlive(_)))));
    assert!(hello);
    client.close();
    assert!(client.egress_subscription().is_none() && client.ingress_publication().is_none());
    assert!(client.on_new_leader(&named(SESSION)).is_err());
}

#[test]
fn two_clients_of_one_egress_channel_have_each_their_own() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let mut open = |session| {
        let mut connect = AeronCluster::async_connect(host.shared_context(IPC, IPC)).unwrap();
        let request = member.next_connect_request(&mut connect);
        member.answer_of(session, request.correlation_id, EventCode::Ok, "");
        until("the session", || connect.poll().unwrap())
    };
    let (mut first, mut second) = (open(SESSION), open(SESSION + 1));
    member.send_message(SESSION, b"to the first");
    member.send_message(SESSION + 1, b"to the second");
    let (mut of_first, mut of_second) = (Journal::default(), Journal::default());
    poll_until(&mut first, &mut of_first, "message 7 99 to the first");
    poll_until(&mut second, &mut of_second, "message 8 99 to the second");
    assert_eq!((of_first.0.len(), of_second.0.len()), (1, 1));
}
