//! The cluster client allocates nothing per message once it is warm.
#![cfg(feature = "testing")]

use std::io::IoSlice;
use std::time::Duration;

use aeron_cluster::aeron::{self, Aeron, FragmentAssembler, Publication};
use aeron_cluster::client::{AeronCluster, Context, on_message};
use aeron_cluster::codec::{EventCode, IngressEvent, SessionEvent, SessionMessageHeader};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, WorkDir};

#[path = "support/allocations.rs"]
mod allocations;
use allocations::allocations;
#[path = "support/until.rs"]
mod until;
use until::until;

const IPC: &str = "aeron:ipc?term-length=64k";

/// Opens a session with a made-up member, and returns the client and the member's egress.
fn connect(aeron: &Aeron, ingress: &mut aeron::Subscription) -> (AeronCluster, Publication) {
    let context = Context::new().aeron(aeron.clone()).ingress_channel(IPC).egress_channel(IPC);
    let mut connect = AeronCluster::async_connect(context.message_timeout(PATIENCE)).unwrap();
    let egress = aeron.add_publication(IPC, 102).unwrap();
    let correlation_id = until("the connect request", || {
        assert!(connect.poll().unwrap().is_none());
        let mut id = None;
        let take = |message: &[u8], _: &aeron::Header<'_>| match IngressEvent::decode(message).unwrap() {
            IngressEvent::SessionConnectRequest(request) => id = Some(request.correlation_id),
            other => panic!("{other:?}"),
        };
        ingress.poll(1, take).unwrap();
        id
    });
    let opened = SessionEvent {
        cluster_session_id: 1,
        correlation_id,
        leadership_term_id: 0,
        leader_member_id: 0,
        code: EventCode::Ok,
        version: None,
        leader_heartbeat_timeout_ns: None,
        detail: "",
    };
    let mut frame = Vec::new();
    opened.encode(&mut frame);
    until("room on the egress", || egress.offer(&frame).ok());
    (until("the session", || connect.poll().unwrap()), egress)
}

#[test]
fn messages_cost_no_allocation() {
    let dir = WorkDir::new().unwrap();
    let context = DriverContext::new().dir(dir.path().join("driver")).threading_mode(ThreadingMode::Shared);
    let driver = MediaDriver::launch(context.timer_interval(Duration::from_millis(50))).unwrap();
    let aeron = Aeron::connect(aeron::Context::new().dir(driver.dir())).unwrap();
    let mut ingress = aeron.add_subscription(IPC, 101).unwrap();
    let (mut client, egress) = connect(&aeron, &mut ingress);
    let mut assembler = FragmentAssembler::new();

    let header = SessionMessageHeader { leadership_term_id: 0, cluster_session_id: 1, timestamp: 5 };
    let long = [header.encode().as_slice(), &[7; 6_000]].concat();
    let mut before = 0;
    for round in 0..2_000 {
        // The buffers of both assemblers grow to the longest message in the first rounds.
        if round == 100 {
            before = allocations();
        }
        let payload = &long[32..];
        until("room for a message", || client.offer(&payload[..64]).ok());
        until("room for a long one", || client.offer(payload).ok());
        until("room for two pieces", || client.offer_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"b")]).ok());
        until("room for a claim", || client.try_claim(16).ok().map(|claim| claim.commit()));
        until("room for an answer", || egress.offer(&long).ok());
        let mut answered = false;
        until("the answer", || {
            client.poll_egress(&mut on_message(|_, _, message, _| answered = message.len() == 6_000)).unwrap();
            answered.then_some(())
        });
        let mut taken = 0;
        until("the messages", || {
            let take = |fragment: &[u8], header: &aeron::Header<'_>| {
                assembler.on_fragment(fragment, header, |_, _| {
                    taken += 1;
                    aeron::Action::Continue
                });
            };
            ingress.poll(10, take).unwrap();
            (taken == 4).then_some(())
        });
    }
    assert_eq!(allocations() - before, 0);
}
