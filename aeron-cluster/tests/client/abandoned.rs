//! Connecting that is given up leaves nothing behind, whichever step it had reached. The counters of the driver prove it.

use std::time::Duration;

use aeron_cluster::client::{AeronCluster, AsyncConnect, ConnectState, Context};
use aeron_cluster::codec::{EventCode, IngressEvent};
use aeron_cluster::testing::PortBlock;

use crate::rig::*;

pub const STEPS: [ConnectState; 6] = [
    ConnectState::CreateEgressSubscription,
    ConnectState::CreateIngressPublications,
    ConnectState::AwaitPublicationConnected,
    ConnectState::SendMessage,
    ConnectState::PollResponse,
    ConnectState::ConcludeConnect,
];

/// Polls until the step is reached, and some polls more: within it, things are under way too.
pub fn reach(step: ConnectState, connect: &mut AsyncConnect, member: &mut Member) {
    let mut is_answered = false;
    until(&step.to_string(), || {
        if connect.state() == step {
            return Some(());
        }
        assert!(connect.poll().unwrap().is_none());
        let request =
            if step == ConnectState::ConcludeConnect && !is_answered { member.connect_request() } else { None };
        if let Some(request) = request {
            member.answer(request.correlation_id, EventCode::Ok, "");
            is_answered = true;
        }
        None
    });
}

/// Gives up at each of the steps, right there and after a poll more.
fn give_up_at(steps: &[ConnectState], host: &Host, member: Member, context: &Context) -> Member {
    let mut member = Some(member);
    let before = host.census();
    for &step in steps {
        for more in 0..2 {
            let mut connect = AeronCluster::async_connect(context.clone()).unwrap();
            reach(step, &mut connect, member.as_mut().unwrap());
            if more == 1 && step != ConnectState::ConcludeConnect {
                assert!(connect.poll().unwrap().is_none());
            }
            connect.close();
            member.as_mut().unwrap().egress = None;
            host.until_back_at(&before, &format!("giving up at {step}"), &mut member);
        }
    }
    member.unwrap()
}

#[test]
fn a_connect_given_up_leaves_nothing_over_shared_memory() {
    let host = Host::start();
    give_up_at(&STEPS, &host, host.member(IPC), &host.shared_context(IPC, IPC));
}

#[test]
fn a_connect_given_up_leaves_nothing_with_an_aeron_client_of_its_own() {
    let host = Host::start();
    let mut member = Some(host.member(IPC));
    let before = host.census();
    for step in [ConnectState::CreateEgressSubscription, ConnectState::SendMessage] {
        let mut connect = AeronCluster::async_connect(host.context(IPC, IPC)).unwrap();
        reach(step, &mut connect, member.as_mut().unwrap());
        drop(connect);
        host.until_back_at(&before, &format!("giving up at {step}"), &mut member);
    }
}

#[test]
fn a_connect_given_up_leaves_nothing_over_udp_with_several_members() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let member = host.member(&channels[0]);
    let context = host.shared_context(UDP, UDP_EGRESS).ingress_endpoints(&endpoints);
    let member = give_up_at(&STEPS[1..5], &host, member, &context);
    give_up_at(&STEPS[4..5], &host, member, &context.is_ingress_exclusive(false));
}

#[test]
fn a_session_that_was_opened_and_not_wanted_any_more_is_closed() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let mut connect = AeronCluster::async_connect(host.shared_context(IPC, IPC)).unwrap();
    reach(ConnectState::ConcludeConnect, &mut connect, &mut member);
    drop(connect);
    let closed = until("a close request", || {
        member.poll(|event| match event {
            IngressEvent::SessionCloseRequest(request) => Some(request.cluster_session_id),
            other => panic!("{other:?}"),
        })
    });
    assert_eq!(closed, SESSION);
}

#[test]
fn a_failed_connect_leaves_nothing_either() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let before = host.census();
    let context = host.shared_context(IPC, IPC);
    let mut connect = AeronCluster::async_connect(context.clone()).unwrap();
    let request = member.next_connect_request(&mut connect);
    member.answer(request.correlation_id, EventCode::Error, "concurrent session limit");
    until("the refusal", || connect.poll().err());
    member.egress = None;
    host.until_back_at(&before, "a refused session", &mut Some(member));

    let before = host.census();
    AeronCluster::connect(context.message_timeout(Duration::from_millis(100))).unwrap_err();
    host.until_back_at(&before, "a time-out", &mut None);
}
