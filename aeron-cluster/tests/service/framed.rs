//! Framed snapshots through the official archive, with a consensus module played by the test.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::Header;
use aeron_cluster::codec::{ActionFlags, ClusterAction};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Role, ServiceError, SnapshotImage, SnapshotPublication, SnapshotReader,
    SnapshotWriter, Termination,
};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster};
use aeron_cluster::{Error, ErrorKind};

use crate::messages::{action, message};
use crate::probe::Probe;
use crate::script::{Recovery, Script, Stage};

/// More than what one packet, one message and one term of the snapshot's publication hold would be slow; this is many packets.
const STATE_LENGTH: usize = 3_000_000;

/// A service with a large state, and how it is to write it next.
struct Ledger {
    state: Arc<Mutex<Vec<u8>>>,
    how: Arc<Mutex<How>>,
}

#[derive(Clone, Copy)]
enum How {
    Framed,
    Unfinished,
    Raw,
}

impl ClusteredService for Ledger {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        let Some(snapshot) = snapshot else { return Ok(()) };
        let mut told = 0;
        let mut reader =
            SnapshotReader::open(cluster, snapshot, "ledger", 1..=2)?.on_progress(1_000_000, |_| told += 1);
        assert_eq!((reader.version(), reader.progress().total), (2, Some(STATE_LENGTH as u64)));
        let mut state = Vec::new();
        reader.read_to_end(&mut state)?;
        assert_eq!(reader.finish()?.bytes, STATE_LENGTH as u64);
        assert_eq!(told, 2);
        *self.state.lock().unwrap() = state;
        Ok(())
    }

    fn on_session_message(&mut self, _: &Cluster, _: Option<&ClientSession>, _: i64, message: &[u8], _: &Header<'_>) {
        *self.state.lock().unwrap() = message.iter().copied().cycle().take(STATE_LENGTH).collect();
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        let how = *self.how.lock().unwrap();
        if let How::Raw = how {
            let too_long = vec![0; snapshot.max_message_length() + 1];
            let error = snapshot.write_message(cluster, &too_long).unwrap_err();
            let kind = error.downcast_ref().map(Error::kind);
            assert_eq!(kind, Some(ErrorKind::InvalidArgument), "{error}");
            return snapshot.write_message(cluster, b"raw state");
        }
        let state = self.state.lock().unwrap();
        let mut writer = SnapshotWriter::new(cluster, snapshot, "ledger", 2)?.with_total(state.len() as u64);
        writer.write_all(&state)?;
        if let How::Framed = how {
            writer.finish()?;
        }
        Ok(())
    }
}

struct Rig {
    stage: Stage,
    state: Arc<Mutex<Vec<u8>>>,
    how: Arc<Mutex<How>>,
}

impl Rig {
    fn new() -> Rig {
        let stage = Stage::with(TestCluster::builder(), &[Part::Driver, Part::Archive]);
        Rig { stage, state: Arc::default(), how: Arc::new(Mutex::new(How::Framed)) }
    }

    fn launch(&self, recovery: &Recovery) -> Script {
        let ledger = Ledger { state: Arc::clone(&self.state), how: Arc::clone(&self.how) };
        self.stage.launch_service(recovery, ledger, Probe::new().1, |context| context)
    }
}

#[test]
fn a_framed_snapshot_comes_back_and_one_that_is_none_or_unfinished_is_refused() {
    let rig = Rig::new();
    let mut script = rig.launch(&Recovery::NOTHING);
    script.started(&Recovery::NOTHING);
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &message(1, 9, "some bytes to repeat "));
    let mut take = |how| {
        *rig.how.lock().unwrap() = how;
        let position = log.position_after(40);
        script.append(&mut log, &action(position, ClusterAction::Snapshot, ActionFlags::DEFAULT));
        (script.ack().relevant_id, position)
    };
    let (unfinished, _) = take(How::Unfinished);
    let (framed, position) = take(How::Framed);
    let (raw, _) = take(How::Raw);
    assert_eq!(unfinished, -1);
    let told = script.errors.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, "a SnapshotWriter was not finished: call finish on each");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    let state = std::mem::take(&mut *rig.state.lock().unwrap());
    assert_eq!(state.len(), STATE_LENGTH);

    let recovery = |cluster_id, recording_id| Recovery {
        cluster_id,
        leadership_term_id: 0,
        log_position: position,
        timestamp: 6,
        recording_id: Some(recording_id),
    };
    let mut script = rig.launch(&recovery(1, framed));
    let loaded = script.ack();
    assert_ne!(loaded.relevant_id, -1, "the start failed");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert!(*rig.state.lock().unwrap() == state, "another state was loaded");

    let mut script = rig.launch(&recovery(2, raw));
    // The driver may still have the publication of the container before, and its acknowledgement with it.
    let refused = std::iter::repeat_with(|| script.ack()).find(|ack| *ack != loaded).unwrap();
    assert_eq!(refused.relevant_id, -1);
    let error = script.ended().0.unwrap_err().to_string();
    let expected = "on_start failed: expected a snapshot \"ledger\" of version 1 to 2: expected part 0 of a framed \
                    snapshot, found a message of 9 bytes that is none and begins with";
    assert!(error.contains(expected), "{error}");
}
