//! A client of the Java driver, where that might do otherwise than the C driver.

use std::net::UdpSocket;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::ChannelStatus;
use aeron_cluster::testing::{Java, Process, WorkDir};

use crate::rig::{client, receive, until};

const STREAM: i32 = 29;

/// It sets the status of the channel to be in error, and refuses the add, as the C driver does: no handle has a channel in error.
#[test]
fn an_address_that_another_program_has_is_refused_by_javas_driver_too() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let properties = [("aeron.dir", dir.to_str().unwrap()), ("aeron.threading.mode", "SHARED")];
    let command = Java::aeron_all().unwrap().command("io.aeron.driver.MediaDriver", properties);
    let mut driver = Process::spawn("Java driver", &command).unwrap();
    let aeron = client(&dir);
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let channel = format!("aeron:udp?endpoint={}", other.local_addr().unwrap());
    let error = aeron.add_subscription(&channel, STREAM).expect_err("the address is taken");
    assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
    assert!(error.message().contains(&channel) && error.message().contains("already in use"), "{error}");

    drop(other);
    let mut subscription = aeron.add_subscription(&channel, STREAM).unwrap();
    let publication = aeron.add_publication(&channel, STREAM).unwrap();
    until("the subscriber", || publication.offer(b"through Java").is_ok());
    assert_eq!(receive(&mut subscription), b"through Java");
    assert_eq!(
        (subscription.channel_status(), publication.channel_status()),
        (ChannelStatus::Active, ChannelStatus::Active)
    );
    drop((subscription, publication, aeron));
    driver.kill();
}
