//! Applies the events of the log to the service, in order.

use std::time::Instant;

use super::core::{Core, version_text};
use super::snapshot_loader::protocol_error;
use super::stop::{Fault, Outcome, Stop, without_panic};
use super::trackers::saturating_nanos;
use super::{ClientSession, ClusteredService, NewLeadershipTermEvent, Role};
use crate::aeron::{Header, LookAhead, NULL_VALUE};
use crate::codec::{
    ActionFlags, ClusterAction, ClusterActionRequest, LogEvent, NewLeadershipTermEvent as TermEvent, SessionCloseEvent,
    SessionMessageHeader, SessionOpenEvent, TimerEvent,
};
use crate::error::{Error, ErrorKind};

impl<S: ClusteredService> Core<S> {
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

    fn advance(&mut self, position: i64, timestamp: i64) {
        self.cluster.state.log_position.set(position);
        self.cluster.state.time.set(timestamp);
    }
}
