//! What cannot be done is said with the value that was wrong, and what was given up leaves nothing behind.

use std::net::UdpSocket;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, ChannelStatus, Context};
use aeron_cluster::testing::{PortBlock, WorkDir};

use crate::rig::{Rig, until};

const STREAM: i32 = 11;

#[test]
fn a_channel_that_the_driver_refuses_is_named() {
    let rig = Rig::new();
    for channel in ["aeron:udp?endpoint=", "aeron:udp?endpoint=no.such.host.invalid:1", "aeron:tcp", "rubbish", ""] {
        let errors = [
            rig.aeron.add_publication(channel, STREAM).map(drop),
            rig.aeron.add_exclusive_publication(channel, STREAM).map(drop),
            rig.aeron.add_subscription(channel, STREAM).map(drop),
        ];
        for error in errors.map(|result| result.expect_err(channel)) {
            assert_eq!(error.kind(), ErrorKind::Registration, "{channel:?}: {error}");
            assert!(error.message().contains(channel) && error.message().contains("stream 11"), "{error}");
        }
    }
    let mut add = rig.aeron.async_add_publication("aeron:tcp", STREAM).unwrap();
    until("the answer", || !matches!(add.poll(), Ok(None)));
    assert_eq!(add.poll().expect_err("it was answered").kind(), ErrorKind::State);
    assert!(rig.aeron.add_publication("aeron:ipc", STREAM).is_ok());
}

/// The C driver opens sockets before it answers: an add whose channel would be in error is refused.
#[test]
fn an_address_that_another_program_has_is_refused_until_it_is_free() {
    let mut rig = Rig::new();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let channel = format!("aeron:udp?endpoint={}", other.local_addr().unwrap());
    for error in [
        rig.aeron.add_subscription(&channel, STREAM).map(drop),
        rig.aeron.add_publication(&format!("{channel}|control={}", other.local_addr().unwrap()), STREAM).map(drop),
    ] {
        let error = error.expect_err("the address is taken");
        assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
        assert!(error.message().contains(&channel), "{error}");
    }
    drop(other);
    let subscription = rig.aeron.add_subscription(&channel, STREAM).unwrap();
    until("the channel", || subscription.channel_status() == ChannelStatus::Active);
    rig.kill_driver();
    rig.wait_for_the_end();
    assert_eq!(subscription.channel_status(), ChannelStatus::Errored);
}

#[test]
fn values_that_c_cannot_take_never_reach_it() {
    let rig = Rig::new();
    let too_long = format!("aeron:ipc?alias={}", "a".repeat(4080));
    assert_eq!(too_long.len(), 4096);
    let errors = [
        rig.aeron.add_publication(&too_long, STREAM).map(drop),
        rig.aeron.add_exclusive_publication(&too_long, STREAM).map(drop),
        rig.aeron.add_subscription(&too_long, STREAM).map(drop),
        rig.aeron.add_publication("aeron:\0ipc", STREAM).map(drop),
        rig.aeron.add_exclusive_publication("aeron:\0ipc", STREAM).map(drop),
        rig.aeron.add_subscription("aeron:\0ipc", STREAM).map(drop),
        rig.aeron.add_counter(1001, &[0; 113], "").map(drop),
        rig.aeron.add_counter(1001, &[], &"l".repeat(381)).map(drop),
        Aeron::connect(Context::new().dir("a\0b")).map(drop),
        Aeron::connect(Context::new().dir(&rig.dir).client_name("n\0n")).map(drop),
        Aeron::connect(Context::new().dir(&rig.dir).client_name("n".repeat(101))).map(drop),
        Aeron::connect(Context::new().dir("d".repeat(5000))).map(drop),
        Aeron::connect(Context::new().dir(&rig.dir).driver_timeout(Duration::ZERO)).map(drop),
        Aeron::connect(Context::new().dir(&rig.dir).driver_timeout(Duration::MAX)).map(drop),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.expect_err("invalid");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{index}: {error}");
    }
    assert!(Aeron::connect(Context::new().dir(&rig.dir).client_name("n".repeat(100))).is_ok());
    assert!(rig.aeron.add_publication(&too_long[..4095], STREAM).is_ok());
}

#[test]
fn a_directory_without_a_driver_is_named() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("nobody");
    let timeout = Duration::from_millis(100);
    let error = Aeron::connect(Context::new().dir(&dir).driver_timeout(timeout)).expect_err("there is no driver");
    assert_eq!(error.kind(), ErrorKind::DriverDead, "{error}");
    assert!(error.message().contains(&*dir.to_string_lossy()), "{error}");
}

/// The types of the counters that publications and subscriptions have while they are there, and of one of ours.
const PUBLISHER_LIMIT: i32 = 1;
const SEND_CHANNEL: i32 = 6;
const RECEIVE_CHANNEL: i32 = 7;
const OWN: i32 = 1001;

#[test]
fn what_was_given_up_leaves_nothing_in_the_driver() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let udp = format!("aeron:udp?endpoint=localhost:{}", ports.port(0));
    let left = || [PUBLISHER_LIMIT, SEND_CHANNEL, RECEIVE_CHANNEL].map(|type_id| rig.count(type_id));
    for answered in [false, true] {
        let adds = (
            rig.aeron.async_add_publication(&udp, STREAM).unwrap(),
            rig.aeron.async_add_exclusive_publication("aeron:ipc", STREAM).unwrap(),
            rig.aeron.async_add_subscription(&udp, STREAM).unwrap(),
        );
        if answered {
            until("the driver to have added all", || left() == [2, 1, 1]);
        }
        drop(adds);
        // The driver answers in order: it has seen the cancellations' requests before this one.
        drop(rig.aeron.add_counter(OWN, &[], "the last").unwrap());
        until("the driver to have removed all", || left() == [0; 3] && rig.count(OWN) == 0);
    }
}

#[test]
fn an_unanswered_add_may_outlive_its_client_handle_and_its_driver() {
    let mut rig = Rig::new();
    let aeron = crate::rig::client(&rig.dir);
    let forgotten = aeron.async_add_publication("aeron:ipc", STREAM).unwrap();
    let mut late = aeron.async_add_subscription("aeron:ipc", STREAM).unwrap();
    drop(aeron);
    rig.kill_driver();
    until("an end", || late.poll().map_or(true, |added| added.is_some()));
    drop((late, forgotten));
}
