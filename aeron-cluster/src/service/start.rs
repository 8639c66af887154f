//! The start of the agent: recovering the state and acknowledging the start to the consensus module.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::ClusteredService;
use super::agent::Agent;
use super::consensus_module_proxy::ConsensusModuleProxy;
use super::error_sink::epoch_ms;
use super::mark_file::ClusterMarkFile;
use super::recovery_state::{RecoveryState, find_commit_position};
use super::settings::Settings;
use super::stop::{Fault, Outcome, Stop, without_panic};
use crate::aeron::{Aeron, NULL_VALUE};
use crate::codec::ServiceAck;

/// How often a heartbeat is written while the service is being created.
const SIGN_OF_LIFE_INTERVAL: Duration = Duration::from_secs(1);
/// How long to try to tell the consensus module that the service cannot start.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
const REFUSAL_INTERVAL: Duration = Duration::from_millis(1);

/// Runs `make`, which may take long, while another thread writes heartbeats: to the mark file and, if the client's conductor has no
/// thread, to the driver.
pub(super) fn with_signs_of_life<T>(aeron: &Aeron, mark_file: &ClusterMarkFile, make: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (made, is_made) = channel::<()>();
        let show = move || {
            while is_made.recv_timeout(SIGN_OF_LIFE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                mark_file.update_activity_timestamp(epoch_ms());
                aeron.drive();
            }
        };
        // If no thread can be started, there are no heartbeats.
        let _ = std::thread::Builder::new().name("signs-of-life".to_owned()).spawn_scoped(scope, show);
        let value = make();
        drop(made);
        value
    })
}

/// Acknowledges the start as failed, if the consensus module is there and waits for it. Blocks for up to a second.
pub(super) fn refuse_start(aeron: &Aeron, settings: &Settings, proxy: &ConsensusModuleProxy) {
    let Some(recovery) = RecoveryState::find(aeron.counters(), settings.cluster_id) else { return };
    let ack = ServiceAck {
        log_position: recovery.log_position,
        timestamp: recovery.timestamp,
        ack_id: 0,
        relevant_id: NULL_VALUE,
        service_id: settings.service_id,
    };
    let start = Instant::now();
    // An error may only mean that the new publication is not connected yet.
    while !proxy.ack(&ack).unwrap_or(false) && start.elapsed() < REFUSAL_TIMEOUT {
        std::thread::sleep(REFUSAL_INTERVAL);
    }
}

impl<S: ClusteredService> Agent<S> {
    /// Waits for the consensus module, and starts the service from the state that it recovered. Mirrors `recoverState`.
    pub(super) fn recover(&mut self) -> Outcome<()> {
        self.await_commit_position()?;
        let recovery = self.await_recovery_state()?;
        let state = self.state();
        state.log_position.set(recovery.log_position);
        state.time.set(recovery.timestamp);
        state.leadership_term_id.set(recovery.leadership_term_id);
        let service_id = state.settings.service_id;
        let mut snapshot_recording_id = NULL_VALUE;
        let started = if recovery.has_snapshot() {
            recovery.snapshot_recording_id(service_id).map_err(Fault::from).and_then(|recording_id| {
                snapshot_recording_id = recording_id;
                without_panic(|| self.core.start_from_snapshot(recording_id), Fault::Error)
            })
        } else {
            self.core.start_empty()
        };
        let failure = match started {
            Ok(()) => None,
            // Not acknowledged, so that another container may take over and start.
            Err(Fault::Stop(stop @ (Stop::Closed | Stop::Aborted))) => return Err(stop.into()),
            Err(fault) => Some(fault),
        };
        let client_id = self.state().aeron.client_id();
        let acknowledged = self.core.ack(recovery.log_position, if failure.is_none() { client_id } else { NULL_VALUE });
        match failure {
            None => acknowledged,
            Some(Fault::Error(error) | Fault::Survivable(error)) => Err(error
                .context(format!(
                    "failed to start service={service_id} leadershipTermId={} logPosition={} clusterTime={} \
                     snapshotRecordingId={snapshot_recording_id}",
                    recovery.leadership_term_id, recovery.log_position, recovery.timestamp
                ))
                .into()),
            Some(stop) => Err(stop),
        }
    }

    fn await_commit_position(&mut self) -> Outcome<()> {
        self.state().reset_idle();
        loop {
            let state = self.state();
            let counters = state.aeron.counters();
            let found = find_commit_position(counters, state.settings.cluster_id);
            if let Some(counter) = found.and_then(|id| counters.readable_counter(id)) {
                state.bind_commit_position(counter);
                return Ok(());
            }
            self.core.idle(0)?;
        }
    }

    fn await_recovery_state(&mut self) -> Outcome<RecoveryState> {
        self.state().reset_idle();
        loop {
            let state = self.state();
            if let Some(recovery) = RecoveryState::find(state.aeron.counters(), state.settings.cluster_id) {
                return Ok(recovery);
            }
            self.core.idle(0)?;
        }
    }
}
