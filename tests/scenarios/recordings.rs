//! Snapshots as the archive of a member has them.

use std::ops::ControlFlow;

use aeron_cluster::aeron::{Action, Aeron, Context as AeronContext, FrameFlags};
use aeron_cluster::archive::{Archive, Context, ReplayParams};
use aeron_cluster::testing::{PATIENCE, TestCluster, wait_until};

const RESPONSE_STREAM: i32 = 9_001;
const REPLAY_STREAM: i32 = 9_002;

/// One frame: its flags, which tell beginning and end of a message, and what it carries.
pub type Frame = (FrameFlags, Vec<u8>);

/// The latest snapshot of service 0 on a member, frame by frame.
pub fn latest_snapshot(cluster: &TestCluster, member: usize) -> Vec<Frame> {
    let log = cluster.cluster_tool(member, &["recording-log"]).unwrap();
    let entries = log
        .split("Entry{")
        .filter(|entry| ["type=SNAPSHOT", "serviceId=0,", "isValid=true"].iter().all(|part| entry.contains(part)));
    let latest =
        entries.max_by_key(|entry| number_of(entry, "logPosition")).unwrap_or_else(|| panic!("no snapshot: {log}"));
    frames(cluster, member, number_of(latest, "recordingId"))
}

fn number_of(entry: &str, name: &str) -> i64 {
    let value = entry.split(&format!("{name}=")).nth(1).unwrap_or_else(|| panic!("no {name} in {entry}"));
    value.split(',').next().unwrap().parse().unwrap()
}

fn frames(cluster: &TestCluster, member: usize, recording_id: i64) -> Vec<Frame> {
    let aeron = Aeron::connect(AeronContext::new().dir(cluster.aeron_dir(member))).unwrap();
    let context = Context::new(&aeron)
        .control_request_channel("aeron:ipc?term-length=64k")
        .control_request_stream_id(10)
        .control_response_channel("aeron:ipc?term-length=64k")
        .control_response_stream_id(RESPONSE_STREAM)
        .message_timeout(PATIENCE);
    let mut archive = Archive::connect(&context).unwrap();
    let session =
        archive.start_replay(recording_id, "aeron:ipc", REPLAY_STREAM, &ReplayParams::new().position(0)).unwrap();
    let channel = format!("aeron:ipc?session-id={}", session as i32);
    let mut subscription = Some(aeron.add_subscription(&channel, REPLAY_STREAM).unwrap());
    let mut image = wait_until("the image of a replay", PATIENCE, || {
        let found = subscription.take().map(|subscription| subscription.into_image(session as i32));
        Ok(match found {
            Some(Ok(image)) => ControlFlow::Break(image),
            Some(Err(waiting)) => {
                subscription = Some(waiting);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        })
    })
    .unwrap();
    let mut frames = Vec::new();
    wait_until("the end of a replay", PATIENCE, || {
        let polled = image.controlled_poll(100, |fragment, header| {
            frames.push((header.flags(), fragment.to_vec()));
            Action::Continue
        })?;
        let is_done = polled == 0 && image.is_end_of_stream();
        Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(frames.len()) })
    })
    .unwrap();
    frames
}
