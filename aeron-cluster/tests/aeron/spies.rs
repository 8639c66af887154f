//! Subscriptions to what a publication of the same driver sends, without a receiver.

use aeron_cluster::aeron::{ChannelUri, OfferError};
use aeron_cluster::testing::PortBlock;

use crate::rig::{Rig, receive, until};

const STREAM: i32 = 21;

#[test]
fn a_spy_reads_what_is_sent() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let channel = ChannelUri::udp().endpoint(&format!("127.0.0.1:{}", ports.port(0)));
    let mut spy = rig.aeron.add_subscription(&channel.clone().spy().to_string(), STREAM).unwrap();
    let publication = rig.aeron.add_publication(&channel.spies_simulate_connection(true).to_string(), STREAM).unwrap();
    until("the spy", || spy.is_connected() && publication.is_connected());
    for message in [&b"seen"[..], &[7; 5000]] {
        until("room", || publication.offer(message).is_ok());
        let mut seen = Vec::new();
        while seen.len() < message.len() {
            seen.extend(receive(&mut spy));
        }
        assert_eq!(seen, message);
    }
    let image = spy.image_at_index(0).unwrap();
    assert_eq!((image.session_id(), image.active_transport_count()), (publication.session_id(), 0));
}

#[test]
fn a_spy_alone_is_no_receiver() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let channel = ChannelUri::udp().endpoint(&format!("127.0.0.1:{}", ports.port(0)));
    let mut spy = rig.aeron.add_subscription(&channel.clone().spy().to_string(), STREAM).unwrap();
    let publication = rig.aeron.add_publication(&channel.to_string(), STREAM).unwrap();
    until("the spy", || spy.is_connected());
    assert_eq!(publication.offer(b"unseen"), Err(OfferError::NotConnected));
    let receiver = rig.aeron.add_subscription(&channel.to_string(), STREAM).unwrap();
    until("the receiver", || publication.offer(b"seen").is_ok());
    assert_eq!(receive(&mut spy), b"seen");
    drop(receiver);
}
