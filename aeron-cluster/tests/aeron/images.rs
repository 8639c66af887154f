//! Images, owned and borrowed, from their first message to their end.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Action, Header};
use aeron_cluster::testing::PortBlock;

use crate::rig::{Rig, awaited, image_of, until};

const STREAM: i32 = 9;

#[test]
fn an_unknown_session_gives_the_subscription_back() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc?alias=back", STREAM).unwrap();
    assert!(subscription.image_by_session_id(1).is_none() && subscription.image_at_index(0).is_none());
    let registration_id = subscription.registration_id();
    let back = subscription.into_image(1).expect_err("nobody is connected");
    assert_eq!((back.registration_id(), back.channel()), (registration_id, "aeron:ipc?alias=back"));
}

#[test]
fn an_image_is_told_by_session_index_and_correlation_id() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut senders = [(); 2].map(|()| rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap());
    until("the images", || subscription.image_count() == 2);
    until("room to send", || senders[1].offer(b"from the second").is_ok());
    let (mut session_id, mut correlation_id) = (0, None);
    until("the message", || {
        subscription
            .poll(1, |_, header| (session_id, correlation_id) = (header.session_id(), header.image_correlation_id()))
            .unwrap()
            == 1
    });
    assert_eq!(session_id, senders[1].session_id());
    let image = subscription.image_by_session_id(session_id).unwrap();
    assert_eq!(Some(image.correlation_id()), correlation_id);
    assert_eq!((image.session_id(), image.join_position(), image.position()), (session_id, 0, 64));
    assert!(image.term_buffer_length() == 64 * 1024 && image.mtu_length() > 0);
    assert!(!image.is_closed() && !image.is_end_of_stream());
    drop(image);
    let sessions: Vec<_> = (0..3).filter_map(|i| subscription.image_at_index(i).map(|i| i.session_id())).collect();
    assert!(sessions.len() == 2 && senders.iter().all(|sender| sessions.contains(&sender.session_id())));
    assert!(subscription.has_image(correlation_id.unwrap()) && !subscription.has_image(-1));

    let [_first, second] = senders;
    drop(second);
    until("the image to go", || !subscription.has_image(correlation_id.unwrap()));
    assert!(subscription.image_by_session_id(session_id).is_none());
}

#[test]
fn a_subscription_to_one_session_gets_no_other() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    for channel in ["aeron:ipc?alias=any".to_owned(), format!("aeron:udp?endpoint=127.0.0.1:{}", ports.port(0))] {
        let mut all = rig.aeron.add_subscription(&channel, STREAM).unwrap();
        let session = rig.aeron.next_session_id(STREAM).unwrap();
        let mut chosen = rig.aeron.add_subscription(&format!("{channel}|session-id={session}"), STREAM).unwrap();
        let mut other = rig.aeron.add_exclusive_publication(&channel, STREAM).unwrap();
        let mut wanted =
            rig.aeron.add_exclusive_publication(&format!("{channel}|session-id={session}"), STREAM).unwrap();
        assert!(wanted.session_id() == session && other.session_id() != session);
        until("the images", || all.image_count() == 2 && chosen.image_count() == 1);
        until("room", || other.offer(b"other").is_ok());
        until("room", || wanted.offer(b"wanted").is_ok());
        let mut received = [crate::rig::receive(&mut all), crate::rig::receive(&mut all)];
        received.sort();
        assert_eq!(received, [b"other".to_vec(), b"wanted".to_vec()]);
        assert_eq!(crate::rig::receive(&mut chosen), b"wanted");
        assert_eq!(chosen.poll(9, |_, _| panic!("of another session")), Ok(0));
        assert!(chosen.image_by_session_id(other.session_id()).is_none() && chosen.image_count() == 1);
    }
}

#[test]
fn a_message_ends_at_the_same_position_for_sender_image_and_subscription() {
    const CHANNEL: &str = "aeron:ipc?term-length=64k";
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription(CHANNEL, STREAM).unwrap();
    let image_subscription = rig.aeron.add_subscription(CHANNEL, STREAM).unwrap();
    let mut publication = rig.aeron.add_exclusive_publication(CHANNEL, STREAM).unwrap();
    until("the subscription", || subscription.image_count() == 1);
    let mut image = image_of(image_subscription, publication.session_id());
    // Several terms, which end in padding.
    for length in (0..300).map(|number| number * 37 % 1300) {
        let sent = awaited("room to send", || publication.offer(&[7; 1300][..length]).ok());
        let check = |message: &[u8], header: &Header<'_>| {
            assert_eq!(
                (message.len(), header.position(), header.term_id()),
                (length, sent, publication_term(sent, header))
            );
        };
        until("the message by the image", || image.poll(1, check).unwrap() == 1);
        until("the message by the subscription", || subscription.poll(1, check).unwrap() == 1);
        assert_eq!(image.position(), sent);
    }
    assert!(image.position() > 2 * 64 * 1024);
}

/// The term that a frame before `position` is in.
fn publication_term(position: i64, header: &Header<'_>) -> i32 {
    header.initial_term_id().wrapping_add(((position - 1) >> header.position_bits_to_shift()) as i32)
}

#[test]
fn an_image_ends_with_its_publication() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    for channel in ["aeron:ipc".to_owned(), format!("aeron:udp?endpoint=localhost:{}", ports.port(0))] {
        let subscription = rig.aeron.add_subscription(&channel, STREAM).unwrap();
        let publication = rig.aeron.add_publication(&channel, STREAM).unwrap();
        let other = rig.aeron.add_exclusive_publication(&channel, STREAM).unwrap();
        let mut image = image_of(subscription, publication.session_id());
        assert_eq!((image.session_id(), image.channel()), (publication.session_id(), channel.as_str()));
        let end = [b"last", b"word"].map(|message| awaited("room to send", || publication.offer(message).ok()))[1];
        drop(publication);
        let mut received = Vec::new();
        until("the end of the stream", || {
            assert!(!image.is_closed() || image.position() == end, "closed before all was received");
            let take = |message: &[u8], _: &Header<'_>| {
                received.extend_from_slice(message);
                Action::Continue
            };
            image.controlled_poll(9, take).unwrap();
            image.is_end_of_stream() || image.is_closed()
        });
        until("the image to close", || image.is_closed());
        assert_eq!((received.as_slice(), image.position()), (&b"lastword"[..], end));
        assert_eq!(image.controlled_poll(9, |_, _| panic!("there is nothing")), Ok(0));
        assert_eq!(image.bounded_controlled_poll(i64::MAX, 9, |_, _| panic!("there is nothing")), Ok(0));
        assert!(image.join_position() == 0 && image.mtu_length() > 0 && image.term_buffer_length() == 64 * 1024);
        drop(other);
    }
}

#[test]
fn an_image_tells_where_its_stream_ended() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    for channel in ["aeron:ipc".to_owned(), format!("aeron:udp?endpoint=127.0.0.1:{}", ports.port(0))] {
        let subscription = rig.aeron.add_subscription(&channel, STREAM).unwrap();
        // It lingers, so that a receiver that is slow to see the end of the stream is told of it again.
        let lingering = format!("{channel}{}linger=10s", if channel.contains('?') { '|' } else { '?' });
        let mut exclusive = rig.aeron.add_exclusive_publication(&lingering, STREAM).unwrap();
        let mut image = image_of(subscription, exclusive.session_id());
        let end = [b"last", b"word"].map(|message| awaited("room to send", || exclusive.offer(message).ok()))[1];
        until("the messages", || image.poll(9, |_, _| ()).map(|_| image.position() == end).unwrap());
        assert!(!image.is_end_of_stream() && image.end_of_stream_position().is_none());
        drop(exclusive);
        until("the end of the stream", || image.end_of_stream_position().is_some());
        assert_eq!(image.end_of_stream_position(), Some(end), "{channel}");
        until("the image to close", || image.is_closed());
        assert_eq!(image.end_of_stream_position(), Some(end), "{channel}, closed");
    }
}

#[test]
fn an_image_outlives_everything_else() {
    let mut rig = Rig::new();
    let aeron = crate::rig::client(&rig.dir);
    let subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let mut image = image_of(subscription, publication.session_id());
    until("room to send", || publication.offer(b"kept").is_ok());
    drop(aeron);
    assert_eq!(
        image.controlled_poll(1, |message, _| if message == b"kept" { Action::Continue } else { Action::Abort }),
        Ok(1)
    );
    drop(publication);
    until("the image to close", || image.is_closed());
    rig.kill_driver();
    assert_eq!(image.controlled_poll(1, |_, _| Action::Continue), Ok(0));
    assert_eq!(image.position(), 64);
}

#[test]
fn an_image_tells_where_it_comes_from_and_can_be_rejected() {
    let rig = Rig::new();
    let subscription = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    let publication = rig.aeron.add_publication(&channel, STREAM).unwrap();
    let mut image = image_of(subscription, publication.session_id());
    until("room", || publication.offer(b"here").is_ok());
    until("a message", || image.poll(1, |_, _| {}).unwrap() == 1);
    assert!(image.source_identity().starts_with("127.0.0.1:"), "{}", image.source_identity());
    assert_eq!((image.initial_term_id(), image.position_bits_to_shift()), (publication.initial_term_id(), 16));
    until("a transport", || image.active_transport_count() == 1);
    let position = rig.aeron.counters().value(image.subscriber_position_id());
    assert_eq!((position, image.position()), (Some(64), 64));
    assert_eq!(image.bounded_poll(0, 1, |_, _| {}), Ok(0));

    for reason in ["x".repeat(1024), "a\0b".to_owned()] {
        assert_eq!(image.reject(&reason).expect_err("no reason").kind(), ErrorKind::InvalidArgument);
    }
    image.reject("not wanted").unwrap();
    until("the image to go", || image.is_closed());
    assert!(image.reject("already gone").is_ok());
    // The publication may come back.
    let mut subscription = image.into_subscription();
    awaited("another image", || subscription.image_at_index(0).map(|_| ()));
    let mut shown = Vec::new();
    subscription.for_each_image(|image| shown.push(image.session_id()));
    assert_eq!(shown, [publication.session_id()]);
}
