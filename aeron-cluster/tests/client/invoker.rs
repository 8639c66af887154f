//! A client on an Aeron client without a thread: connecting and polling work it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::{self, Aeron};
use aeron_cluster::client::{AeronCluster, AsyncConnect, ConnectState, Context, State};
use aeron_cluster::codec::{EventCode, IngressEvent};
use aeron_cluster::testing::{PATIENCE, PortBlock};

use crate::rig::*;

fn on_invoker(host: &Host, context: Context) -> (Context, Arc<AtomicUsize>) {
    let settings = aeron::Context::new().dir(host.driver.dir()).use_conductor_agent_invoker(true);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let context = context.aeron(Aeron::connect(settings).unwrap());
    let context = context.agent_invoker(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        0
    });
    (context, calls)
}

#[test]
fn a_session_follows_its_leader_on_one_thread() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let (endpoints, channels) = two_members(&ports);
    let mut old = host.member(&channels[1]);
    let (context, calls) = on_invoker(&host, host.context(UDP, UDP_EGRESS).ingress_endpoints(&endpoints));
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let (correlation_id, channel, stream_id) = until("a connect request", || {
        assert!(connect.poll().unwrap().is_none());
        old.poll(|event| match event {
            IngressEvent::SessionConnectRequest(request) => {
                Some((request.correlation_id, request.response_channel.to_owned(), request.response_stream_id))
            }
            other => panic!("{other:?}"),
        })
    });
    // Publications connect while the client is worked.
    let egress = host.aeron.add_publication(&channel, stream_id).unwrap();
    until("the client's egress", || {
        assert!(connect.poll().unwrap().is_none());
        egress.is_connected().then_some(())
    });
    old.egress = Some(egress);
    old.answer(correlation_id, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    assert!(client.aeron().is_invoker());
    let calls_of_connecting = calls.load(Ordering::Relaxed);
    assert!(calls_of_connecting > 0);

    drop(old);
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "CONNECTED -> AWAIT_NEW_LEADER");
    let mut new = host.member(&channels[0]);
    let egress = host.aeron.add_publication(&channel, stream_id).unwrap();
    until("the client's egress", || {
        client.poll_egress(&mut journal).unwrap();
        egress.is_connected().then_some(())
    });
    new.egress = Some(egress);
    new.name_leader(TERM + 1, 0, &endpoints);
    until("the new leader", || {
        client.poll_egress(&mut journal).unwrap();
        new.poll(|event| matches!(event, IngressEvent::SessionKeepAlive(_)).then_some(()))
    });
    assert_eq!(client.state(), State::Connected);
    assert!(calls.load(Ordering::Relaxed) > calls_of_connecting);
}

#[test]
fn connecting_blocks_and_works_the_client_all_the_same() {
    let host = Host::start();
    let (context, calls) = on_invoker(&host, host.context(IPC, IPC));
    let error = AeronCluster::connect(context.message_timeout(std::time::Duration::from_millis(200))).unwrap_err();
    assert!(error.message().contains("state=AWAIT_PUBLICATION_CONNECTED"), "{error}");
    assert!(calls.load(Ordering::Relaxed) > 0);
}

#[test]
fn what_is_worked_may_work_another_client_of_the_same_context() {
    let (done, is_done) = channel();
    std::thread::spawn(move || {
        let host = Host::start();
        let other: Arc<Mutex<Option<AsyncConnect>>> = Arc::default();
        let worked = Arc::clone(&other);
        let context = host.shared_context(IPC, IPC).agent_invoker(move || {
            let mut other = worked.lock().unwrap();
            other.as_mut().map_or(0, |other| usize::from(other.poll().unwrap().is_none()))
        });
        *other.lock().unwrap() = Some(AeronCluster::async_connect(context.clone()).unwrap());
        let mut connect = AeronCluster::async_connect(context).unwrap();
        let _member = host.member(IPC);
        until("a request of either", || {
            assert!(connect.poll().unwrap().is_none());
            let sent = |connect: &AsyncConnect| connect.state() == ConnectState::PollResponse;
            (sent(&connect) && other.lock().unwrap().as_ref().is_some_and(sent)).then_some(())
        });
        *other.lock().unwrap() = None;
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("a client that waits for nobody");
}
