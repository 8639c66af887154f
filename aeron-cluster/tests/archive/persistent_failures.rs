//! What a persistent subscription cannot do, by its codes and words, and how it goes on when the archive comes back.

use std::sync::mpsc;

use aeron_cluster::archive::{
    ArchiveErrorCode, Context, PersistentSubscription, PersistentSubscriptionListener, PersistentSubscriptionSettings,
    SourceLocation, StartFrom,
};
use aeron_cluster::security::CredentialsSupplier;
use aeron_cluster::{Error, ErrorKind};

use crate::node::Node;
use crate::recordings::{recorded, recorded_on};
use crate::{REPLAY_STREAM, STREAM, await_recorded, message, recording_of, send, until, with_session_id};

const CHANNEL: &str = "aeron:ipc?alias=kept";

/// Keeps the errors.
struct Errors(mpsc::Sender<Error>);

impl PersistentSubscriptionListener for Errors {
    fn on_error(&mut self, error: &Error) {
        _ = self.0.send(error.clone());
    }
}

fn follow(
    context: Context,
    recording_id: i64,
    live: (&str, i32),
    start: StartFrom,
) -> (PersistentSubscription, mpsc::Receiver<Error>) {
    let (sender, errors) = mpsc::channel();
    let settings =
        PersistentSubscriptionSettings::new(context, recording_id, live.0, live.1, "aeron:ipc", REPLAY_STREAM)
            .start_from(start)
            .listener(Errors(sender));
    (PersistentSubscription::start(settings).expect("created"), errors)
}

/// Polls it until it fails. It stays so, and its listener heard the same.
fn failure((mut persistent, errors): (PersistentSubscription, mpsc::Receiver<Error>)) -> Error {
    let error = until("its failure", || persistent.poll(10, |_, _| {}).err());
    assert!(persistent.has_failed() && !persistent.is_live() && !persistent.is_replaying());
    assert_eq!(persistent.failure().as_ref(), Some(&error));
    assert_eq!(persistent.poll(10, |_, _| {}).expect_err("for good"), error);
    assert_eq!(errors.try_iter().last().as_ref(), Some(&error));
    error
}

#[test]
pub fn what_does_not_fit_the_recording_fails_with_its_code_and_words() {
    const START: i64 = 1_024;
    let node = Node::start();
    let mut archive = node.connect();
    let late = format!("aeron:ipc?alias=kept|init-term-id=0|term-id=0|term-offset={START}|term-length=64k");
    let recording_id = recorded_on(&mut archive, &late, |publication| _ = send(publication, 10));
    let end = archive.stop_position(recording_id).expect("asked").expect("stopped");
    let live = (CHANNEL, STREAM);
    let failing = |live, start| failure(follow(node.remote(), recording_id, live, start));
    for (error, words) in [
        (failing((CHANNEL, STREAM + 1), StartFrom::Start), "does not match stream ID"),
        (failing(live, StartFrom::Position(0)), "less than recording start position=1024"),
        (failing(live, StartFrom::Position(end + 32)), "must be less than the limit position"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    // These two the archive and the driver say, with codes of their own.
    let error = failing(live, StartFrom::Position(START + 32));
    assert_eq!(error.kind(), ErrorKind::Archive, "{error}");
    assert_eq!(ArchiveErrorCode::of(&error), Some(ArchiveErrorCode::InvalidPosition), "{error}");
    let error = failing(("aeron:udp", STREAM), StartFrom::Live);
    assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
}

#[test]
fn a_live_stream_that_is_not_the_recordings_is_a_failure_with_words() {
    let node = Node::start();
    let mut archive = node.connect();
    let mut publication = archive.add_recorded_exclusive_publication(CHANNEL, STREAM).expect("recorded");
    let (recording_id, counter) = recording_of(&mut archive, publication.session_id());
    let position = send(&mut publication, 5);
    await_recorded(&mut archive, recording_id, counter, position);
    let mut followers =
        [StartFrom::Start, StartFrom::Live].map(|start| follow(node.remote(), recording_id, (CHANNEL, STREAM), start));
    for (persistent, _) in &mut followers {
        until("it to be live", || {
            persistent.poll(10, |_, _| {}).expect("no error");
            persistent.is_live().then_some(())
        });
    }
    // What is sent after the recording's end nobody can catch up with; and a new stream starts before it.
    archive.stop_recording_exclusive_publication(&publication).expect("stopped");
    for number in 0..5 {
        until("room to send", || publication.offer(&message(number)).ok());
    }
    for (persistent, _) in &mut followers {
        let mut count = 0;
        until("what is not recorded", || {
            persistent.poll(10, |_, _| count += 1).expect("no error");
            (count >= 5).then_some(())
        });
    }
    drop(publication);
    for follower in followers {
        let error = failure(follower);
        assert_eq!(error.kind(), ErrorKind::Archive, "{error:?}");
        assert!(error.message().contains("earlier than last observed live position"), "{error:?}");
    }
}

/// Is never let in.
struct Stranger;

impl CredentialsSupplier for Stranger {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        b"foe".to_vec()
    }

    fn on_challenge(&mut self, _encoded_challenge: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn one_who_is_not_let_in_tries_again_and_says_so() {
    let node = Node::with_properties(&[("aeron.archive.authenticator.supplier", "PasswordAuthenticator")]);
    let (mut persistent, errors) =
        follow(node.remote().credentials_supplier(Stranger), 0, (CHANNEL, STREAM), StartFrom::Live);
    let mut told = Vec::new();
    until("two refusals", || {
        persistent.poll(10, |_, _| {}).expect("it tries again");
        told.extend(errors.try_iter().map(|error| error.kind()));
        (told.len() >= 2).then_some(())
    });
    assert!(told.iter().all(|kind| *kind == ErrorKind::Authentication), "{told:?}");
}

#[test]
fn an_archive_that_comes_back_is_used_again_from_where_it_was_lost() {
    let mut node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 60);
    let (mut persistent, _errors) = follow(node.remote(), recording_id, (CHANNEL, STREAM), StartFrom::Start);
    let mut received = Vec::new();
    until("some of it", || {
        persistent.poll(1, |message, _| received.push(message.to_vec())).expect("no error");
        (received.len() >= 10).then_some(())
    });
    node.archive.stop().expect("it ends");
    until("the loss of the archive", || {
        persistent.poll(1, |message, _| received.push(message.to_vec())).expect("it waits for the archive");
        (!persistent.is_replaying()).then_some(())
    });
    assert!(!persistent.has_failed());
    node.restart_archive();
    until("the rest", || {
        persistent.poll(10, |message, _| received.push(message.to_vec())).expect("no error");
        (received.len() >= 60).then_some(())
    });
    assert!(received == (0..60).map(message).collect::<Vec<_>>(), "{} messages, not as they were", received.len());

    // And where its recording is continued, it is live.
    let mut archive = node.connect();
    let continuing = archive.list_recording(recording_id).expect("listed").expect("there");
    let channel = continuing.continuing_channel(CHANNEL).expect("a channel");
    let mut publication = node.aeron.add_exclusive_publication(&channel, STREAM).expect("publication");
    let recorded = with_session_id(&channel, publication.session_id());
    archive.extend_recording(recording_id, &recorded, STREAM, SourceLocation::Local, true).expect("extended");
    send_and_receive(&mut publication, &mut persistent);

    // It stays live without the archive.
    node.archive.stop().expect("it ends");
    send_and_receive(&mut publication, &mut persistent);
    assert_eq!((persistent.live_joined_count(), persistent.live_left_count()), (1, 0));
}

/// Ten messages come live, whole and once.
fn send_and_receive(
    publication: &mut aeron_cluster::aeron::ExclusivePublication,
    persistent: &mut PersistentSubscription,
) {
    let mut received = Vec::new();
    let mut number = 0;
    until("ten messages, live", || {
        if number < 10 && publication.offer(&message(number)).is_ok() {
            number += 1;
        }
        persistent.poll(10, |message, _| received.push(message.to_vec())).expect("no error");
        (received.len() >= 10 && persistent.is_live()).then_some(())
    });
    assert_eq!(received, (0..10).map(message).collect::<Vec<_>>());
}
