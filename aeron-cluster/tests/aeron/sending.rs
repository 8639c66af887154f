//! What publications can do besides sending a message: reserved values, padding, revoking, positions, addresses.

use std::io::IoSlice;

use aeron_cluster::aeron::{ChannelStatus, OfferError, Publication, Subscription};

use crate::rig::{Rig, awaited, until};

const STREAM: i32 = 15;

/// A fragment's payload length and reserved value.
fn receive_values(subscription: &mut Subscription, count: usize) -> Vec<(usize, i64)> {
    let mut received = Vec::new();
    until("the fragments", || {
        subscription.poll(10, |message, header| received.push((message.len(), header.reserved_value()))).unwrap();
        received.len() >= count
    });
    received
}

/// The sum of a frame behind its header, and where it starts in its term.
fn sum_and_offset(frame: &[u8]) -> i64 {
    let sum: i64 = frame[32..].iter().map(|byte| i64::from(*byte)).sum();
    let offset = i32::from_le_bytes(frame[8..12].try_into().unwrap());
    sum * 1_000_000 + i64::from(offset)
}

#[test]
fn each_fragment_has_a_reserved_value_made_of_it() {
    let rig = Rig::new();
    let channel = "aeron:ipc?mtu=1408";
    let mut subscription = rig.aeron.add_subscription(channel, STREAM).unwrap();
    let publication = rig.aeron.add_publication(channel, STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication(channel, STREAM).unwrap();
    until("the images", || subscription.image_count() == 2);
    let payload = publication.max_payload_length();
    let message: Vec<u8> = (0..payload * 2 + 100).map(|at| (at / payload) as u8 + 1).collect();
    let (p, expected) = (payload as i64, [payload, payload, 100]);
    let fragments: Vec<_> =
        [(p, 0), (2 * p, 1408), (300, 2816)].map(|(sum, offset)| sum * 1_000_000 + offset).into_iter().collect();
    let expected: Vec<_> = expected.into_iter().zip(fragments).collect();
    until("room", || publication.offer_with_reserved_value(&message, sum_and_offset).is_ok());
    assert_eq!(receive_values(&mut subscription, 3), expected);
    // C gives the place of the first fragment for each: the supplier gets the right one all the same.
    until("room", || exclusive.offer_with_reserved_value(&message, sum_and_offset).is_ok());
    assert_eq!(receive_values(&mut subscription, 3), expected);

    let (start, rest) = message.split_at(700);
    let pieces = [IoSlice::new(start), IoSlice::new(rest)];
    let next = |(length, value): (usize, i64), by: i64| (length, value + by);
    let by = publication.position().unwrap();
    until("room", || publication.offer_vectored_with_reserved_value(&pieces, sum_and_offset).is_ok());
    assert_eq!(receive_values(&mut subscription, 3), expected.iter().map(|at| next(*at, by)).collect::<Vec<_>>());
    until("room", || exclusive.offer_vectored_with_reserved_value(&pieces, sum_and_offset).is_ok());
    assert_eq!(receive_values(&mut subscription, 3), expected.iter().map(|at| next(*at, by)).collect::<Vec<_>>());
}

#[test]
fn a_claim_has_a_reserved_value() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
    until("the images", || subscription.image_count() == 2);
    for value in [i64::MIN, -1, 0x0102_0304_0506_0708] {
        for mut claim in [publication.try_claim(5).unwrap(), exclusive.try_claim(5).unwrap()] {
            assert_eq!(claim.reserved_value(), 0);
            claim.copy_from_slice(b"claim");
            claim.set_reserved_value(value);
            assert_eq!((claim.reserved_value(), &claim[..]), (value, &b"claim"[..]));
            claim.commit();
            assert_eq!(receive_values(&mut subscription, 1), [(5, value)]);
        }
    }
    let _ = publication.try_claim(0).map(|mut claim| {
        claim.set_reserved_value(9);
        claim.commit()
    });
    assert_eq!(receive_values(&mut subscription, 1), [(0, 9)]);
}

#[test]
fn a_supplier_that_panics_is_heard_and_the_message_is_sent() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    until("a subscriber", || publication.is_connected());
    let offer = || publication.offer_with_reserved_value(b"sent", |_| panic!("no value today"));
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(offer)).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"no value today"));
    assert_eq!(receive_values(&mut subscription, 1), [(4, 0)]);
    // A message that is refused asks for no value.
    drop(subscription);
    until("the subscriber to go", || !publication.is_connected());
    let refused = publication.offer_with_reserved_value(b"late", |_| unreachable!());
    assert_eq!(refused, Err(OfferError::NotConnected));
}

#[test]
fn padding_is_passed_over() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
    until("a subscriber", || exclusive.is_connected());
    assert_eq!(exclusive.append_padding(100), Ok(160));
    assert_eq!(exclusive.append_padding(usize::MAX), Err(OfferError::InvalidArgument));
    assert_eq!(exclusive.append_padding(exclusive.max_message_length() + 1), Err(OfferError::InvalidArgument));
    assert_eq!(exclusive.offer(b"next"), Ok(224));
    assert_eq!(receive_values(&mut subscription, 1), [(4, 0)]);
    assert_eq!(subscription.image_at_index(0).unwrap().position(), 224);
}

#[test]
fn a_revoked_stream_ends_at_once() {
    let rig = Rig::new();
    for by_close in [true, false] {
        let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
        let mut exclusive = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
        let session_id = exclusive.session_id();
        awaited("the image", || subscription.image_by_session_id(session_id).map(|_| ()));
        let image = subscription.into_image(session_id).unwrap();
        assert!(!image.is_publication_revoked() && image.end_of_stream_position().is_none());
        exclusive.offer(b"never received").unwrap();
        if by_close {
            exclusive.revoke_on_close();
            drop(exclusive);
        } else {
            exclusive.revoke();
        }
        until("the image to end", || image.is_closed());
        assert!(image.is_publication_revoked());
    }
}

#[test]
fn constants_tell_where_a_publication_stands() {
    let rig = Rig::new();
    let channel = "aeron:ipc?term-length=64k|init-term-id=7|term-id=9|term-offset=64";
    let exclusive = rig.aeron.add_exclusive_publication(channel, STREAM).unwrap();
    let _subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    assert_eq!((exclusive.initial_term_id(), exclusive.position_bits_to_shift()), (7, 16));
    assert_eq!(exclusive.position(), Ok(2 * 65_536 + 64));
    assert_eq!(exclusive.max_possible_position(), 65_536 << 31);
    assert_eq!(exclusive.original_registration_id(), exclusive.registration_id());
    until("a window", || exclusive.available_window().unwrap() > 0);
    let limit = rig.aeron.counters().value(exclusive.position_limit_id()).unwrap();
    assert_eq!(limit, exclusive.position_limit().unwrap());
    assert_eq!(exclusive.available_window(), Ok(limit - exclusive.position().unwrap()));

    let first = rig.aeron.add_publication("aeron:ipc", STREAM + 1).unwrap();
    let second = rig.aeron.add_publication("aeron:ipc", STREAM + 1).unwrap();
    assert_eq!(second.original_registration_id(), first.registration_id());
    assert_ne!(second.registration_id(), first.registration_id());
}

#[test]
fn a_registration_has_its_id_before_the_answer() {
    let rig = Rig::new();
    fn answered<T>(mut add: aeron_cluster::aeron::AsyncAdd<T>) -> (i64, T) {
        let id = add.registration_id();
        (id, awaited("the answer", || add.poll().unwrap()))
    }
    let (id, publication) = answered(rig.aeron.async_add_publication("aeron:ipc", STREAM).unwrap());
    assert_eq!(publication.registration_id(), id);
    let (id, exclusive) = answered(rig.aeron.async_add_exclusive_publication("aeron:ipc", STREAM).unwrap());
    assert_eq!(exclusive.registration_id(), id);
    let (id, subscription) = answered(rig.aeron.async_add_subscription("aeron:ipc", STREAM).unwrap());
    assert_eq!(subscription.registration_id(), id);
    let (id, counter) = answered(rig.aeron.async_add_counter(1015, &[], "own").unwrap());
    assert_eq!(counter.registration_id(), id);
}

#[test]
fn channels_have_a_status_and_addresses() {
    let rig = Rig::new();
    let subscription = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
    until("the channel", || subscription.channel_status() == ChannelStatus::Active);
    let address = subscription.resolved_endpoint().unwrap().unwrap();
    assert_eq!(subscription.local_addresses().unwrap(), std::slice::from_ref(&address));
    let port = address.strip_prefix("127.0.0.1:").unwrap();
    assert_ne!(port.parse::<u16>().unwrap(), 0);
    let resolved = subscription.try_resolve_channel_endpoint_port().unwrap().unwrap();
    assert_eq!(resolved, format!("aeron:udp?endpoint={address}"));
    assert_eq!(rig.aeron.counters().value(subscription.channel_status_id()), Some(1));

    let publication = rig.aeron.add_publication(&resolved, STREAM).unwrap();
    let exclusive = rig.aeron.add_exclusive_publication(&resolved, STREAM).unwrap();
    until("the channels", || {
        publication.channel_status() == ChannelStatus::Active && exclusive.channel_status() == ChannelStatus::Active
    });
    for addresses in [publication.local_addresses().unwrap(), exclusive.local_addresses().unwrap()] {
        assert!(matches!(&addresses[..], [address] if address.starts_with("127.0.0.1:")), "{addresses:?}");
    }
    let ipc: Publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    assert_eq!(ipc.local_addresses().unwrap(), Vec::<String>::new());
}

#[test]
fn a_session_id_is_one_that_nobody_has() {
    let mut rig = Rig::new();
    let id = rig.aeron.next_session_id(STREAM).unwrap();
    let channel = format!("aeron:ipc?session-id={id}");
    let exclusive = rig.aeron.add_exclusive_publication(&channel, STREAM).unwrap();
    assert_eq!(exclusive.session_id(), id);
    let mut asked = rig.aeron.async_next_session_id(STREAM).unwrap();
    assert_ne!(awaited("an answer", || asked.poll().unwrap()), id);
    assert!(asked.poll().is_err(), "it is over");
    for _ in 0..20 {
        drop(rig.aeron.async_next_session_id(STREAM).unwrap());
    }
    let pending = rig.aeron.async_next_session_id(STREAM);
    rig.kill_driver();
    until("the client to notice", || rig.aeron.is_closed());
    assert!(rig.aeron.next_session_id(STREAM).is_err());
    drop(pending);
}
