//! How long a message to a client may be: the same on the member that leads and on those that do not.

use std::io::IoSlice;
use std::sync::mpsc::{Receiver, channel};

use aeron_cluster::aeron::OfferError;
use aeron_cluster::service::{ClientSession, Cluster, Context, Role, Termination};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{message, open_on};
use crate::script::{Log, Script};
use crate::surface::start;

/// What the sends around both limits of a session answer: whether they pass.
type Answers = Vec<Result<(), OfferError>>;

/// Sends until the publication to the client is there and has room.
fn settled<T>(cluster: &Cluster, mut send: impl FnMut() -> Result<T, OfferError>) -> Result<(), OfferError> {
    loop {
        match send() {
            Err(reason) if reason.is_retryable() => cluster.idle(0).unwrap(),
            // The client is about to listen.
            Err(OfferError::NotConnected) if cluster.role() == Role::Leader => cluster.idle(0).unwrap(),
            result => return result.map(drop),
        }
    }
}

fn answers(cluster: &Cluster, session: &ClientSession) -> Answers {
    let (message, claim) = (session.max_message_length(), session.max_payload_length());
    let bytes = vec![1; message + 1];
    let mut answers = Vec::new();
    for length in [0, message, message + 1] {
        answers.push(settled(cluster, || session.offer(&bytes[..length])));
        let (head, tail) = bytes[..length].split_at(length / 3);
        answers.push(settled(cluster, || session.offer_vectored(&[IoSlice::new(head), IoSlice::new(tail)])));
    }
    for length in [0, claim, claim + 1] {
        answers.push(settled(cluster, || session.try_claim(length).map(drop)));
    }
    answers
}

struct Asked {
    script: Script,
    log: Log,
    answers: Receiver<(usize, usize, Answers)>,
}

/// A container that leads in the second of its two logs, and answers each message by what it may send to session 3.
fn ask(configure: impl FnOnce(Context) -> Context, channel_of_client: &str) -> Asked {
    let (sender, receiver) = channel();
    let mut script = start(
        configure,
        |_| {},
        move |cluster| {
            let session = cluster.client_session(3).unwrap();
            let limits = (session.max_message_length(), session.max_payload_length());
            sender.send((limits.0, limits.1, answers(cluster, session))).unwrap();
        },
    );
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &open_on(3, channel_of_client));
    Asked { script, log, answers: receiver }
}

#[test]
fn a_send_is_refused_for_its_length_on_every_member_or_on_none() {
    let driver = |context: Context| context.response_term_length(1024 * 1024);
    for (channel_of_client, limits) in [
        ("aeron:ipc?mtu=2048|term-length=128k", (16 * 1024 - 32, 2048 - 64)),
        ("aeron:ipc", (128 * 1024 - 32, 1408 - 64)),
    ] {
        let Asked { mut script, mut log, answers } = ask(driver, channel_of_client);
        let mut client = script.aeron.add_subscription(channel_of_client, 102).unwrap();
        script.append(&mut log, &message(3, 9, ""));
        let follower = answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!((follower.0, follower.1), limits);
        let long = Err(OfferError::InvalidArgument);
        assert_eq!(follower.2, [Ok(()), Ok(()), Ok(()), Ok(()), long, long, Ok(()), Ok(()), long]);
        log = script.log(log.position);
        script.join(&log, Role::Leader);
        script.append(&mut log, &message(3, 9, ""));
        let leader = loop {
            client.poll(10, |_, _| {}).unwrap();
            match answers.try_recv() {
                Ok(leader) => break leader,
                Err(std::sync::mpsc::TryRecvError::Empty) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(leader, follower, "{channel_of_client}");
        assert_eq!(script.container.close().unwrap(), Termination::Closed);
        assert_eq!(script.errors.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    }
}

#[test]
fn a_driver_that_takes_less_than_the_settings_say_is_told_of_and_refuses_no_length_alone() {
    let (sender, receiver) = channel();
    let on_message = move |cluster: &Cluster| {
        let session = cluster.client_session(3).unwrap();
        while session.offer(b"short").is_err() {
            cluster.idle(0).unwrap();
        }
        sender.send(session.offer(&[0; 200_000]).unwrap_err()).unwrap();
    };
    let mut script = start(|context| context, |_| {}, on_message);
    let _client = script.aeron.add_subscription("aeron:ipc", 102).unwrap();
    let mut log = script.log(0);
    script.join(&log, Role::Leader);
    script.append(&mut log, &open_on(3, "aeron:ipc"));
    script.append(&mut log, &message(3, 9, ""));
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), OfferError::NotConnected);
    let told = script.errors.recv_timeout(PATIENCE).unwrap();
    assert!(
        told.starts_with("the publication to session 3 takes messages of 131072 bytes in packets of 1376"),
        "{told}"
    );
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}
