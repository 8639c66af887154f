//! Opening a session, step by step.

use std::io::IoSlice;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::OfferError;
use aeron_cluster::client::{AeronCluster, ConnectState, State};
use aeron_cluster::codec::{Challenge, EventCode, IngressEvent};
use aeron_cluster::testing::PortBlock;

use crate::rig::*;

#[test]
fn a_session_from_connect_to_close() {
    let host = Host::start();
    let context = host.context(IPC, IPC).client_name("tester");
    let mut member = host.member(IPC);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    assert_eq!(connect.state(), ConnectState::CreateEgressSubscription);
    let request = member.next_connect_request(&mut connect);
    let (version, commit) = (aeron_cluster::aeron::version(), aeron_cluster::aeron::commit());
    assert_eq!(request.client_info, format!("name=tester version={version} commit={commit}"));
    assert!(request.credentials.is_empty());
    member.answer(request.correlation_id + 1, EventCode::Error, "somebody else's");
    member.answer(request.correlation_id, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    assert_eq!(
        (client.cluster_session_id(), client.leadership_term_id(), client.leader_member_id()),
        (SESSION, TERM, 1)
    );
    assert_eq!(client.state(), State::Connected);

    let long = "x".repeat(5_000);
    assert!(client.max_payload_length().is_some_and(|length| length < long.len()));
    client.offer(b"one").unwrap();
    client.offer_vectored(&[IoSlice::new(b"t"), IoSlice::new(b"wo")]).unwrap();
    client.offer_vectored(&[IoSlice::new(b"."); 20]).unwrap();
    for too_long in [client.max_payload_length().unwrap() + 1, usize::MAX - 1, usize::MAX] {
        assert_eq!(client.try_claim(too_long).unwrap_err(), OfferError::InvalidArgument);
    }
    let mut claim = client.try_claim(5).unwrap();
    claim.copy_from_slice(b"three");
    assert!(claim.commit() > 0);
    client.offer(long.as_bytes()).unwrap();
    for expected in ["one", "two", "....................", "three", &long] {
        let payload = until(expected, || {
            member.poll(|event| match event {
                IngressEvent::SessionMessage { header, payload } => {
                    assert_eq!((header.leadership_term_id, header.cluster_session_id), (TERM, SESSION));
                    Some(payload.to_vec())
                }
                other => panic!("{other:?}"),
            })
        });
        assert_eq!(payload, expected.as_bytes());
    }
    client.send_keep_alive().unwrap();
    let alive =
        until("a keep-alive", || member.poll(|event| matches!(event, IngressEvent::SessionKeepAlive(_)).into()));
    assert!(alive);

    let mut journal = Journal::default();
    member.send_message(SESSION + 1, b"not mine");
    member.send_message(SESSION, long.as_bytes());
    member.send_message(SESSION, b"pong");
    poll_until(&mut client, &mut journal, "message 7 99 pong");
    assert_eq!(journal.0, [format!("message 7 99 {long}"), "message 7 99 pong".to_owned()]);

    client.close();
    client.close();
    let closed = until("a close request", || {
        member.poll(|event| {
            Some(matches!(event, IngressEvent::SessionCloseRequest(request) if request.cluster_session_id == SESSION))
        })
    });
    assert!(closed && client.is_closed());
    assert_eq!(client.offer(b"late"), Err(OfferError::Closed));
    assert_eq!(client.try_claim(1).unwrap_err(), OfferError::Closed);
    let error = client.poll_egress(&mut journal).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.message().contains("closed by its owner"), "{error}");
}

#[test]
fn a_challenge_is_answered() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let context = host.context(IPC, IPC).credentials_supplier(Password).is_ingress_exclusive(false);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = member.next_connect_request(&mut connect);
    assert_eq!(request.credentials, b"user");
    let challenge =
        Challenge { correlation_id: request.correlation_id, cluster_session_id: SESSION, encoded_challenge: b"riddle" };
    member.send(challenge.encode(&mut Vec::new()));
    let correlation_id = until("the answer", || {
        assert!(connect.poll().unwrap().is_none());
        member.poll(|event| {
            let IngressEvent::ChallengeResponse(response) = event else { panic!("{event:?}") };
            assert_eq!(response.encoded_credentials, b"riddle-answered");
            assert_eq!(response.cluster_session_id, SESSION);
            Some(response.correlation_id)
        })
    });
    assert_ne!(correlation_id, request.correlation_id);
    member.answer(correlation_id, EventCode::Ok, "");
    until("the session", || connect.poll().unwrap());
}

#[test]
fn a_refusal_says_why() {
    let host = Host::start();
    for (code, kind) in
        [(EventCode::Error, ErrorKind::Cluster), (EventCode::AuthenticationRejected, ErrorKind::Authentication)]
    {
        let mut member = host.member(IPC);
        let mut connect = AeronCluster::async_connect(host.context(IPC, IPC)).unwrap();
        let request = member.next_connect_request(&mut connect);
        member.answer(request.correlation_id, code, "concurrent session limit");
        let error = until("the refusal", || connect.poll().err());
        assert_eq!((error.kind(), error.message()), (kind, "concurrent session limit"));
        assert_eq!(connect.poll().unwrap_err().kind(), ErrorKind::State);
    }
}

#[test]
fn nobody_there_is_a_timeout_that_says_how_far_it_came() {
    let host = Host::start();
    let context = host.context(IPC, UDP_EGRESS).message_timeout(Duration::from_millis(200));
    let error = AeronCluster::connect(context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    for part in [
        "cluster connect timeout: state=AWAIT_PUBLICATION_CONNECTED messageTimeout=200ms",
        "ingressChannel=aeron:ipc?term-length=64k ingressEndpoints=null",
        "egress.isConnected=false responseChannel=aeron:udp?endpoint=127.0.0.1:",
    ] {
        assert!(error.message().contains(part), "{part:?} is not in {error}");
    }
}

#[test]
fn a_channel_that_the_driver_refuses_is_named() {
    let host = Host::start();
    let error = AeronCluster::connect(host.context(IPC, "aeron:udp?endpoint=localhost")).unwrap_err();
    assert!(error.message().contains("aeron:udp?endpoint=localhost|rejoin=false"), "{error}");
    let context = host.context("aeron:udp?mtu=7", UDP_EGRESS).ingress_endpoints("0=localhost:1");
    let error = AeronCluster::connect(context.message_timeout(Duration::from_millis(300))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("member 0: ") && error.message().contains("mtu"), "{error}");
}

#[test]
fn a_follower_redirects_to_the_leader() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut follower = host.member(&channels[0]);
    let context = host.context(UDP, UDP_EGRESS).ingress_endpoints(&endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = follower.next_connect_request(&mut connect);
    let mut leader = host.member(&channels[1]);
    follower.answer(request.correlation_id, EventCode::Redirect, &endpoints);
    let request = leader.next_connect_request(&mut connect);
    leader.answer(request.correlation_id, EventCode::Ok, "");
    let client = until("the session", || connect.poll().unwrap());
    assert_eq!(client.leader_member_id(), 1);
}

#[test]
fn a_redirect_that_names_no_leader_is_refused() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let mut connect = AeronCluster::async_connect(host.context(IPC, IPC)).unwrap();
    let request = member.next_connect_request(&mut connect);
    member.answer(request.correlation_id, EventCode::Redirect, "0=localhost:1");
    let error = until("the refusal", || connect.poll().err());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("leader 1"), "{error}");
}

#[test]
fn steps_have_the_numbers_and_names_of_java() {
    let names: Vec<_> = (-2..=6).map(|step| ConnectState::from_step(step).map(|state| state.to_string())).collect();
    let known = [
        "CREATE_EGRESS_SUBSCRIPTION",
        "CREATE_INGRESS_PUBLICATIONS",
        "AWAIT_PUBLICATION_CONNECTED",
        "SEND_MESSAGE",
        "POLL_RESPONSE",
        "CONCLUDE_CONNECT",
        "DONE",
    ];
    assert_eq!((&names[0], &names[8]), (&None, &None));
    assert!(names[1..8].iter().flatten().eq(known.iter()), "{names:?}");
    let host = Host::start();
    let connect = AeronCluster::async_connect(host.context(IPC, IPC)).unwrap();
    assert_eq!((connect.state(), connect.step()), (ConnectState::CreateEgressSubscription, -1));
}
