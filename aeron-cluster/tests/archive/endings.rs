//! What is left when the archive or the driver goes, and how it goes on.

use std::time::Instant;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context as AeronContext};
use aeron_cluster::archive::{
    Archive, Context, PersistentSubscription, PersistentSubscriptionSettings, ReplayMerge, ReplayMergeSettings,
    ReplayParams, StartFrom,
};
use aeron_cluster::testing::PATIENCE;

use crate::node::Node;
use crate::recordings::recorded;
use crate::{REPLAY_STREAM, STREAM, message, replay, until};

#[test]
fn a_dead_connection_is_replaced_by_a_new_one() {
    let mut node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 10);
    node.archive.stop().expect("it ends");
    let error = until("the archive's end to show", || archive.start_position(recording_id).err());
    assert!(matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::Timeout), "{error}");
    until("its own word for it", || (!archive.is_connected()).then_some(()));
    for _ in 0..2 {
        let error = archive.start_position(recording_id).expect_err("of no more use");
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    }
    node.restart_archive();
    // The old one stays dead, also beside the new one.
    let mut replaced = node.connect();
    assert_eq!(archive.start_position(recording_id).expect_err("of no more use").kind(), ErrorKind::NotConnected);
    drop(archive);
    assert_eq!(replay(&mut replaced, recording_id, 10), (0..10).map(message).collect::<Vec<_>>());
}

#[test]
fn a_child_that_is_forked_does_not_end_its_parents_session() {
    let node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 1);
    let mut held = Some(archive);
    // SAFETY: the child drops its copy of the connection and ends without running anything else of its parent's.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let refused = held.take().map(|mut archive| archive.start_position(recording_id).map_err(|error| error.kind()));
        let is_refused = refused == Some(Err(ErrorKind::State));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!is_refused)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
    assert_eq!(held.expect("the parent's").start_position(recording_id).expect("a session"), Some(0));
}

#[test]
fn merges_and_persistent_subscriptions_outlive_the_driver_without_harm() {
    let node = Node::start();
    let mut archive = node.connect();
    let recording_id = recorded(&mut archive, 10);
    let manual = || node.aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).expect("subscription");
    let settings = ReplayMergeSettings::new(
        recording_id,
        0,
        "aeron:udp",
        "aeron:udp?endpoint=localhost:0",
        format!("aeron:udp?endpoint=localhost:0|control=localhost:{}", node.ports.port(1)),
    );
    let mut merges: Vec<_> = [0, 5, 200]
        .into_iter()
        .map(|steps| {
            let mut merge = ReplayMerge::start(node.connect(), manual(), &settings).expect("a merge");
            for _ in 0..steps {
                merge.poll(1, |_, _| {}).expect("no error");
                std::thread::yield_now();
            }
            merge
        })
        .collect();
    let persistent = PersistentSubscriptionSettings::new(
        node.local(),
        recording_id,
        "aeron:ipc",
        STREAM,
        "aeron:ipc",
        REPLAY_STREAM,
    )
    .start_from(StartFrom::Start);
    let mut persistent = PersistentSubscription::start(persistent).expect("created");
    until("its replay", || {
        persistent.poll(1, |_, _| {}).expect("no error");
        persistent.is_replaying().then_some(())
    });

    let Node { aeron, mut archive, driver, .. } = node;
    archive.kill();
    driver.close().expect("closed");
    let started = Instant::now();
    until("the client's end", || aeron.is_closed().then_some(()));
    assert_eq!(persistent.poll(1, |_, _| {}).expect_err("closed").kind(), ErrorKind::Closed);
    for merge in &mut merges {
        assert_eq!(merge.poll(1, |_, _| {}).expect_err("closed").kind(), ErrorKind::Closed);
    }
    drop((merges, persistent, aeron));
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn all_of_it_works_on_a_client_without_a_conductor_thread() {
    let node = Node::start();
    let context = AeronContext::new().dir(node.driver.dir()).use_conductor_agent_invoker(true);
    let aeron = Aeron::connect(context).expect("client");
    let context = || {
        Context::new(&aeron)
            .control_request_channel(node.control_channel())
            .control_response_channel("aeron:udp?endpoint=localhost:0")
            .message_timeout(PATIENCE)
    };
    let mut archive = Archive::connect(&context()).expect("archive");
    let mut publication =
        archive.add_recorded_exclusive_publication("aeron:ipc?alias=invoked", STREAM).expect("recorded");
    let recording_id = until("its recording", || {
        aeron.do_work().expect("works");
        archive.recording_id(archive.recording_counter(publication.session_id())?)
    });
    let end = crate::send(&mut publication, 20);
    until("all to be recorded", || {
        archive.recording_position(recording_id).expect("asked").filter(|position| *position == end)
    });
    let response = format!("aeron:udp?control-mode=response|control=localhost:{}", node.ports.port(1));
    let mut subscription =
        archive.replay(recording_id, &response, REPLAY_STREAM, &ReplayParams::new()).expect("a replay");
    until("the replay", || {
        aeron.do_work().expect("works");
        (subscription.poll(10, |_, _| {}).expect("polled") > 0).then_some(())
    });

    let settings = PersistentSubscriptionSettings::new(
        context(),
        recording_id,
        "aeron:ipc?alias=invoked",
        STREAM,
        "aeron:ipc",
        REPLAY_STREAM + 1,
    )
    .start_from(StartFrom::Start);
    let mut persistent = PersistentSubscription::start(settings).expect("created");
    let mut received = Vec::new();
    until("what was recorded", || {
        persistent.poll(10, |message, _| received.push(message.to_vec())).expect("no error");
        persistent.is_live().then_some(())
    });
    assert_eq!(received, (0..20).map(message).collect::<Vec<_>>());

    let manual = aeron.add_subscription("aeron:udp?control-mode=manual", STREAM).expect("subscription");
    let live = format!("aeron:udp?endpoint=localhost:0|control=localhost:{}", node.ports.port(2));
    let settings = ReplayMergeSettings::new(recording_id, 0, "aeron:udp", "aeron:udp?endpoint=localhost:0", live);
    let mut merge = ReplayMerge::start(archive, manual, &settings).expect("a merge");
    let mut fragments = 0;
    until("the replay of the merge", || {
        merge.poll(10, |_, _| fragments += 1).expect("no error");
        (fragments > 0).then_some(())
    });
    let (mut archive, _) = merge.finish();
    assert!(archive.list_recording(recording_id).expect("the connection goes on").is_some());
}
