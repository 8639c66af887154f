//! The time-outs of a connected client, with a time that the test makes up.

use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::OfferError;
use aeron_cluster::client::{AeronCluster, Context, Reason, State};
use aeron_cluster::codec::IngressEvent;

use crate::rig::*;

const MESSAGE_TIMEOUT: Duration = Duration::from_secs(3600);
const NEW_LEADER_TIMEOUT: Duration = Duration::from_secs(7200);
const NANOSECOND: Duration = Duration::from_nanos(1);

fn timed(host: &Host) -> (Context, MadeUpClock) {
    let clock = MadeUpClock::new();
    let context = host.shared_context(IPC, IPC).message_timeout(MESSAGE_TIMEOUT).new_leader_timeout(NEW_LEADER_TIMEOUT);
    (clock.set_on(context), clock)
}

/// Sends a message, or says that the client is alive.
fn send(client: &mut AeronCluster, is_message: bool) -> Result<(), OfferError> {
    if is_message { client.offer(b"message").map(|_| ()) } else { client.send_keep_alive() }
}

/// Takes the member's ingress away and waits until a send finds nobody.
fn lose_ingress(
    client: &mut AeronCluster,
    member: &mut Option<Member>,
    is_message: bool,
) -> aeron_cluster::aeron::Publication {
    let egress = member.take().unwrap().egress.take().unwrap();
    until("the loss of the leader", || (send(client, is_message) == Err(OfferError::NotConnected)).then_some(()));
    assert_eq!(client.state(), State::AwaitNewLeader);
    egress
}

#[test]
fn a_client_stays_connected_after_a_failover_within_its_time_outs() {
    for (is_lost, is_message) in [(false, false), (false, true), (true, false), (true, true)] {
        let host = Host::start();
        let (context, clock) = timed(&host);
        let (mut client, member) = host.connected(context);
        let mut member = Some(member);
        let mut journal = Journal::default();
        let egress = if is_lost {
            lose_ingress(&mut client, &mut member, is_message)
        } else {
            send(&mut client, is_message).unwrap();
            member.as_mut().unwrap().egress.take().unwrap()
        };
        clock.advance(NEW_LEADER_TIMEOUT - NANOSECOND);
        client.poll_egress(&mut journal).unwrap();
        let mut next = host.member_with(IPC, egress);
        next.name_leader(TERM + 1, 2, "2=localhost:1");
        poll_until(&mut client, &mut journal, "leader 2 2=localhost:1");
        clock.advance(MESSAGE_TIMEOUT - NANOSECOND);
        until("room at the new leader", || {
            send(&mut client, is_message).ok().or_else(|| {
                client.poll_egress(&mut journal).unwrap();
                None
            })
        });
        assert_eq!(client.state(), State::Connected);
        clock.advance(NEW_LEADER_TIMEOUT + MESSAGE_TIMEOUT);
        client.poll_egress(&mut journal).unwrap();
        assert!(!client.is_closed());
        next.egress = None;
    }
}

#[test]
fn a_client_closes_when_no_leader_is_named_for_longer_than_the_new_leader_timeout() {
    for is_message in [false, true] {
        let host = Host::start();
        let (context, clock) = timed(&host);
        let (mut client, member) = host.connected(context);
        let _egress = lose_ingress(&mut client, &mut Some(member), is_message);
        let mut journal = Journal::default();
        clock.advance(NEW_LEADER_TIMEOUT - NANOSECOND);
        client.poll_egress(&mut journal).unwrap();
        assert!(!client.is_closed());
        clock.advance(NANOSECOND);
        client.poll_egress(&mut journal).unwrap();
        assert_eq!(client.close_reason(), Some(&Reason::NoNewLeader(NEW_LEADER_TIMEOUT)));
    }
}

#[test]
fn a_client_closes_when_nothing_reaches_the_new_leader_for_longer_than_the_message_timeout() {
    let host = Host::start();
    let (context, clock) = timed(&host);
    let (mut client, member) = host.connected(context);
    let egress = lose_ingress(&mut client, &mut Some(member), true);
    clock.advance(NEW_LEADER_TIMEOUT / 2);
    let named = host.member_with("aeron:udp?endpoint=localhost:0", egress);
    named.name_leader(TERM + 1, 2, "2=localhost:1");
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "leader 2 2=localhost:1");
    clock.advance(MESSAGE_TIMEOUT - NANOSECOND);
    client.poll_egress(&mut journal).unwrap();
    assert!(matches!(send(&mut client, true), Err(OfferError::NotConnected | OfferError::AdminAction)));
    assert!(!client.is_closed());
    clock.advance(NANOSECOND);
    client.poll_egress(&mut journal).unwrap();
    assert_eq!(client.close_reason(), Some(&Reason::LeaderNotReached(MESSAGE_TIMEOUT)));
}

#[test]
fn an_egress_that_is_gone_takes_the_ingress_with_it_in_both_connected_states() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.shared_context(IPC, IPC).new_leader_timeout(NEW_LEADER_TIMEOUT));
    let mut journal = Journal::default();
    let channel = |member: &mut Member| member.open_egress(IPC, 102);
    member.egress = None;
    poll_until(&mut client, &mut journal, "CONNECTED -> AWAIT_NEW_LEADER");
    assert!(client.ingress_publication().is_none());
    channel(&mut member);
    member.name_leader(TERM + 1, 2, "2=localhost:1");
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER -> AWAIT_NEW_LEADER_CONNECTION");
    journal.0.clear();
    member.egress = None;
    until("the second loss", || {
        client.poll_egress(&mut journal).unwrap();
        (client.state() == State::AwaitNewLeader).then_some(())
    });
    assert!(client.ingress_publication().is_none());
    assert_eq!(client.offer(b"?"), Err(OfferError::NotConnected));
}

#[test]
fn an_ingress_that_is_used_up_ends_the_session() {
    let host = Host::start();
    let (mut client, _member) = host.connected(host.shared_context(IPC, IPC));
    client.track_ingress_publication_result(&Err(OfferError::MaxPositionExceeded));
    assert!(client.ingress_publication().is_none());
    assert_eq!(client.offer(b"?"), Err(OfferError::Closed));
    assert_eq!(client.poll_state_changes().unwrap(), 1);
    assert_eq!(client.close_reason(), Some(&Reason::MaxPositionExceeded));
}

#[test]
fn connecting_ends_at_its_deadline() {
    let host = Host::start();
    let (context, clock) = timed(&host);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    until("the publication", || {
        assert!(connect.poll().unwrap().is_none());
        (connect.step() == 1).then_some(())
    });
    clock.advance(MESSAGE_TIMEOUT);
    assert!(connect.poll().unwrap().is_none());
    clock.advance(NANOSECOND);
    let error = connect.poll().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("state=AWAIT_PUBLICATION_CONNECTED messageTimeout=3600s"), "{error}");
}

#[test]
fn a_silent_client_says_that_it_is_alive_when_that_is_due_and_no_sooner() {
    let host = Host::start();
    let (context, clock) = timed(&host);
    let second = Duration::from_secs(1);
    let (mut client, mut member) = host.connected(context.keep_alive_interval(second));
    let mut journal = Journal::default();
    let mut next = |client: &mut AeronCluster| {
        client.poll_egress(&mut journal).unwrap();
        member.poll(|event| Some(matches!(event, IngressEvent::SessionKeepAlive(_))))
    };
    clock.advance(second - NANOSECOND);
    assert_eq!(next(&mut client), None);
    clock.advance(NANOSECOND);
    assert_eq!(next(&mut client), Some(true));
    assert_eq!(next(&mut client), None, "once is enough");
    clock.advance(second / 2);
    client.offer(b"a message says it too").unwrap();
    assert_eq!(next(&mut client), Some(false));
    clock.advance(second / 2);
    assert_eq!(next(&mut client), None);
    clock.advance(second / 2);
    assert_eq!(next(&mut client), Some(true));
}
