//! Frames that lead out of their term. The driver checks each packet by itself, and not what packets that overlap make together.

use std::net::UdpSocket;

use aeron_cluster::Result;
use aeron_cluster::aeron::{Aeron, Image, Subscription};
use aeron_cluster::testing::PortBlock;

use crate::rig::{LONG, Rig, image_of, until};

/// Of the counters that show how far anything has been received (`AERON_COUNTER_RECEIVER_HWM_TYPE_ID`).
const RECEIVED: i32 = 3;
const PADDING: i16 = 0;
const DATA: i16 = 1;
const SETUP: i16 = 5;
const TERM_LENGTH: i32 = 64 * 1024;

/// The frame that each stream begins with.
const FIRST: i32 = 96;
/// The packet in which it ends: what lies there where the second frame begins is payload.
const PAYLOAD: (i32, i32) = (64, 1024);

fn frame(kind: i16, length: i32, rest: &[i32]) -> Vec<u8> {
    let start = [length.to_le_bytes(), [0, 0xC0, kind.to_le_bytes()[0], kind.to_le_bytes()[1]]];
    start.into_iter().chain(rest.iter().map(|value| value.to_le_bytes())).flatten().collect()
}

/// A data frame of a stream, with as many bytes as a packet of that length has.
fn data(stream: i32, kind: i16, offset: i32, length: i32, bytes: i32, payload: &[u8]) -> Vec<u8> {
    let mut packet = frame(kind, length, &[offset, stream, stream, 0, 0, 0]);
    packet.extend_from_slice(payload);
    packet.resize(bytes as usize, 1);
    packet
}

/// Sends streams, without a driver.
struct Sender {
    socket: UdpSocket,
    to: String,
}

impl Sender {
    /// Waits for the image of a stream, whose number its session has too.
    fn set_up(&self, stream: i32, subscription: &mut Subscription) {
        let packet = frame(SETUP, 40, &[0, stream, stream, 0, 0, TERM_LENGTH, 1408, 0]);
        // Once, as all packets here: a driver that is slow loses what comes after too many.
        self.socket.send_to(&packet, &self.to).unwrap();
        until("the image", || subscription.image_count() == 1);
    }

    /// Sends a stream whose second frame is of this kind and length: first the payload that it lies in.
    fn send(&self, aeron: &Aeron, stream: i32, kind: i16, length: i32) {
        let second = data(stream, kind, FIRST, length, PAYLOAD.1 - 32, &[]);
        let (offset, bytes) = PAYLOAD;
        self.socket.send_to(&data(stream, DATA, offset, bytes, bytes, &second), &self.to).unwrap();
        until("the payload", || {
            let counters = aeron.counters();
            let of_stream = |key: &[u8]| key[12..16] == stream.to_le_bytes();
            let id = counters.find(|counter| counter.type_id == RECEIVED && of_stream(counter.key));
            id.and_then(|id| counters.value(id)) == Some((offset + bytes).into())
        });
        self.socket.send_to(&data(stream, DATA, 0, FIRST, FIRST, &[]), &self.to).unwrap();
    }
}

type Poll = fn(&mut Image, &mut Vec<usize>) -> Result<usize>;

/// What polls of an image take of it, again and again: the lengths of the payloads.
const POLLS: [Poll; 3] = [
    |image, taken| image.poll(10, |message, _| taken.push(message.len())),
    |image, taken| image.bounded_poll(i64::MAX, 10, |message, _| taken.push(message.len())),
    |image, taken| image.block_poll(usize::MAX, |block| taken.push(block.bytes.len() - 32)),
];

/// Polls until the first frame is there, and some times more.
fn taken_by(mut poll: impl FnMut(&mut Vec<usize>) -> Result<usize>) -> Vec<usize> {
    let mut taken = Vec::new();
    until("the first frame", || {
        poll(&mut taken).unwrap();
        !taken.is_empty()
    });
    for _ in 0..3 {
        assert_eq!(poll(&mut taken), Ok(0));
    }
    taken
}

#[test]
fn a_poll_does_not_leave_the_term_whatever_length_a_frame_has() {
    // Nobody says again and again that these streams live.
    let rig = Rig::with(|driver| driver.image_liveness_timeout(LONG));
    let ports = PortBlock::reserve().unwrap();
    let to = format!("127.0.0.1:{}", ports.port(0));
    let channel = format!("aeron:udp?endpoint={to}");
    let sender = Sender { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), to };
    // One near i32::MAX ends the C driver itself, whose search for gaps adds it up.
    let lengths = [1, 31, TERM_LENGTH - FIRST + 1, 1 << 20];
    let mut streams = 1..;
    for (kind, length) in lengths.into_iter().flat_map(|length| [(DATA, length), (PADDING, length)]) {
        let mut stream = || {
            let stream = streams.next().unwrap();
            let mut subscription = rig.aeron.add_subscription(&channel, stream).unwrap();
            sender.set_up(stream, &mut subscription);
            sender.send(&rig.aeron, stream, kind, length);
            (subscription, stream)
        };
        let (mut subscription, _) = stream();
        let taken = taken_by(|taken| subscription.poll(10, |message, _| taken.push(message.len())));
        assert_eq!(taken, [FIRST as usize - 32], "{kind} {length}");
        assert_eq!(subscription.image_at_index(0).unwrap().position(), FIRST.into(), "{kind} {length}");
        for poll in POLLS {
            let (subscription, stream) = stream();
            let mut image = image_of(subscription, stream);
            assert_eq!(taken_by(|taken| poll(&mut image, taken)), [FIRST as usize - 32], "{kind} {length}");
            assert_eq!(image.position(), FIRST.into(), "{kind} {length}");
        }
    }
}
