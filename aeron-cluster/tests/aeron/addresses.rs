//! Addresses and ports that the system chooses, of both versions of IP.

use aeron_cluster::aeron::{ChannelUri, Publication};

use crate::rig::{Rig, awaited, receive, until};

const STREAM: i32 = 24;

/// The address that a publication has, once its socket is there.
fn local_address(publication: &Publication) -> String {
    let addresses = awaited("the address", || {
        let addresses = publication.local_addresses().unwrap();
        (!addresses.is_empty()).then_some(addresses)
    });
    let [address] = &addresses[..] else { panic!("{addresses:?}") };
    address.clone()
}

#[test]
fn a_port_of_the_systems_choice_over_ipv6() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:udp?endpoint=[::1]:0", STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    let uri: ChannelUri = channel.parse().unwrap();
    let port = uri.get("endpoint").and_then(|endpoint| endpoint.strip_prefix("[::1]:")).expect("an address of IPv6");
    assert_ne!(port.parse(), Ok(0u16), "{channel}");
    assert_eq!(subscription.local_addresses().unwrap(), [format!("[::1]:{port}")]);
    let publication = rig.aeron.add_publication(&channel, STREAM).unwrap();
    until("the receiver", || publication.offer(b"over six").is_ok());
    assert_eq!(receive(&mut subscription), b"over six");
    assert!(local_address(&publication).starts_with("[::1]:"));
}

#[test]
fn a_control_address_with_a_port_of_the_systems_choice() {
    let rig = Rig::new();
    for host in ["127.0.0.1", "[::1]"] {
        let channel = ChannelUri::udp().control(&format!("{host}:0")).control_mode("dynamic").to_string();
        let publication = rig.aeron.add_publication(&channel, STREAM).unwrap();
        let control = local_address(&publication);
        assert!(control.starts_with(host) && !control.ends_with(":0"), "{control}");
        let channel = ChannelUri::udp().endpoint(&format!("{host}:0")).control(&control).control_mode("dynamic");
        let mut subscribers =
            [(); 2].map(|()| rig.aeron.add_subscription(&channel.to_string(), STREAM).expect("subscription"));
        until("both", || subscribers.iter().all(|subscriber| subscriber.is_connected()));
        until("room", || publication.offer(b"to all").is_ok());
        for subscriber in &mut subscribers {
            assert_eq!(receive(subscriber), b"to all");
        }
    }
}
