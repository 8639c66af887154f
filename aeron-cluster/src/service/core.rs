//! Applies the events of the log to the service, in order.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::lifecycle::Lifecycle;
use super::snapshot_loader::protocol_error;
use super::stop::{Fault, Outcome, Stop, panic_text, without_panic};
use super::trackers::{DurationTracker, saturating_nanos};
use super::{ClientSession, Cluster, ClusteredService, FailurePolicy, NewLeadershipTermEvent, Role};
use crate::aeron::{Header, LookAhead, NULL_VALUE};
use crate::codec::{
    ActionFlags, ClusterAction, ClusterActionRequest, LogEvent, NewLeadershipTermEvent as TermEvent, SemanticVersion,
    SessionCloseEvent, SessionMessageHeader, SessionOpenEvent, TimerEvent,
};
use crate::error::{Error, ErrorKind};

/// The service with its cluster.
pub(super) struct Core<S> {
    pub(super) service: S,
    pub(super) cluster: Cluster,
    /// Whether the service started and has not been terminated.
    pub(super) is_active: bool,
    /// Whether a callback panicked under `FailurePolicy::Terminate`: such a service is not called again.
    pub(super) panicked: bool,
    /// Which snapshots besides the cluster's own are to be taken.
    pub(super) standby_snapshot_flags: i32,
    snapshot_durations: DurationTracker,
}

impl<S: ClusteredService> Core<S> {
    pub(super) fn new(service: S, cluster: Cluster, snapshot_durations: DurationTracker) -> Self {
        Core {
            service,
            cluster,
            is_active: false,
            panicked: false,
            standby_snapshot_flags: ActionFlags::DEFAULT.0,
            snapshot_durations,
        }
    }

    /// Applies one message of the log. Mirrors the `on…` methods of `ClusteredServiceAgent`.
    #[inline]
    pub(super) fn on_log_message(&mut self, message: &[u8], header: &Header<'_>, ahead: &mut LookAhead) -> Outcome<()> {
        match SessionMessageHeader::split(message) {
            Some((session_header, payload)) => {
                let sessions = &self.cluster.sessions;
                if sessions.are_many() {
                    // Prefetches the sessions of the messages that come next.
                    header.look_ahead(ahead, SessionMessageHeader::SESSION_ID_OFFSET, || {
                        let expect = sessions.expect();
                        move |id| expect(i64::from_le_bytes(id))
                    });
                }
                self.on_session_message(&session_header, payload, header)
            }
            None => self.on_log_event(message, header),
        }
    }

    /// Not inlined, so that session messages, which nearly all are, get the registers.
    #[inline(never)]
    fn on_log_event(&mut self, message: &[u8], header: &Header<'_>) -> Outcome<()> {
        match LogEvent::decode_unsplit(message).map_err(protocol_error)? {
            LogEvent::SessionMessage { header: session_header, payload } => {
                self.on_session_message(&session_header, payload, header)
            }
            LogEvent::Timer(event) => self.on_timer_event(&event, header.position()),
            LogEvent::SessionOpen(event) => self.on_session_open(&event, header.position()),
            LogEvent::SessionClose(event) => self.on_session_close(&event, header.position()),
            LogEvent::ClusterAction(event) => self.on_service_action(&event),
            LogEvent::NewLeadershipTerm(event) => self.on_new_leadership_term(&event),
            // Skipped in Java too: the former are in logs of old clusters, the latter come from later versions.
            LogEvent::MembershipChange(_) | LogEvent::Unknown { .. } => Ok(()),
        }
    }

    #[inline]
    fn on_session_message(
        &mut self,
        session_header: &SessionMessageHeader,
        payload: &[u8],
        header: &Header<'_>,
    ) -> Outcome<()> {
        let timestamp = session_header.timestamp;
        self.advance(header.position(), timestamp);
        if session_header.cluster_session_id < 0 {
            self.cluster.state.check_own_message(session_header.cluster_session_id, payload)?;
        }
        self.call("on_session_message", |service, cluster| {
            let session = cluster.sessions.get(session_header.cluster_session_id);
            service.on_session_message(cluster, session, timestamp, payload, header);
        })
    }

    fn on_timer_event(&mut self, event: &TimerEvent, position: i64) -> Outcome<()> {
        self.advance(position, event.timestamp);
        self.call("on_timer_event", |service, cluster| {
            service.on_timer_event(cluster, event.correlation_id, event.timestamp);
        })
    }

    fn on_session_open(&mut self, event: &SessionOpenEvent<'_>, position: i64) -> Outcome<()> {
        self.advance(position, event.timestamp);
        let id = event.cluster_session_id;
        let session = ClientSession::new(
            &self.cluster.state,
            id,
            event.response_stream_id,
            event.response_channel,
            event.encoded_principal,
        );
        if !self.cluster.sessions.add(session) {
            let term = event.leadership_term_id;
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("clashing open clusterSessionId={id} leadershipTermId={term} logPosition={position}"),
            )
            .into());
        }
        self.call("on_session_open", |service, cluster| {
            if let Some(session) = cluster.sessions.get(id) {
                if cluster.role() == Role::Leader && cluster.state.settings.is_responding_service {
                    session.connect();
                }
                service.on_session_open(cluster, session, event.timestamp);
            }
        })
    }

    fn on_session_close(&mut self, event: &SessionCloseEvent, position: i64) -> Outcome<()> {
        self.advance(position, event.timestamp);
        let id = event.cluster_session_id;
        let Some(mut session) = self.cluster.sessions.remove(id) else {
            let (reason, term) = (event.close_reason, event.leadership_term_id);
            self.count(&Error::new(
                ErrorKind::Protocol,
                format!(
                    "unknown session close: clusterSessionId={id} closeReason={reason} leadershipTermId={term} \
                     logPosition={position}"
                ),
            ));
            return Ok(());
        };
        session.end();
        self.call("on_session_close", |service, cluster| {
            service.on_session_close(cluster, &session, event.timestamp, event.close_reason);
        })
    }

    fn on_service_action(&mut self, event: &ClusterActionRequest) -> Outcome<()> {
        self.advance(event.log_position, event.timestamp);
        let flags = event.flags.0;
        let wanted = flags == ActionFlags::DEFAULT.0 || flags & self.standby_snapshot_flags != 0;
        if event.action != ClusterAction::Snapshot || !wanted {
            return Ok(());
        }
        tracing::info!(log_position = event.log_position, "taking a snapshot");
        let begin = Instant::now();
        let taken = without_panic(|| self.take_snapshot(event.log_position, event.leadership_term_id), Fault::Error);
        self.snapshot_durations.record(saturating_nanos(begin.elapsed()));
        let (recording_id, failure) = match taken {
            Ok(recording_id) => (recording_id, None),
            // Not acknowledged: the driver is gone, or another container will take this snapshot.
            Err(Fault::Stop(stop @ (Stop::Closed | Stop::Aborted))) => return Err(stop.into()),
            Err(fault) => (NULL_VALUE, Some(fault)),
        };
        tracing::info!(log_position = event.log_position, recording_id, "acknowledging a snapshot");
        if let Err(fault) = self.ack(event.log_position, recording_id) {
            // This failure must not hide the first one.
            match failure {
                Some(stop @ Fault::Stop(_)) => return Err(stop),
                Some(Fault::Error(error) | Fault::Survivable(error)) => self.count(&error),
                None => {}
            }
            return Err(fault);
        }
        match failure {
            None => Ok(()),
            Some(Fault::Error(error) | Fault::Survivable(error)) if error.kind() == ErrorKind::StorageSpace => {
                Err(Stop::Failed(error.context("no storage space left for a snapshot")).into())
            }
            Some(fault) => Err(fault),
        }
    }

    fn on_new_leadership_term(&mut self, event: &TermEvent) -> Outcome<()> {
        let state = &self.cluster.state;
        let ours = state.settings.app_version;
        if !self.is_version_compatible(event.app_version) {
            let message = format!("incompatible version: {ours} log={}", version_text(event.app_version));
            return Err(Stop::Failed(Error::new(ErrorKind::Protocol, message)).into());
        }
        state.leadership_term_id.set(event.leadership_term_id);
        state.leader_member_id.set(event.leader_member_id);
        self.advance(event.log_position, event.timestamp);
        self.cluster.state.time_unit.set(Some(event.time_unit));
        let event = NewLeadershipTermEvent {
            leadership_term_id: event.leadership_term_id,
            log_position: event.log_position,
            timestamp: event.timestamp,
            term_base_log_position: event.term_base_log_position,
            leader_member_id: event.leader_member_id,
            log_session_id: event.log_session_id,
            time_unit: event.time_unit,
            app_version: event.app_version,
        };
        self.call("on_new_leadership_term_event", |service, cluster| {
            service.on_new_leadership_term_event(cluster, &event);
        })
    }

    /// Whether this application can go on with a snapshot or log of version `theirs`; none counts as 0.0.0.
    pub(super) fn is_version_compatible(&self, theirs: Option<SemanticVersion>) -> bool {
        let settings = &self.cluster.state.settings;
        let theirs = theirs.unwrap_or(SemanticVersion::new(0, 0, 0));
        (settings.version_validator)(settings.app_version, theirs)
    }

    /// Tells the service of its role if that has changed.
    pub(super) fn set_role(&mut self, role: Role) -> Outcome<()> {
        if self.cluster.state.role.replace(role) == role {
            return Ok(());
        }
        tracing::info!(%role, "role change");
        self.call_guarded(Lifecycle::OnRoleChange, "on_role_change", |service, cluster| {
            service.on_role_change(cluster, role);
        })
    }

    /// Tells the service that it ends. If the callback fails, that is recorded and changes nothing.
    pub(super) fn terminate_service(&mut self) {
        if !std::mem::take(&mut self.is_active) || self.panicked {
            return;
        }
        let result = self.call_guarded(Lifecycle::OnTerminate, "on_terminate", |service, cluster| {
            service.on_terminate(cluster);
        });
        if let Err(Fault::Error(error) | Fault::Survivable(error)) = result {
            self.count(&error);
        }
    }

    /// Lets the service work between messages. Returns the work it did.
    pub(super) fn background_work(&mut self, now_ns: i64) -> Outcome<usize> {
        self.call_guarded(Lifecycle::DoBackgroundWork, "do_background_work", |service, cluster| {
            service.do_background_work(cluster, now_ns)
        })
    }

    /// Sends an acknowledgement to the consensus module, and waits until the publication takes it.
    pub(super) fn ack(&mut self, log_position: i64, relevant_id: i64) -> Outcome<()> {
        while !self.cluster.state.try_ack(log_position, relevant_id)? {
            self.idle(0)?;
        }
        Ok(())
    }

    /// Idles while the agent itself waits, and runs background work. A failure of that work is handled here: it is not the caller's.
    pub(super) fn idle(&mut self, work_count: usize) -> Result<(), Stop> {
        if self.cluster.state.idle(work_count).is_err() {
            return Err(self.cluster.state.take_stop().unwrap_or(Stop::Closed));
        }
        if self.is_active
            && !self.panicked
            && work_count == 0
            && let Err(fault) = self.background_work(self.cluster.state.now_ns())
            && let Some(stop) = self.settle(fault)
        {
            return Err(stop);
        }
        Ok(())
    }

    /// Decides what a fault means: that the agent ends (`Some`), or only a line in the error log (`None`).
    #[cold]
    pub(super) fn settle(&self, fault: Fault) -> Option<Stop> {
        match fault {
            Fault::Stop(stop) => Some(stop),
            Fault::Error(error) | Fault::Survivable(error) if self.is_aborted() => {
                self.count(&error);
                Some(Stop::Aborted)
            }
            Fault::Error(error) if self.cluster.state.settings.failure_policy == FailurePolicy::Terminate => {
                Some(Stop::Failed(error))
            }
            Fault::Error(error) | Fault::Survivable(error) => {
                self.count(&error);
                None
            }
        }
    }

    /// Whether a failure is due to the death of the media driver. A panic of the service never is.
    pub(super) fn is_aborted(&self) -> bool {
        !self.panicked && self.cluster.state.aeron.is_closed()
    }

    pub(super) fn count(&self, error: &Error) {
        self.cluster.state.errors.count(error);
    }

    fn advance(&mut self, position: i64, timestamp: i64) {
        self.cluster.state.log_position.set(position);
        self.cluster.state.time.set(timestamp);
    }

    /// Calls the service under a guard that forbids sending.
    pub(super) fn call_guarded<T>(
        &mut self,
        lifecycle: Lifecycle,
        name: &'static str,
        callback: impl FnOnce(&mut S, &Cluster) -> T,
    ) -> Outcome<T> {
        let state = self.cluster.state.clone();
        let _guard = state.enter(lifecycle);
        self.call(name, callback)
    }

    /// Calls the service. A panic becomes an error; if a reason to end came up during the call, the agent ends.
    #[inline]
    pub(super) fn call<T>(&mut self, name: &'static str, callback: impl FnOnce(&mut S, &Cluster) -> T) -> Outcome<T> {
        let Core { service, cluster, .. } = self;
        // Unwind safe: a service that panicked is not called again, unless the user chose `LogAndContinue`.
        let result = catch_unwind(AssertUnwindSafe(|| callback(service, cluster)));
        match result {
            Ok(value) => match self.cluster.state.take_stop() {
                None => Ok(value),
                Some(stop) => Err(stop.into()),
            },
            Err(payload) => Err(self.after_panic(name, payload.as_ref())),
        }
    }

    #[cold]
    fn after_panic(&mut self, name: &str, payload: &(dyn Any + Send)) -> Fault {
        let error = self.panicked(name, payload);
        if self.panicked {
            return error.into();
        }
        // Under `LogAndContinue` the panic does not end the agent, but a reason to end that came up before it does.
        match self.cluster.state.take_stop() {
            None => error.into(),
            Some(stop) => {
                self.count(&error);
                stop.into()
            }
        }
    }

    fn panicked(&mut self, name: &str, payload: &(dyn Any + Send)) -> Error {
        self.panicked = self.cluster.state.settings.failure_policy == FailurePolicy::Terminate;
        let what = panic_text(payload);
        let position = self.cluster.log_position();
        Error::new(ErrorKind::Terminated, format!("service panicked in {name} at log position {position}: {what}"))
    }
}

/// A version as Java's error messages show it.
pub(super) fn version_text(version: Option<SemanticVersion>) -> String {
    version.unwrap_or(SemanticVersion::new(0, 0, 0)).to_string()
}
