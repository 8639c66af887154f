//! Whose counters are whose: those of streams, of clients, and those of nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context, CounterState, commit, version};

use crate::rig::{Rig, awaited, client, context, forgotten_by_c, until};

const STREAM: i32 = 27;
const TYPE: i32 = 1027;
// AERON_COUNTER_*_TYPE_ID of aeron_counters.h.
const PUBLISHER_LIMIT: i32 = 1;
const SENDER_POSITION: i32 = 2;
const RECEIVER_HWM: i32 = 3;
const SUBSCRIPTION_POSITION: i32 = 4;
const RECEIVER_POSITION: i32 = 5;
const HEARTBEAT: i32 = 11;
const PUBLISHER_POSITION: i32 = 12;

#[test]
fn counters_of_streams_belong_to_who_added_them() {
    let rig = Rig::new();
    let (sender, receiver) = (client(&rig.dir), client(&rig.dir));
    for channel in ["aeron:ipc", "aeron:udp?endpoint=127.0.0.1:0"] {
        let mut subscription = receiver.add_subscription(channel, STREAM).unwrap();
        let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
        let publication = sender.add_publication(&channel, STREAM).unwrap();
        until("the image", || subscription.is_connected() && publication.is_connected());
        let counters = rig.aeron.counters();
        let owner = |type_id, registration_id| {
            counters.find_by_registration_id(type_id, registration_id).and_then(|id| counters.owner_id(id))
        };
        for type_id in [PUBLISHER_LIMIT, PUBLISHER_POSITION] {
            assert_eq!(owner(type_id, publication.registration_id()), Some(sender.client_id()), "{type_id} {channel}");
        }
        let udp = channel.starts_with("aeron:udp");
        assert_eq!(owner(SENDER_POSITION, publication.registration_id()), udp.then_some(sender.client_id()));
        assert_eq!(owner(SUBSCRIPTION_POSITION, subscription.registration_id()), Some(receiver.client_id()));

        // It refers to what it is a position in: the image, or the publication itself where both share a log.
        let position = subscription.image_by_session_id(publication.session_id()).unwrap().subscriber_position_id();
        let reference = counters.reference_id(position).unwrap();
        if udp {
            for type_id in [RECEIVER_HWM, RECEIVER_POSITION] {
                assert!(counters.find_by_registration_id(type_id, reference).is_some(), "{type_id}");
            }
        } else {
            assert_eq!(reference, publication.registration_id());
        }
    }
}

/// The counters that a client is told to be gone.
fn told_of_going(aeron: &Aeron) -> Arc<Mutex<Vec<(i32, i64)>>> {
    let gone = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&gone);
    aeron.add_unavailable_counter_handler(move |event| {
        heard.lock().unwrap().push((event.counter_id, event.registration_id));
    });
    gone
}

#[test]
fn a_client_that_closes_takes_its_heartbeat_with_it() {
    let rig = Rig::new();
    let gone = told_of_going(&rig.aeron);
    let other = client(&rig.dir);
    other.add_counter(TYPE, &[], "the driver hears of the client").unwrap();
    let id = other.client_id();
    let heartbeat = rig.aeron.counters().find_by_registration_id(HEARTBEAT, id).unwrap();
    let readable = rig.aeron.counters().readable_counter(heartbeat).unwrap();
    drop(other);
    until("the handler", || gone.lock().unwrap().contains(&(heartbeat, id)));
    assert!(readable.is_closed() && readable.value().is_none());
}

#[test]
fn a_static_counter_is_refused_where_a_plain_one_is() {
    let rig = Rig::new();
    let plain = rig.aeron.add_counter(TYPE, &[], "plain").unwrap();
    let error = rig.aeron.add_static_counter(TYPE, &[], "static", plain.registration_id()).expect_err("it is taken");
    assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
    assert!(error.message().contains("non-static counter exists"), "{error}");
    assert!(error.message().contains(&format!("registrationId={}", plain.registration_id())), "{error}");
    assert_eq!(rig.aeron.counters().label(plain.id()).as_deref(), Some("plain"));
}

/// Its conductor is worked in time, and tells the driver nothing: so it is the driver's verdict that ends it, not its own.
#[test]
fn a_client_that_the_driver_gives_up_ends_and_leaves_static_counters() {
    let rig = Rig::with(|driver| driver.client_liveness_timeout(Duration::from_millis(500)));
    let context = context(&rig.dir).use_conductor_agent_invoker(true).keepalive_interval(Duration::from_secs(3600));
    let silent = Aeron::connect(context).unwrap();
    let gone = told_of_going(&rig.aeron);
    let of_nobody = silent.add_static_counter(TYPE, &[], "static", 42).unwrap();
    forgotten_by_c(&of_nobody);
    let own = silent.add_counter(TYPE, &[], "own").unwrap();
    let publication = silent.add_publication("aeron:ipc", STREAM).unwrap();
    let error = awaited("the end", || silent.do_work().err());
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    let cause = silent.last_error().unwrap();
    assert!(cause.kind() == ErrorKind::Closed && cause.message().contains("client timeout from driver"), "{cause}");
    assert!(silent.is_closed() && own.is_closed() && publication.is_closed());
    assert!(silent.add_publication("aeron:ipc", STREAM).expect_err("it is over").kind() == ErrorKind::Closed);
    let counters = rig.aeron.counters();
    until("its counter to go", || counters.state(own.id()) == Some(CounterState::Reclaimed));
    until("the handler", || gone.lock().unwrap().contains(&(own.id(), own.registration_id())));
    assert!(!gone.lock().unwrap().contains(&(of_nobody.id(), 42)));
    assert_eq!(counters.find_by_registration_id(TYPE, 42), Some(of_nobody.id()));
    assert!(!rig.aeron.is_closed());
}

#[test]
fn a_client_is_found_by_its_name() {
    let rig = Rig::new();
    for name in ["of the orders", &"n".repeat(100)] {
        let context = Context::new().dir(&rig.dir).client_name(name).keepalive_interval(Duration::from_millis(20));
        let aeron = Aeron::connect(context).unwrap();
        aeron.add_counter(TYPE, &[], "the driver hears of the client").unwrap();
        let expected =
            format!("client-heartbeat: id={} name={name} version={} commit={}", aeron.client_id(), version(), commit());
        let mut seen = None;
        until("the label", || {
            let id = rig.aeron.counters().find_by_registration_id(HEARTBEAT, aeron.client_id());
            seen = id.and_then(|id| rig.aeron.counters().label(id));
            seen.as_ref().is_some_and(|label| label.contains("commit="))
        });
        assert_eq!(seen, Some(expected));
    }
}
