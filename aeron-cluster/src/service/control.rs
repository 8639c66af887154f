//! What the agent does at each tick: read the consensus module's requests, and carry them out.

use super::ClusteredService;
use super::agent::Agent;
use super::joining::Joining;
use super::snapshot_loader::protocol_error;
use super::stop::{Fault, Outcome, Stop};
use crate::aeron::NULL_VALUE;
use crate::codec::ControlEvent;
use crate::error::{Error, ErrorKind};

/// Attempts to acknowledge the termination: the consensus module may be gone already.
const TERMINATION_ACK_ATTEMPTS: usize = 5;

/// The position in the log at which the service is to terminate.
#[derive(Debug, Clone, Copy)]
pub(super) struct TerminationPosition {
    position: i64,
    ack_required: bool,
}

impl<S: ClusteredService> Agent<S> {
    /// The work of a tick. A part that fails does not keep the later ones from being done. Mirrors `pollServiceAdapter`.
    pub(super) fn on_tick(&mut self) -> Result<usize, Stop> {
        let polled = self.poll_control();
        let work_count = self.settled(polled)?;
        let joined = self.join();
        let work_count = work_count + self.settled(joined)?;
        let terminated = self.check_termination();
        self.settled(terminated)?;
        let acknowledged = self.check_requested_ack();
        self.settled(acknowledged)?;
        Ok(work_count)
    }

    fn poll_control(&mut self) -> Outcome<usize> {
        let Agent { log, control, joining, termination, requested_ack_position, .. } = self;
        let mut failure = None;
        let work_count = control.poll(|event| match event {
            Ok(ControlEvent::JoinLog(event)) => {
                tracing::info!(?event, "join log");
                log.set_max_log_position(event.log_position);
                *joining = Some(Joining::new(event));
            }
            Ok(ControlEvent::ServiceTerminationPosition(event)) => {
                tracing::info!(?event, "termination position");
                // A consensus module before 1.53 does not say, but waits for it.
                let ack_required = event.ack_required.unwrap_or(true);
                *termination = valid(event.log_position).map(|position| TerminationPosition { position, ack_required });
            }
            Ok(ControlEvent::RequestServiceAck(event)) => *requested_ack_position = valid(event.log_position),
            Ok(_) => {}
            Err(error) => failure = Some(protocol_error(error)),
        })?;
        failure.map_or(Ok(work_count), |error| Err(error.into()))
    }

    fn check_termination(&mut self) -> Outcome<()> {
        let log_position = self.core.cluster.log_position();
        let Some(TerminationPosition { position, ack_required }) = self.termination else { return Ok(()) };
        if log_position < position {
            return Ok(());
        }
        if log_position > position {
            self.core.count(&Error::new(
                ErrorKind::Protocol,
                format!("service terminate: logPosition={log_position} > terminationPosition={position}"),
            ));
        }
        self.core.terminate_service();
        if ack_required && let Err(fault) = self.ack_termination(log_position) {
            match fault {
                Fault::Error(error) | Fault::Survivable(error) => self.core.count(&error),
                Fault::Stop(_) => {}
            }
        }
        Err(Stop::Terminated { expected: log_position == position }.into())
    }

    fn ack_termination(&mut self, log_position: i64) -> Outcome<()> {
        for _ in 0..TERMINATION_ACK_ATTEMPTS {
            if self.state().try_ack(log_position, NULL_VALUE)? {
                return Ok(());
            }
            self.core.idle(0)?;
        }
        Ok(())
    }

    /// Sends an acknowledgement that the consensus module requested. Not before a log that it asked us to join earlier: acknowledgements
    /// are sent in the order of the requests.
    fn check_requested_ack(&mut self) -> Outcome<()> {
        if self.is_joining() {
            return Ok(());
        }
        let log_position = self.core.cluster.log_position();
        let Some(requested) = self.requested_ack_position.take_if(|requested| log_position >= *requested) else {
            return Ok(());
        };
        if log_position > requested {
            self.core.count(&Error::new(
                ErrorKind::Protocol,
                format!("invalid ack request: logPosition={log_position} > requestedAckPosition={requested}"),
            ));
        }
        self.core.ack(log_position, NULL_VALUE)
    }
}

/// `None` for the null value, with which the consensus module says that there is no position.
fn valid(position: i64) -> Option<i64> {
    (position != NULL_VALUE).then_some(position)
}
