//! Sessions that are lost and opened anew.

use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{self, Aeron, OfferError};
use aeron_cluster::client::{Reason, Reconnect, State};
use aeron_cluster::codec::{EventCode, IngressEvent};
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::PATIENCE;

use crate::rig::*;

const NEXT_SESSION: i64 = SESSION + 1;

fn soon() -> Reconnect {
    Reconnect::new().first_delay(Duration::from_millis(1)).max_delay(Duration::from_millis(20))
}

#[test]
fn a_lost_session_is_replaced_and_the_new_one_announced() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.shared_context(IPC, IPC).reconnect(soon()));
    let mut journal = Journal::default();
    member.answer(1, EventCode::Closed, "TIMEOUT");
    poll_until(&mut client, &mut journal, "CONNECTED -> RECONNECTING");
    assert_eq!((client.state(), client.is_closed(), client.close_reason()), (State::Reconnecting, false, None));
    assert_eq!(client.offer(b"lost"), Err(OfferError::NotConnected));
    assert_eq!(client.try_claim(4).unwrap_err(), OfferError::NotConnected);
    assert_eq!(client.send_keep_alive(), Err(OfferError::NotConnected));
    member.egress = None;

    member.reopen(&mut client, &mut journal, NEXT_SESSION);
    assert_eq!((client.cluster_session_id(), client.state()), (NEXT_SESSION, State::Connected));
    assert!(journal.has(&Reason::NewSession { cluster_session_id: NEXT_SESSION, previous: SESSION }.to_string()));
    client.offer(b"found").unwrap();
    let session = until("the message", || {
        member.poll(|event| match event {
            IngressEvent::SessionMessage { header, payload: b"found" } => Some(header.cluster_session_id),
            other => panic!("{other:?}"),
        })
    });
    assert_eq!(session, NEXT_SESSION);
    member.send_message(SESSION, b"an answer to the lost session");
    member.send_message(NEXT_SESSION, b"an answer");
    poll_until(&mut client, &mut journal, "message 8 99 an answer");
    assert!(!journal.0.iter().any(|entry| entry.contains("lost session") && entry.starts_with("message")));
}

#[test]
fn a_cluster_that_names_no_new_leader_is_looked_for_again() {
    let host = Host::start();
    let clock = MadeUpClock::new();
    let context = clock.set_on(host.shared_context(IPC, IPC).reconnect(soon()));
    let (mut client, member) = host.connected(context.message_timeout(Duration::from_secs(60)));
    let mut journal = Journal::default();
    drop(member);
    poll_until(&mut client, &mut journal, "CONNECTED -> AWAIT_NEW_LEADER");
    clock.advance(Duration::from_millis(200));
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER -> RECONNECTING");
    clock.advance(Duration::from_secs(1));
    client.poll_egress(&mut journal).unwrap();
    // The first attempt finds nobody in time, the second does.
    clock.advance(Duration::from_secs(61));
    client.poll_egress(&mut journal).unwrap();
    clock.advance(Duration::from_secs(1));
    let mut member = host.member(IPC);
    member.reopen(&mut client, &mut journal, NEXT_SESSION);
}

#[test]
fn a_session_that_the_service_closed_is_not_opened_again() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.shared_context(IPC, IPC).reconnect(soon()));
    let mut journal = Journal::default();
    member.answer(1, EventCode::Closed, "SERVICE_ACTION");
    poll_until(&mut client, &mut journal, "CONNECTED -> CLOSED");
    assert_eq!(client.close_reason(), Some(&Reason::ClosedByCluster("SERVICE_ACTION".to_owned())));
}

#[test]
fn rejected_credentials_are_not_tried_again() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.shared_context(IPC, IPC).reconnect(soon()));
    let mut journal = Journal::default();
    member.answer(1, EventCode::Closed, "TIMEOUT");
    let request = until("a connect request", || {
        client.poll_egress(&mut journal).unwrap();
        member.connect_request()
    });
    member.answer(request.correlation_id, EventCode::AuthenticationRejected, "no longer");
    poll_until(&mut client, &mut journal, "RECONNECTING -> CLOSED");
    let Some(Reason::GaveUp { attempts: 1, error }) = client.close_reason() else {
        panic!("{:?}", client.close_reason())
    };
    assert_eq!((error.kind(), error.message()), (ErrorKind::Authentication, "no longer"));
}

#[test]
fn attempts_have_a_limit_and_the_last_failure_is_told() {
    let host = Host::start();
    let clock = MadeUpClock::new();
    let context = clock.set_on(host.shared_context(IPC, IPC).reconnect(soon().max_attempts(2)));
    let (mut client, member) = host.connected(context);
    let mut journal = Journal::default();
    drop(member);
    poll_until(&mut client, &mut journal, "CONNECTED -> AWAIT_NEW_LEADER");
    until("the end", || {
        clock.advance(Duration::from_millis(100));
        client.poll_egress(&mut journal).unwrap();
        client.is_closed().then_some(())
    });
    assert!(journal.has("RECONNECTING -> CLOSED"), "{:?}", journal.0);
    let Some(Reason::GaveUp { attempts: 2, error }) = client.close_reason() else {
        panic!("{:?}", client.close_reason())
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = client.poll_egress(&mut journal).unwrap_err();
    assert!(
        error.message().contains("no new session after 2 attempts, the last one: cluster connect timeout"),
        "{error}"
    );
}

#[test]
fn sessions_that_do_not_last_use_up_the_attempts() {
    let host = Host::start();
    let policy = soon().max_delay(10 * PATIENCE).max_attempts(1);
    let (mut client, mut member) = host.connected(host.shared_context(IPC, IPC).reconnect(policy));
    let mut journal = Journal::default();
    member.answer(1, EventCode::Closed, "TIMEOUT");
    poll_until(&mut client, &mut journal, "CONNECTED -> RECONNECTING");
    member.egress = None;
    member.reopen(&mut client, &mut journal, NEXT_SESSION);
    member.answer_of(NEXT_SESSION, 1, EventCode::Closed, "TIMEOUT");
    poll_until(&mut client, &mut journal, "RECONNECTING -> CLOSED");
    let Some(Reason::GaveUp { attempts: 1, error }) = client.close_reason() else {
        panic!("{:?}", client.close_reason())
    };
    assert_eq!(error.message(), "the new session was lost too: the cluster closed the session: \"TIMEOUT\"");
}

#[test]
fn a_client_that_reconnects_can_be_closed_and_leaves_nothing() {
    let host = Host::start();
    let before = host.census();
    let (mut client, member) = host.connected(host.shared_context(IPC, IPC).reconnect(soon()));
    let mut journal = Journal::default();
    drop(member);
    poll_until(&mut client, &mut journal, "AWAIT_NEW_LEADER -> RECONNECTING");
    std::thread::sleep(Duration::from_millis(2));
    client.poll_egress(&mut journal).unwrap();
    client.close();
    host.until_back_at(&before, "a client closed while it reconnected", &mut None);
    assert_eq!(client.poll_egress(&mut journal).unwrap_err().kind(), ErrorKind::Closed);
    assert!(journal.has("RECONNECTING -> CLOSED"), "{:?}", journal.0);
}

#[test]
fn a_client_whose_driver_died_comes_back_with_the_driver() {
    let host = Host::start();
    let dir = host.driver.dir().to_owned();
    let context = host.context(IPC, IPC).driver_timeout(Duration::from_secs(1)).reconnect(soon());
    let (mut client, member) = host.connected(context.new_leader_timeout(PATIENCE));
    let mut journal = Journal::default();
    let Host { aeron, driver, _dir } = host;
    driver.close().unwrap();
    // The end of the egress may be noticed before that of the driver.
    until("the loss", || {
        client.poll_egress(&mut journal).unwrap();
        (client.state() == State::Reconnecting).then_some(())
    });
    assert!(journal.0.iter().any(|entry| entry.starts_with("the Aeron client is closed: ")), "{:?}", journal.0);
    assert!(client.aeron().is_closed());
    drop((member, aeron));

    let driver = MediaDriver::launch(driver_context(&dir)).unwrap();
    let aeron = Aeron::connect(aeron::Context::new().dir(&dir)).unwrap();
    let host = Host { aeron, driver, _dir };
    host.member(IPC).reopen(&mut client, &mut journal, NEXT_SESSION);
    assert!(!client.aeron().is_closed());
    drop(client);
}

#[test]
fn a_client_says_what_is_wrong_with_the_file_of_its_driver() {
    let host = Host::start();
    let cnc = host.driver.dir().join("cnc.dat");
    let clock = MadeUpClock::new();
    let context = clock.set_on(host.context(IPC, IPC)).driver_timeout(Duration::from_secs(1));
    let (mut client, member) = host.connected(context.reconnect(soon().max_attempts(1)));
    let mut journal = Journal::default();
    let version = std::fs::read(&cnc).unwrap()[..4].to_vec();
    let Host { aeron, driver, _dir } = host;
    driver.close().unwrap();
    // Another file in its place: that of the driver is still mapped.
    std::fs::remove_file(&cnc).unwrap();
    std::fs::write(&cnc, [version, vec![0xff; 8_188]].concat()).unwrap();
    until("the end of the Aeron client", || {
        client.poll_egress(&mut journal).unwrap();
        (client.state() == State::Reconnecting && client.aeron().is_closed()).then_some(())
    });
    clock.advance(Duration::from_secs(1));
    let error = until("the end", || client.poll_egress(&mut journal).err());
    let Some(Reason::GaveUp { attempts: 1, error: why }) = client.close_reason() else { panic!("{error}") };
    assert!(why.kind() == ErrorKind::Protocol && why.message().contains("cnc.dat is damaged"), "{why}");
    drop((member, aeron));
}

#[test]
fn a_supplied_aeron_client_that_died_ends_the_client_also_if_it_reconnects() {
    let host = Host::start();
    let context = aeron::Context::new().dir(host.driver.dir()).driver_timeout(Duration::from_secs(1));
    let supplied = Aeron::connect(context).unwrap();
    let (mut client, member) = host.connected(host.context(IPC, IPC).aeron(supplied).reconnect(soon()));
    drop((member, host));
    let error = until("the end", || client.poll_egress(&mut Journal::default()).err());
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(matches!(client.close_reason(), Some(Reason::AeronClosed(Some(_)))), "{:?}", client.close_reason());
}
