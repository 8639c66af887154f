//! A driver that loses packets, and messages that arrive all the same.

use std::path::Path;

use aeron_cluster::aeron::{Action, CncFile, FragmentAssembler, Header, OfferError};
use aeron_cluster::testing::{Process, WorkDir};

use crate::killable::start_driver;
use crate::rig::{awaited, client, until};

const STREAM: i32 = 23;
const MESSAGES: u64 = 300;

fn message(number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; 8 + (number as usize * 53) % 6_000];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

/// A driver that does not receive one packet of data in five.
fn losing_driver(dir: &Path) -> Process {
    let settings = [
        ("AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS", "loss"),
        ("AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS", "rate=0.2|recv-msg-mask=0x2|seed=7"),
    ];
    start_driver(dir, &settings)
}

/// A stream whose receiver passes over what is missing: whole messages around the gaps, and none that is put together across one.
#[test]
fn what_is_lost_of_an_unreliable_stream_leaves_a_gap() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let mut driver = losing_driver(&dir);
    let aeron = client(&dir);
    let channel = "aeron:udp?endpoint=127.0.0.1:0|reliable=false";
    let mut subscription = aeron.add_subscription(channel, STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    let publication = aeron.add_publication(&channel, STREAM).unwrap();
    let (mut sent, mut received) = (0, Vec::new());
    let mut assembler = FragmentAssembler::new();
    until("the end of the stream", || {
        while sent < MESSAGES && publication.offer(&message(sent)).is_ok() {
            sent += 1;
        }
        let take = |fragment: &[u8], header: &Header<'_>| {
            assembler.on_fragment(fragment, header, |bytes, _| {
                let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                assert!(bytes == message(number), "message {number} came as another");
                received.push(number);
                Action::Continue
            })
        };
        subscription.controlled_poll(100, take).unwrap();
        // On a machine that has no time for it, the image is another one by now.
        let image = subscription.image_by_session_id(publication.session_id());
        sent == MESSAGES && image.is_some_and(|image| Ok(image.position()) == publication.position())
    });
    assert!(received.is_sorted() && !received.is_empty());
    assert!(received.len() < MESSAGES as usize, "nothing was lost");
    drop((aeron, subscription, publication));
    driver.kill();
}

#[test]
fn what_is_lost_is_sent_again_and_reported() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let mut driver = losing_driver(&dir);
    let aeron = client(&dir);
    let mut subscription = aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    let publication = aeron.add_publication(&channel, STREAM).unwrap();
    let (mut sent, mut received) = (0, 0);
    let mut assembler = FragmentAssembler::new();
    until("all to arrive", || {
        while sent < MESSAGES {
            match publication.offer(&message(sent)) {
                Ok(_) => sent += 1,
                Err(reason) => {
                    assert!(reason.is_retryable() || reason == OfferError::NotConnected, "{reason}");
                    break;
                }
            }
        }
        subscription
            .controlled_poll(100, |fragment, header| {
                assembler.on_fragment(fragment, header, |bytes, _| {
                    assert!(bytes == message(received), "message {received} came as another");
                    received += 1;
                    Action::Continue
                })
            })
            .unwrap();
        received == MESSAGES
    });
    let losses = CncFile::open(&dir, std::time::Duration::ZERO).unwrap().losses().unwrap();
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((loss.stream_id, loss.session_id), (STREAM, publication.session_id()));
    assert!(loss.total_bytes_lost > 0 && loss.observation_count > 0, "{loss:?}");
    assert!(loss.channel.contains("127.0.0.1") && loss.source.contains("127.0.0.1"), "{loss:?}");
    drop((aeron, subscription, publication));
    driver.kill();
}
