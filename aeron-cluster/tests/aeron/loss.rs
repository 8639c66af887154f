//! A driver that loses packets, and messages that arrive all the same.

use aeron_cluster::aeron::{Action, CncFile, FragmentAssembler, OfferError};
use aeron_cluster::testing::WorkDir;

use crate::death::start_driver_with;
use crate::rig::{awaited, client, until};

const STREAM: i32 = 23;
const MESSAGES: u64 = 300;

fn message(number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; 8 + (number as usize * 53) % 6_000];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

#[test]
fn what_is_lost_is_sent_again_and_reported() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let mut driver = start_driver_with(
        &dir,
        &[
            ("AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS", "loss"),
            ("AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS", "rate=0.2|recv-msg-mask=0x2|seed=7"),
        ],
    );
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
