//! Publications to several destinations, subscriptions at several, and what the driver says against some.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{AsyncDestination, ChannelUri, Subscription};
use aeron_cluster::testing::PortBlock;

use crate::rig::{Rig, awaited, receive, until};

const STREAM: i32 = 18;

/// A subscription at a port of the driver's choice, and its channel with that port.
fn receiver(rig: &Rig) -> (Subscription, String) {
    let subscription = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    (subscription, channel)
}

fn done(mut destination: AsyncDestination) -> i64 {
    until("the driver", || destination.poll().unwrap());
    assert_eq!(destination.poll().expect_err("it is over").kind(), ErrorKind::State);
    destination.registration_id()
}

#[test]
fn a_publication_sends_to_its_destinations() {
    let rig = Rig::new();
    let (mut first, first_channel) = receiver(&rig);
    let (mut second, second_channel) = receiver(&rig);
    let channel = ChannelUri::udp().control_mode("manual").to_string();
    let publication = rig.aeron.add_publication(&channel, STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication(&channel, STREAM).unwrap();
    let id = publication.add_destination(&first_channel).unwrap();
    let exclusive_id = done(exclusive.async_add_destination(&second_channel).unwrap());
    assert_ne!(id, exclusive_id);
    until("the receivers", || publication.is_connected() && exclusive.is_connected());
    until("room", || publication.offer(b"to the first").is_ok());
    until("room", || exclusive.offer(b"to the second").is_ok());
    assert_eq!((receive(&mut first), receive(&mut second)), (b"to the first".to_vec(), b"to the second".to_vec()));

    publication.remove_destination_by_id(id).unwrap();
    exclusive.remove_destination(&second_channel).unwrap();
    until("the receivers to go", || !first.is_connected() && !second.is_connected());
    let id = done(publication.async_add_destination(&second_channel).unwrap());
    done(publication.async_remove_destination_by_id(id).unwrap());
    done(exclusive.async_add_destination(&first_channel).unwrap());
    done(exclusive.async_remove_destination(&first_channel).unwrap());
    let id = exclusive.add_destination(&first_channel).unwrap();
    exclusive.remove_destination_by_id(id).unwrap();
    done(publication.async_add_destination(&first_channel).unwrap());
    done(publication.async_remove_destination(&first_channel).unwrap());
    publication.remove_destination(&first_channel).unwrap();
}

#[test]
fn a_subscription_receives_at_its_destinations() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let channels =
        [0, 1].map(|index| ChannelUri::udp().endpoint(&format!("127.0.0.1:{}", ports.port(index))).to_string());
    let mut subscription = rig.aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).unwrap();
    subscription.add_destination(&channels[0]).unwrap();
    done(subscription.async_add_destination(&channels[1]).unwrap());
    until("both", || subscription.local_addresses().unwrap().len() == 2);
    let publications = channels.each_ref().map(|channel| rig.aeron.add_publication(channel, STREAM).unwrap());
    for publication in &publications {
        until("the receiver", || publication.offer(b"here").is_ok());
        assert_eq!(receive(&mut subscription), b"here");
    }
    subscription.remove_destination(&channels[0]).unwrap();
    done(subscription.async_remove_destination(&channels[1]).unwrap());
    until("both to go", || subscription.local_addresses().unwrap().is_empty());
}

#[test]
fn a_subscription_receives_through_shared_memory_and_as_a_spy_too() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let udp = format!("aeron:udp?ssc=true|endpoint=127.0.0.1:{}", ports.port(0));
    let mut subscription = rig.aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).unwrap();
    // Once before there is a publication, and once after.
    subscription.add_destination("aeron:ipc").unwrap();
    let publications = ["aeron:ipc", &udp].map(|channel| rig.aeron.add_publication(channel, STREAM).unwrap());
    subscription.add_destination(&format!("aeron-spy:{udp}")).unwrap();
    until("both images", || subscription.image_count() == 2);
    for publication in &publications {
        until("the subscription", || publication.offer(b"through memory").is_ok());
        assert_eq!(receive(&mut subscription), b"through memory");
    }
    let [ipc, spied] = publications;
    let of_spied = |subscription: &mut Subscription| subscription.image_by_session_id(spied.session_id()).is_some();
    subscription.remove_destination("aeron:ipc").unwrap();
    until("one to go", || subscription.image_count() == 1 && of_spied(&mut subscription));
    until("its publication to notice", || !ipc.is_connected());
    drop(spied);
    until("the other to go", || subscription.image_count() == 0);
}

#[test]
fn what_the_driver_says_against_a_destination_is_told() {
    let rig = Rig::new();
    let plain = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let error = plain.add_destination("aeron:udp?endpoint=127.0.0.1:1").expect_err("it has no destinations");
    assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
    assert!(error.message().starts_with("cannot add the destination aeron:udp?endpoint=127.0.0.1:1"), "{error}");
    let error = plain.add_destination(&"x".repeat(5000)).expect_err("no channel");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let unknown = rig.aeron.add_publication("aeron:udp?control-mode=manual", STREAM).unwrap();
    let error = unknown.add_destination("aeron:tcp?endpoint=127.0.0.1:1").expect_err("no channel");
    assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
}

#[test]
fn destinations_that_nobody_waits_for_are_added_and_forgotten() {
    let mut rig = Rig::new();
    let (mut receiver, channel) = receiver(&rig);
    let publication = rig.aeron.add_publication("aeron:udp?control-mode=manual", STREAM).unwrap();
    for _ in 0..50 {
        drop(publication.async_add_destination(&channel).unwrap());
        drop(publication.async_remove_destination(&channel).unwrap());
    }
    drop(publication.async_add_destination(&channel).unwrap());
    until("the receiver", || publication.offer(b"there").is_ok());
    assert_eq!(receive(&mut receiver), b"there");
    let pending = publication.async_add_destination(&channel).unwrap();
    drop(publication);
    rig.kill_driver();
    rig.wait_for_the_end();
    drop(pending);
    let error = receiver.add_destination(&channel).expect_err("the driver is dead");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(error.message().contains(&channel) && error.message().contains("driver timeout"), "{error}");
}
