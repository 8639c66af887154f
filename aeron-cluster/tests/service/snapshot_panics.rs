//! Panics in what is called while a snapshot is read or written.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use aeron_cluster::Result;
use aeron_cluster::aeron::Header;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ServiceError, SnapshotImage, SnapshotPublication, SnapshotReader,
    SnapshotWriter, Termination,
};
use aeron_cluster::testing::{Part, TestCluster};

use crate::probe::Probe;
use crate::script::{Recovery, Script, Stage};

/// A message of several fragments, and what follows it framed, in messages of one.
const LONG: &[u8] = &[5; 5_000];
const STATE: &[u8] = &[7; 300_000];

/// A service with a state that never changes, and where it panics.
struct Failing(&'static str);

/// Polls until the handler has panicked.
fn until_it_panics(cluster: &Cluster, mut poll: impl FnMut() -> Result<usize>) -> Result<(), ServiceError> {
    loop {
        match catch_unwind(AssertUnwindSafe(&mut poll)) {
            Ok(fragments) => cluster.idle(fragments?)?,
            Err(payload) => {
                assert_eq!(payload.downcast_ref(), Some(&"handler"));
                return Ok(());
            }
        }
    }
}

impl ClusteredService for Failing {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        let Some(snapshot) = snapshot else { return Ok(()) };
        match self.0 {
            "messages" => {
                until_it_panics(cluster, || snapshot.controlled_poll(10, |_, _| std::panic::panic_any("handler")))?
            }
            "fragments" => until_it_panics(cluster, || {
                snapshot.controlled_poll_fragments(10, |_, _| std::panic::panic_any("handler"))
            })?,
            _ => {}
        }
        let long = snapshot.read_message(cluster)?;
        assert!(long.as_deref() == Some(LONG), "another message");
        let reader = SnapshotReader::open(cluster, snapshot, "state", 1..=1)?;
        let mut reader = reader.on_progress(1_000, |_| assert_ne!(self.0, "reader", "as told"));
        let mut state = Vec::new();
        reader.read_to_end(&mut state)?;
        reader.finish()?;
        assert!(state == STATE, "another state");
        Ok(())
    }

    fn on_session_message(&mut self, _: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {}

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        snapshot.write_message(cluster, LONG)?;
        let writer = SnapshotWriter::new(cluster, snapshot, "state", 1)?;
        let mut writer = writer.on_progress(1_000, |_| assert_ne!(self.0, "writer", "as told"));
        writer.write_all(STATE)?;
        writer.finish()?;
        Ok(())
    }
}

fn launch(stage: &Stage, recovery: &Recovery, at: &'static str) -> Script {
    stage.launch_service(recovery, Failing(at), Probe::new().1, |context| context)
}

/// The error of a container whose acknowledgement says that what it did failed.
fn failed(mut script: Script) -> String {
    // The driver may still have the publication of the container before, and its acknowledgements with it.
    std::iter::repeat_with(|| script.ack()).find(|ack| ack.relevant_id == -1).unwrap();
    script.ended().0.unwrap_err().to_string()
}

#[test]
fn a_handler_of_a_snapshot_loses_nothing_and_progress_ends_the_node() {
    let stage = Stage::with(TestCluster::builder(), &[Part::Driver, Part::Archive]);
    let mut script = launch(&stage, &Recovery::NOTHING, "nowhere");
    script.started(&Recovery::NOTHING);
    let (_log, log_position) = script.take_snapshot();
    let recording_id = script.ack().relevant_id;
    assert_ne!(recording_id, -1, "the snapshot failed");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);

    let recovery = |cluster_id| Recovery {
        cluster_id,
        leadership_term_id: 0,
        log_position,
        timestamp: 6,
        recording_id: Some(recording_id),
    };
    for (cluster_id, at) in [(1, "messages"), (2, "fragments")] {
        let mut script = launch(&stage, &recovery(cluster_id), at);
        let ack =
            std::iter::repeat_with(|| script.ack()).find(|ack| ack.log_position == log_position && ack.ack_id == 0);
        assert_ne!(ack.unwrap().relevant_id, -1, "{at}: the start failed");
        assert_eq!(script.container.close().unwrap(), Termination::Closed, "{at}");
    }
    let error = failed(launch(&stage, &recovery(3), "reader"));
    assert!(error.contains("panicked in on_start") && error.contains("as told"), "{error}");

    let recovery = Recovery { cluster_id: 4, ..Recovery::NOTHING };
    let mut script = launch(&stage, &recovery, "writer");
    std::iter::repeat_with(|| script.ack()).find(|ack| ack.log_position == 0).unwrap();
    let _log = script.take_snapshot();
    let error = failed(script);
    assert!(error.contains("panicked in on_take_snapshot") && error.contains("as told"), "{error}");
}
