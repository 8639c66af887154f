//! Streams between Rust and programs in Java and C over every media: what Rust sends, they receive and send back.

use std::process::Command;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{self, Action, Aeron, ChannelUri, FragmentAssembler, OfferError};
use aeron_cluster::testing::{DriverKind, PATIENCE, Part, PortBlock, Process, TestCluster};

mod support;
use support::{java_programs, program};

const STREAM: i32 = 3001;
const MESSAGES: u64 = 500;

/// Message `number`: of one fragment or of several.
fn message(number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; 8 + (number as usize * 37) % 4_000];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

/// What the other program is written in.
#[derive(Debug, Clone, Copy)]
enum Other {
    Java,
    C,
}

impl Other {
    /// Receives a stream and sends each message on as the next stream.
    fn echo_stream(self, dir: &str, there: &str, back: &str, stream: i32) -> Command {
        let mut command = match self {
            Other::Java => java_programs().command("EchoStream", [("aeron.dir", dir)]),
            Other::C => {
                let mut command = Command::new(program("c_echo_stream"));
                command.arg(dir);
                command
            }
        };
        command.args([there, back, &stream.to_string(), &MESSAGES.to_string()]);
        command
    }
}

/// The channels of a round trip: Rust's publication and the other's subscription, the other's publication and Rust's subscription.
fn channels(ports: &PortBlock) -> Vec<[String; 4]> {
    let at = |index: u16| format!("127.0.0.1:{}", ports.port(index));
    let same = |there: String, back: String| [there.clone(), there, back.clone(), back];
    let unicast = |index| ChannelUri::udp().endpoint(&at(index)).to_string();
    let group = |index: u16| {
        let endpoint = format!("224.20.30.39:{}", ports.port(index));
        ChannelUri::udp().endpoint(&endpoint).interface("127.0.0.1").to_string()
    };
    let sender = |index| ChannelUri::udp().control(&at(index)).control_mode("dynamic").to_string();
    let receiver = |control, own| ChannelUri::udp().control(&at(control)).endpoint(&at(own)).to_string();
    vec![
        same("aeron:ipc?alias=there".to_owned(), "aeron:ipc?alias=back".to_owned()),
        same(unicast(0), unicast(1)),
        same(group(2), group(4)),
        [sender(6), receiver(6, 7), sender(8), receiver(8, 9)],
    ]
}

fn round_trip(other: Other, aeron: &Aeron, dir: &str, channels: &[String; 4], stream: i32) {
    let [rust_out, other_in, other_out, rust_in] = channels;
    let mut subscription = aeron.add_subscription(rust_in, stream + 1).unwrap();
    let publication = aeron.add_publication(rust_out, stream).unwrap();
    let mut echo = Process::spawn("EchoStream", &other.echo_stream(dir, other_in, other_out, stream)).unwrap();
    echo.wait_for_line("ready", PATIENCE).unwrap();
    let (mut sent, mut received, mut progress) = (0, 0, Instant::now());
    let mut assembler = FragmentAssembler::new();
    while received < MESSAGES {
        if sent < MESSAGES && sent < received + 50 {
            match publication.offer(&message(sent)) {
                Ok(_) => sent += 1,
                Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => {}
                Err(reason) => panic!("{rust_out}: {reason}"),
            }
        }
        let take = |fragment: &[u8], header: &aeron::Header<'_>| {
            assembler.on_fragment(fragment, header, |bytes, _| {
                assert!(bytes == message(received), "{other_out}: message {received} came back as another");
                received += 1;
                progress = Instant::now();
                Action::Continue
            })
        };
        if subscription.controlled_poll(10, take).unwrap() == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
        assert!(progress.elapsed() < PATIENCE, "{rust_out}: {sent} sent, {received} came back");
    }
    drop(subscription);
    echo.wait_for_line(&format!("sent {MESSAGES}"), PATIENCE).unwrap();
    echo.wait_for_success(PATIENCE).unwrap();
}

fn over_every_media(other: Other, driver: DriverKind) {
    let mut cluster = TestCluster::builder().driver(driver).create().unwrap();
    cluster.start_part(0, Part::Driver).unwrap();
    let dir = cluster.aeron_dir(0).to_str().unwrap().to_owned();
    let aeron = Aeron::connect(aeron::Context::new().dir(&dir)).unwrap();
    let ports = PortBlock::reserve().unwrap();
    for (index, channels) in (0..).zip(&channels(&ports)) {
        round_trip(other, &aeron, &dir, channels, STREAM + 10 * index);
    }
}

#[test]
fn java_sends_back_what_rust_sends_over_every_media_of_the_c_driver() {
    over_every_media(Other::Java, DriverKind::C);
}

#[test]
fn java_sends_back_what_rust_sends_over_every_media_of_the_java_driver() {
    over_every_media(Other::Java, DriverKind::Java);
}

#[test]
fn c_sends_back_what_rust_sends_over_every_media_of_the_c_driver() {
    over_every_media(Other::C, DriverKind::C);
}

#[test]
fn c_sends_back_what_rust_sends_over_every_media_of_the_java_driver() {
    over_every_media(Other::C, DriverKind::Java);
}
