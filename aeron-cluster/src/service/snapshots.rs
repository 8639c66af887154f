//! How the agent takes and loads snapshots through the archive, and writes the container's own part of them.

use crate::aeron::NULL_VALUE;
use crate::archive::{self, Archive, ReplayParams, SourceLocation};
use crate::codec::{ClientSession as SessionEntry, ClusterTimeUnit, SnapshotMark, SnapshotMarker};
use crate::error::{Error, ErrorKind};

use super::core::{Core, version_text};
use super::lifecycle::Lifecycle;
use super::snapshot::{SnapshotImage, SnapshotPublication};
use super::snapshot_loader::SnapshotLoader;
use super::stop::{Fault, Outcome};
use super::{ClientSession, ClusteredService};

impl<S: ClusteredService> Core<S> {
    /// Starts the service without a snapshot.
    pub(super) fn start_empty(&mut self) -> Outcome<()> {
        self.start_service(None)
    }

    /// Loads a snapshot and starts the service with it. Mirrors `ClusteredServiceAgent.loadSnapshot`.
    pub(super) fn start_from_snapshot(&mut self, recording_id: i64) -> Outcome<()> {
        let mut archive = self.connect_archive()?;
        let settings = self.cluster.state.settings.clone();
        let (channel, stream_id) = (&settings.replay_channel, settings.replay_stream_id);
        let request = archive.request_replay(recording_id, channel, stream_id, &ReplayParams::new().position(0))?;
        let replay_session_id = self.await_answer(&mut archive, request)?;
        // The lower half of the replay session's id is the session id of its publication.
        let session_id = replay_session_id as i32;
        let subscription = self.add_subscription(&archive::session_channel(channel, session_id)?, stream_id)?;
        let image = self.await_replay(&mut archive, subscription, session_id)?;
        self.cluster.state.own_messages.borrow_mut().forget_count();
        let mut snapshot = SnapshotImage::new(image);
        self.load_state(&mut snapshot, &mut archive)?;
        self.start_service(Some(&mut snapshot))
    }

    fn start_service(&mut self, snapshot: Option<&mut SnapshotImage>) -> Outcome<()> {
        self.call_guarded(Lifecycle::OnStart, "on_start", |service, cluster| service.on_start(cluster, snapshot))?
            .map_err(|error| Fault::Error(Error::new(ErrorKind::Terminated, format!("on_start failed: {error}"))))
    }

    fn load_state(&mut self, snapshot: &mut SnapshotImage, archive: &mut Archive) -> Outcome<()> {
        let mut loader = SnapshotLoader::default();
        loop {
            let cluster = &mut self.cluster;
            let fragments = loader.poll(snapshot, |entry| {
                let session = ClientSession::new(
                    &cluster.state,
                    entry.cluster_session_id,
                    entry.response_stream_id,
                    entry.response_channel,
                    entry.encoded_principal,
                );
                if cluster.sessions.add(session) {
                    return Ok(());
                }
                // There is no telling which of the two the other members would keep.
                let id = entry.cluster_session_id;
                Err(Error::new(ErrorKind::Protocol, format!("session listed twice: clusterSessionId={id}")))
            })?;
            if loader.is_done() {
                break;
            }
            if fragments == 0 {
                archive.check_for_error_response()?;
                if snapshot.is_done()? {
                    return Err(Error::new(ErrorKind::Protocol, "snapshot ended unexpectedly: no end marker").into());
                }
            }
            self.idle(fragments)?;
        }
        let theirs = loader.app_version();
        if !self.is_version_compatible(theirs) {
            let ours = self.cluster.state.settings.app_version;
            let message = format!("incompatible app version: {ours} snapshot={}", version_text(theirs));
            return Err(Error::new(ErrorKind::Protocol, message).into());
        }
        self.cluster.state.time_unit.set(loader.time_unit());
        Ok(())
    }

    /// Takes a snapshot. Returns its recording id. Mirrors `ClusteredServiceAgent.onTakeSnapshot`.
    pub(super) fn take_snapshot(&mut self, log_position: i64, leadership_term_id: i64) -> Outcome<i64> {
        let mut archive = self.connect_archive().map_err(survivable)?;
        let settings = self.cluster.state.settings.clone();
        let (channel, stream_id) = (&settings.snapshot_channel, settings.snapshot_stream_id);
        let add = self.cluster.aeron().async_add_exclusive_publication(channel, stream_id);
        let publication = self.await_added(add.map_err(Fault::Survivable)?).map_err(survivable)?;
        let session_id = publication.session_id();
        let mut snapshot = SnapshotPublication::new(publication);
        let recorded = archive::session_channel(channel, session_id).map_err(Fault::Survivable)?;
        let request = archive.request_recording(&recorded, stream_id, SourceLocation::Local, true);
        self.await_answer(&mut archive, request.map_err(Fault::Survivable)?).map_err(survivable)?;
        let counter_id = self.await_recording_counter(&mut archive, session_id).map_err(survivable)?;
        let recording_id = archive.recording_id(counter_id).ok_or_else(|| recording_stopped(NULL_VALUE))?;
        self.await_recorded(&mut archive, recording_id, counter_id, &mut snapshot).map_err(survivable)?;
        self.snapshot_state(&mut snapshot, log_position, leadership_term_id).map_err(survivable)?;
        self.idle(1)?;
        archive.check_for_error_response().map_err(Fault::Survivable)?;
        self.call("on_take_snapshot", |service, cluster| service.on_take_snapshot(cluster, &mut snapshot))?.map_err(
            |error| Fault::Survivable(Error::new(ErrorKind::Terminated, format!("on_take_snapshot failed: {error}"))),
        )?;
        snapshot.check_finished(self.cluster.service_messages_sent()).map_err(Fault::Survivable)?;
        let position = snapshot.position().map_err(|reason| Fault::Survivable(snapshot.refusal(reason, 0)))?;
        self.await_recording_complete(&mut archive, recording_id, counter_id, position).map_err(survivable)?;
        Ok(recording_id)
    }

    /// Writes the container's part: markers and sessions. Mirrors `ServiceSnapshotTaker`.
    fn snapshot_state(
        &mut self,
        snapshot: &mut SnapshotPublication,
        log_position: i64,
        leadership_term_id: i64,
    ) -> Outcome<()> {
        let mut marker = SnapshotMarker {
            type_id: SnapshotMarker::SERVICE_TYPE_ID,
            log_position,
            leadership_term_id,
            index: 0,
            mark: SnapshotMark::Begin,
            time_unit: self.cluster.time_unit().unwrap_or(ClusterTimeUnit::Millis),
            app_version: Some(self.cluster.state.settings.app_version),
        };
        self.write(snapshot, &marker.encode())?;
        let ids: Vec<i64> = self.cluster.client_sessions().map(ClientSession::id).collect();
        let mut buffer = Vec::new();
        for id in ids {
            let Some(session) = self.cluster.client_session(id) else { continue };
            SessionEntry {
                cluster_session_id: id,
                response_stream_id: session.response_stream_id(),
                response_channel: session.response_channel(),
                encoded_principal: session.encoded_principal(),
            }
            .encode(&mut buffer);
            self.write(snapshot, &buffer)?;
        }
        marker.mark = SnapshotMark::End;
        self.write(snapshot, &marker.encode())
    }

    fn write(&mut self, snapshot: &mut SnapshotPublication, message: &[u8]) -> Outcome<()> {
        loop {
            match snapshot.offer(message) {
                Ok(_) => return Ok(()),
                Err(reason) if reason.is_retryable() => self.idle(0)?,
                Err(reason) => return Err(snapshot.refusal(reason, message.len()).into()),
            }
        }
    }

    fn await_recording_counter(&mut self, archive: &mut Archive, session_id: i32) -> Outcome<i32> {
        self.cluster.state.reset_idle();
        self.await_some(|_| {
            archive.check_for_error_response()?;
            Ok(archive.recording_counter(session_id))
        })
    }

    /// Waits until the publication, too, is connected to the recording.
    fn await_recorded(
        &mut self,
        archive: &mut Archive,
        recording_id: i64,
        counter_id: i32,
        snapshot: &mut SnapshotPublication,
    ) -> Outcome<()> {
        while !snapshot.publication().is_connected() {
            self.check_recording(archive, recording_id, counter_id)?;
            self.idle(0)?;
        }
        Ok(())
    }

    fn check_recording(&self, archive: &mut Archive, recording_id: i64, counter_id: i32) -> Outcome<()> {
        archive.check_for_error_response()?;
        if archive.is_recording_active(counter_id, recording_id) {
            Ok(())
        } else {
            Err(recording_stopped(recording_id))
        }
    }

    fn await_recording_complete(
        &mut self,
        archive: &mut Archive,
        recording_id: i64,
        counter_id: i32,
        position: i64,
    ) -> Outcome<()> {
        self.cluster.state.reset_idle();
        self.await_some(|core| {
            let recorded = core.cluster.aeron().counters().value(counter_id);
            // Checked after the value was read: once the recording has stopped, another counter may have its id.
            core.check_recording(archive, recording_id, counter_id)?;
            Ok(recorded.is_some_and(|recorded| recorded >= position).then_some(()))
        })
    }
}

/// Marks an error as one that fails only the snapshot: the cluster drops the snapshot and goes on.
fn survivable(fault: Fault) -> Fault {
    match fault {
        Fault::Error(error) => Fault::Survivable(error),
        other => other,
    }
}

fn recording_stopped(recording_id: i64) -> Fault {
    Fault::Survivable(Error::new(ErrorKind::Archive, format!("recording stopped unexpectedly: {recording_id}")))
}
