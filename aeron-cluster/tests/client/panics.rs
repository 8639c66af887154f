//! Panics in what a user gives to a client: each comes through from the poll that met it, and a client that is connected goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aeron_cluster::aeron::{Header, IdleStrategy};
use aeron_cluster::client::{
    AeronCluster, CredentialsSupplier, EgressAdapter, EgressListener, StateChange, on_controlled_message, on_message,
};
use aeron_cluster::codec::{
    AdminRequestType, AdminResponse, AdminResponseCode, Challenge, EventCode, MessageHeader, NewLeaderEvent,
    SessionEvent, SessionMessageHeader,
};
use aeron_cluster::{ErrorKind, Result};

use crate::rig::*;

/// Panics the first time that it is called so, and writes down what it is told otherwise.
struct Failing {
    at: &'static str,
    journal: Journal,
}

impl Failing {
    fn at(at: &'static str) -> Self {
        Failing { at, journal: Journal::default() }
    }

    fn reach(&mut self, callback: &'static str) {
        if self.at == callback {
            self.at = "";
            std::panic::panic_any(callback);
        }
    }
}

impl EgressListener for Failing {
    fn on_message(&mut self, session_id: i64, timestamp: i64, message: &[u8], header: &Header<'_>) {
        self.reach("on_message");
        self.journal.on_message(session_id, timestamp, message, header);
    }
    fn on_session_event(&mut self, event: &SessionEvent<'_>) {
        self.reach("on_session_event");
        self.journal.on_session_event(event);
    }
    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.reach("on_new_leader");
        self.journal.on_new_leader(event);
    }
    fn on_admin_response(&mut self, response: &AdminResponse<'_>) {
        self.reach("on_admin_response");
        self.journal.on_admin_response(response);
    }
    fn on_state_change(&mut self, change: &StateChange) {
        self.reach("on_state_change");
        self.journal.on_state_change(change);
    }
    fn on_extension_message(&mut self, header: &MessageHeader, body: &[u8], aeron: &Header<'_>) -> Result<()> {
        self.reach("on_extension_message");
        self.journal.on_extension_message(header, body, aeron)
    }
}

/// Polls until the listener panics, and gives what it panicked with.
fn panic_of(client: &mut AeronCluster, listener: &mut Failing) -> &'static str {
    let payload = until("the panic", || {
        // Once it is closed a client says so, and tells what it has left to tell.
        catch_unwind(AssertUnwindSafe(|| _ = client.poll_egress(listener))).err()
    });
    *payload.downcast::<&'static str>().expect("a panic that is meant")
}

fn admin_response() -> Vec<u8> {
    let response = AdminResponse {
        cluster_session_id: SESSION,
        correlation_id: 5,
        request_type: AdminRequestType::Snapshot,
        response_code: AdminResponseCode::Ok,
        message: "",
        payload: &[],
    };
    let mut frame = Vec::new();
    response.encode(&mut frame);
    frame
}

fn foreign() -> Vec<u8> {
    let mut frame =
        SessionMessageHeader { leadership_term_id: TERM, cluster_session_id: SESSION, timestamp: 0 }.encode();
    frame[4] = 55;
    frame.to_vec()
}

/// A callback, what has it called, and what the journal says of that.
type Case = (&'static str, fn(&Member), &'static str);

#[test]
fn a_listener_that_panics_hears_the_same_again_and_the_client_goes_on() {
    let cases: [Case; 5] = [
        ("on_message", |member| member.send_message(SESSION, b"any"), "message 7 99 any"),
        ("on_session_event", |member| member.answer(1, EventCode::Error, "detail"), "session ERROR detail"),
        ("on_new_leader", |member| member.name_leader(TERM + 1, 2, "ends"), "leader 2 ends"),
        ("on_admin_response", |member| member.send(&admin_response()), "admin 5 OK "),
        ("on_extension_message", |member| member.send(&foreign()), "schema 55 with 24 bytes"),
    ];
    for (callback, send, entry) in cases {
        let host = Host::start();
        let (mut client, member) = host.connected(host.context(IPC, IPC));
        let mut listener = Failing::at(callback);
        send(&member);
        assert_eq!(panic_of(&mut client, &mut listener), callback);
        member.send_message(SESSION, b"after");
        poll_until(&mut client, &mut listener.journal, "message 7 99 after");
        let heard = listener.journal.0.iter().filter(|heard| *heard == entry).count();
        assert_eq!(heard, 1, "{callback}: {:?}", listener.journal.0);
        until("a leader that takes messages", || {
            client.poll_egress(&mut listener.journal).unwrap();
            client.offer(b"still there").ok()
        });
    }
}

#[test]
fn a_panic_at_one_change_of_state_keeps_no_other_from_being_told() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    let mut listener = Failing::at("on_state_change");
    // Both are met by one poll, or by two.
    member.name_leader(TERM + 1, 2, "");
    member.answer(1, EventCode::Closed, "SERVICE_ACTION");
    assert_eq!(panic_of(&mut client, &mut listener), "on_state_change");
    let told = until("the end", || {
        let _ = client.poll_egress(&mut listener);
        listener.journal.0.iter().find(|entry| entry.ends_with("-> CLOSED")).cloned()
    });
    assert_eq!(told, "AWAIT_NEW_LEADER_CONNECTION -> CLOSED");
}

/// Panics when it is asked, at once or when it is challenged.
struct Forgetful {
    at_challenge: bool,
}

impl Forgetful {
    fn remember(&self, at_challenge: bool) -> Vec<u8> {
        if at_challenge == self.at_challenge {
            std::panic::panic_any("forgotten");
        }
        b"words".to_vec()
    }
}

impl CredentialsSupplier for Forgetful {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        self.remember(false)
    }
    fn on_challenge(&mut self, _encoded_challenge: &[u8]) -> Vec<u8> {
        self.remember(true)
    }
}

#[test]
fn a_supplier_of_credentials_that_panics_ends_the_attempt_to_connect() {
    for at_challenge in [false, true] {
        let host = Host::start();
        let mut member = host.member(IPC);
        let context = host.context(IPC, IPC).credentials_supplier(Forgetful { at_challenge });
        let mut connect = AeronCluster::async_connect(context).unwrap();
        if at_challenge {
            let correlation_id = member.next_connect_request(&mut connect).correlation_id;
            let challenge = Challenge { correlation_id, cluster_session_id: SESSION, encoded_challenge: b"who" };
            member.send(challenge.encode(&mut Vec::new()));
        }
        let payload = until("the panic", || catch_unwind(AssertUnwindSafe(|| connect.poll().map(drop))).err());
        assert_eq!(payload.downcast_ref(), Some(&"forgotten"));
        assert_eq!(connect.poll().unwrap_err().kind(), ErrorKind::State);
    }
}

#[test]
fn an_invoker_that_panics_is_called_again() {
    let host = Host::start();
    let armed = Arc::new(AtomicBool::new(false));
    let fires = Arc::clone(&armed);
    let invoker = move || {
        if fires.swap(false, Ordering::Relaxed) {
            std::panic::panic_any("invoker");
        }
        0
    };
    let (mut client, member) = host.connected(host.context(IPC, IPC).agent_invoker(invoker));
    armed.store(true, Ordering::Relaxed);
    // It is called while the client waits for a new leader.
    member.name_leader(TERM + 1, 2, "");
    let mut journal = Journal::default();
    let payload = until("the panic", || {
        catch_unwind(AssertUnwindSafe(|| client.poll_egress(&mut journal).map(drop).unwrap())).err()
    });
    assert_eq!(payload.downcast_ref(), Some(&"invoker"));
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED");
}

/// What a call panics with, sooner or later.
fn met(what: &str, mut call: impl FnMut()) -> &'static str {
    let payload = until(what, || catch_unwind(AssertUnwindSafe(&mut call)).err());
    *payload.downcast::<&'static str>().expect("a panic that is meant")
}

#[test]
fn controlled_listeners_and_those_of_an_adapter_hear_the_same_again() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    member.send_message(SESSION, b"any");
    let mut controlled = on_controlled_message(|_, _, _, _| std::panic::panic_any("controlled"));
    assert_eq!(met("the client's", || _ = client.controlled_poll_egress(&mut controlled).unwrap()), "controlled");
    let mut journal = Journal::default();
    poll_until(&mut client, &mut journal, "message 7 99 any");
    drop((client, member));

    let mut subscription = host.aeron.add_subscription(IPC, 202).unwrap();
    let mut member = host.member(IPC);
    member.open_egress(IPC, 202);
    let mut adapter = EgressAdapter::new(SESSION, 10);
    let long = "x".repeat(5_000);
    member.send_message(SESSION, long.as_bytes());
    member.send_message(SESSION, b"after");
    assert_eq!(met("the adapter's", || _ = adapter.controlled_poll(&mut subscription, &mut controlled)), "controlled");
    let mut plain = on_message(|_, _, _, _| std::panic::panic_any("plain"));
    assert_eq!(met("the adapter's, again", || _ = adapter.poll(&mut subscription, &mut plain)), "plain");
    let mut journal = Journal::default();
    until("both messages", || {
        adapter.poll(&mut subscription, &mut journal).unwrap();
        journal.has("message 7 99 after").then_some(())
    });
    assert_eq!(journal.0, [format!("message 7 99 {long}"), "message 7 99 after".to_owned()]);
}

#[derive(Clone)]
struct Impatient;

impl IdleStrategy for Impatient {
    fn idle(&mut self, _work_count: usize) {
        std::panic::panic_any("idle");
    }

    fn reset(&mut self) {}
}

#[test]
fn what_is_called_while_connecting_may_panic_and_leaves_nothing() {
    let host = Host::start();
    let before = host.census();
    let context = || host.shared_context(IPC, IPC);
    let contexts =
        [("idle", context().idle_strategy(Impatient)), ("clock", context().clock(|| std::panic::panic_any("clock")))];
    for (what, context) in contexts {
        assert_eq!(met(what, || _ = AeronCluster::connect(context.clone())), what);
        host.until_back_at(&before, what, &mut None);
    }
}

#[test]
fn a_clock_that_panics_is_asked_again() {
    let host = Host::start();
    let armed = Arc::new(AtomicBool::new(false));
    let fires = Arc::clone(&armed);
    let clock = move || match fires.swap(false, Ordering::Relaxed) {
        true => std::panic::panic_any("clock"),
        false => Instant::now(),
    };
    let (mut client, member) = host.connected(host.context(IPC, IPC).clock(clock));
    armed.store(true, Ordering::Relaxed);
    // It is asked while the client waits for a new leader.
    member.name_leader(TERM + 1, 2, "");
    let mut journal = Journal::default();
    assert_eq!(met("the clock", || _ = client.poll_egress(&mut journal).unwrap()), "clock");
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED");
    member.send_message(SESSION, b"after");
    poll_until(&mut client, &mut journal, "message 7 99 after");
}

#[test]
fn a_handler_of_errors_that_panics_changes_nothing() {
    let host = Host::start();
    let called = Arc::new(AtomicBool::new(false));
    let calls = Arc::clone(&called);
    let context = host.context(IPC, IPC).on_error(move |_| {
        calls.store(true, Ordering::Relaxed);
        panic!("as told");
    });
    let (mut client, member) = host.connected(context);
    drop((member, host));
    let error = until("the end", || client.poll_egress(&mut Journal::default()).err());
    assert_eq!(error.kind(), ErrorKind::Closed);
    until("the handler", || called.load(Ordering::Relaxed).then_some(()));
}
