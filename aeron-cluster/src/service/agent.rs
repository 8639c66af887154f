//! The duty cycle of the container: what it hears from the consensus module, and when it reads the log.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::conclude::Concluded;
use super::consensus_module_proxy::ConsensusModuleProxy;
use super::context::TerminationHook;
use super::core::Core;
use super::error_sink::ErrorSink;
use super::log_adapter::LogAdapter;
use super::mark_file::ClusterMarkFile;
use super::recovery_state::{RecoveryState, find_commit_position};
use super::service_adapter::ServiceAdapter;
use super::snapshot_loader::protocol_error;
use super::state::State;
use super::stop::{Fault, Outcome, Stop, panic_text};
use super::trackers::DutyCycle;
use super::{Cluster, ClusteredService, Role, Termination};
use crate::aeron::{Action, ChannelUri, IdleStrategy, NULL_VALUE, Publication, Subscription};
use crate::codec::{ActionFlags, ControlEvent, JoinLog};
use crate::error::{Error, ErrorKind, Result};

/// Attempts to acknowledge the termination: the consensus module may be gone already.
const TERMINATION_ACK_ATTEMPTS: usize = 5;

/// What an agent is built from; may be carried to the agent's thread.
pub(super) struct Parts {
    concluded: Concluded,
    publication: Publication,
    subscription: Subscription,
    close_requested: Arc<AtomicBool>,
}

impl Parts {
    /// Adds the publication and the subscription of the control channel.
    pub(super) fn new(concluded: Concluded, close_requested: Arc<AtomicBool>) -> Result<Self> {
        let settings = &concluded.settings;
        let channel = &settings.control_channel;
        let publication = concluded.aeron.add_publication(channel, settings.consensus_module_stream_id)?;
        let subscription = concluded.aeron.add_subscription(channel, settings.service_stream_id)?;
        Ok(Parts { concluded, publication, subscription, close_requested })
    }

    /// Makes the service and runs it until it ends. On the container's thread.
    pub(super) fn run<S: ClusteredService>(self, make_service: impl FnOnce() -> S) -> Result<Termination> {
        match catch_unwind(AssertUnwindSafe(make_service)) {
            Ok(service) => Agent::new(self, service).run(),
            Err(payload) => self.fail(panicked("making the service", payload.as_ref())),
        }
    }

    /// Ends a container that has no service.
    fn fail(self, error: Error) -> Result<Termination> {
        let Concluded { errors, mark_file, termination_hook, .. } = self.concluded;
        errors.count(&error);
        run_hook(termination_hook, &error, &errors);
        // The file says so as well as it can: the error that matters is the one being returned.
        let _ = mark_file.signal_failed_start();
        Err(error)
    }
}

/// A log that the consensus module wants to be joined.
#[derive(Debug)]
struct ActiveLog {
    log_position: i64,
    max_log_position: i64,
    member_id: i32,
    session_id: i32,
    stream_id: i32,
    is_startup: bool,
    role: Role,
    is_standby: bool,
    channel: String,
}

impl From<JoinLog<'_>> for ActiveLog {
    fn from(event: JoinLog<'_>) -> Self {
        ActiveLog {
            log_position: event.log_position,
            max_log_position: event.max_log_position,
            member_id: event.member_id,
            session_id: event.log_session_id,
            stream_id: event.log_stream_id,
            is_startup: event.is_startup,
            role: event.role,
            is_standby: event.is_standby == Some(true),
            channel: event.log_channel.to_owned(),
        }
    }
}

/// Where the service is to end.
#[derive(Debug, Clone, Copy)]
struct TerminationPosition {
    position: i64,
    ack_required: bool,
}

/// Hosts a service: starts it, feeds it the log, and ends it. Mirrors `ClusteredServiceAgent`.
pub(super) struct Agent<S> {
    // The order is that of closing: the log first, which drops a follower out of the leader's flow control.
    log: LogAdapter,
    control: ServiceAdapter,
    core: Core<S>,
    active_log: Option<ActiveLog>,
    termination: Option<TerminationPosition>,
    requested_ack_position: Option<i64>,
    termination_hook: Option<TerminationHook>,
    idle_strategy: Box<dyn IdleStrategy + Send>,
    duty_cycle: DutyCycle,
    is_started: bool,
    errors: Arc<ErrorSink>,
    mark_file: Arc<ClusterMarkFile>,
}

impl<S: ClusteredService> Agent<S> {
    pub(super) fn new(parts: Parts, service: S) -> Self {
        let Parts { concluded, publication, subscription, close_requested } = parts;
        let log = LogAdapter::new(concluded.settings.log_fragment_limit);
        let (errors, mark_file) = (concluded.errors, concluded.mark_file);
        let proxy = ConsensusModuleProxy::new(publication);
        let [idle_strategy, waiting_strategy] = concluded.idle_strategies;
        let state = State::new(
            concluded.aeron,
            concluded.settings,
            errors.clone(),
            mark_file.clone(),
            proxy,
            waiting_strategy,
            close_requested,
        );
        Agent {
            log,
            control: ServiceAdapter::new(subscription),
            core: Core::new(service, Cluster::new(Rc::new(state)), concluded.snapshot_durations),
            active_log: None,
            termination: None,
            requested_ack_position: None,
            termination_hook: concluded.termination_hook,
            idle_strategy,
            duty_cycle: DutyCycle::new(concluded.duty_cycle),
            is_started: false,
            errors,
            mark_file,
        }
    }

    /// Runs the service until it ends, and says how it did.
    pub(super) fn run(mut self) -> Result<Termination> {
        let Err(stop) = caught(|| self.work());
        self.close(stop)
    }

    fn work(&mut self) -> Result<Infallible, Stop> {
        loop {
            let work_count = self.cycle()?;
            self.idle_strategy.idle(work_count);
        }
    }

    /// As `cycle`, for a caller that must not see a panic.
    pub(super) fn caught_cycle(&mut self) -> Result<usize, Stop> {
        caught(|| self.cycle())
    }

    /// The start, the first time; then one duty cycle. Returns the work done.
    fn cycle(&mut self) -> Result<usize, Stop> {
        if self.is_started {
            return self.do_work();
        }
        self.start()?;
        self.is_started = true;
        Ok(1)
    }

    /// Waits for the consensus module, recovers the state, and starts the service. Mirrors `onStart`.
    fn start(&mut self) -> Result<(), Stop> {
        self.recover().map_err(|fault| self.fatal(fault))?;
        self.duty_cycle.restart(Instant::now());
        self.core.is_active = true;
        Ok(())
    }

    /// One duty cycle. Returns the work done.
    fn do_work(&mut self) -> Result<usize, Stop> {
        let now = Instant::now();
        let mut work_count = 0;
        let ticked = self.state().tick(now)?;
        self.duty_cycle.measure(now);
        if ticked {
            let polled = self.on_tick();
            work_count += self.settled(polled)?;
        }
        if self.log.is_joined() {
            work_count += self.poll_log()?;
        }
        let worked = self.core.background_work(now);
        Ok(work_count + self.settled(worked)?)
    }

    /// Ends the service and gives everything back. Mirrors `onClose` and the end of `doWork`.
    pub(super) fn close(mut self, stop: Stop) -> Result<Termination> {
        let cause = stop.cause();
        if let Some(cause) = &cause {
            tracing::info!("the container ends: {cause}");
            match &stop {
                Stop::Failed(error) => self.errors.count(error),
                Stop::Terminated { expected: true } => {}
                _ => self.errors.record(cause),
            }
            run_hook(self.termination_hook.take(), cause, &self.errors);
        }
        self.state().refuse_sends();
        if !matches!(stop, Stop::Aborted) {
            self.core.terminate_service();
        }
        self.log.close();
        self.errors.end_log();
        let forced = self.mark_file.signal_terminated().inspect_err(|error| self.errors.count(error));
        let ended = match stop {
            Stop::Closed => forced.map(|()| Termination::Closed),
            Stop::Terminated { expected: true } => Ok(Termination::Expected),
            Stop::Terminated { expected: false } => Ok(Termination::Unexpected),
            Stop::Failed(error) => Err(error),
            Stop::Aborted => Err(cause.unwrap_or_else(|| Error::new(ErrorKind::DriverDead, "Aeron closed"))),
        };
        let errors = Arc::clone(&self.errors);
        // Closes the publications, the subscriptions and, unless the user keeps a clone, the client.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(self))).map_err(|payload| {
            let error = panicked("dropping the service", payload.as_ref());
            errors.count(&error);
            error
        });
        ended.and_then(|termination| dropped.map(|()| termination))
    }

    // ---- recovery ----

    fn recover(&mut self) -> Outcome<()> {
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
                self.core.start_from_snapshot(recording_id)
            })
        } else {
            self.core.start_empty()
        };
        let failure = match started {
            Ok(()) => None,
            // A container that was closed may be followed by another, whose acknowledgement is still awaited.
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

    // ---- the control channel ----

    /// What is done once a tick. Mirrors `pollServiceAdapter`.
    fn on_tick(&mut self) -> Outcome<usize> {
        let work_count = self.poll_control()?;
        if !self.log.is_joined()
            && let Some(active_log) = self.active_log.take()
        {
            self.try_join(active_log)?;
        }
        self.check_termination()?;
        self.check_requested_ack()?;
        Ok(work_count)
    }

    fn poll_control(&mut self) -> Outcome<usize> {
        let Agent { log, control, active_log, termination, requested_ack_position, .. } = self;
        let mut failure = None;
        let work_count = control.poll(|event| match event {
            Ok(ControlEvent::JoinLog(event)) => {
                tracing::info!(?event, "join log");
                log.set_max_log_position(event.log_position);
                *active_log = Some(ActiveLog::from(event));
            }
            Ok(ControlEvent::ServiceTerminationPosition(event)) => {
                tracing::info!(?event, "termination position");
                // A consensus module before 1.53 does not say, and waits.
                let ack_required = event.ack_required.unwrap_or(true);
                *termination = valid(event.log_position).map(|position| TerminationPosition { position, ack_required });
            }
            Ok(ControlEvent::RequestServiceAck(event)) => *requested_ack_position = valid(event.log_position),
            Ok(_) => {}
            Err(error) => failure = Some(protocol_error(error)),
        })?;
        failure.map_or(Ok(work_count), |error| Err(error.into()))
    }

    /// Joins a log, or puts it back to be tried again if the driver refuses its channel.
    fn try_join(&mut self, active_log: ActiveLog) -> Outcome<()> {
        match self.join(&active_log) {
            Err(Fault::Error(error)) if is_registration(&error) => {
                self.core.count(&error.context("failed to join active log, will retry"));
                self.active_log = Some(active_log);
                Ok(())
            }
            // Where the failure policy goes on, the log is still to be joined.
            Err(fault) if !self.log.is_joined() => {
                self.active_log = Some(active_log);
                Err(fault)
            }
            result => result,
        }
    }

    /// Mirrors `joinActiveLog`.
    fn join(&mut self, active_log: &ActiveLog) -> Outcome<()> {
        if active_log.role != Role::Leader {
            self.core.cluster.sessions.disconnect();
        }
        self.core.standby_snapshot_flags =
            if active_log.is_standby { ActionFlags::STANDBY_SNAPSHOT.0 } else { ActionFlags::DEFAULT.0 };
        let mut channel = ChannelUri::parse(&active_log.channel)?;
        channel.put("alias", format!("log-sc-{}", self.state().settings.service_id));
        let subscription = self.core.add_subscription(&channel.to_string(), active_log.stream_id)?;
        let image = self.core.await_image(subscription, active_log.session_id)?;
        self.check_contiguous(image.join_position(), active_log.log_position)?;
        self.log.join(image, active_log.max_log_position);
        self.core.ack(active_log.log_position, NULL_VALUE)?;
        self.state().member_id.set(active_log.member_id);
        self.mark_file.set_member_id(active_log.member_id);
        if active_log.role == Role::Leader {
            self.connect_sessions(active_log.is_startup);
        }
        self.core.set_role(active_log.role)
    }

    /// A log that does not go on where the last one ended would lose or repeat messages.
    fn check_contiguous(&self, join_position: i64, event_position: i64) -> Result<(), Stop> {
        let expected = self.core.cluster.log_position();
        let refuse = |message: String| Err(Stop::Failed(Error::new(ErrorKind::Protocol, message)));
        if join_position != expected {
            return refuse(format!(
                "Cluster log must be contiguous for joining image: expectedPosition={expected} \
                 joinPosition={join_position}"
            ));
        }
        if event_position != expected {
            return refuse(format!(
                "Cluster log must be contiguous for active log event: expectedPosition={expected} \
                 eventPosition={event_position}"
            ));
        }
        Ok(())
    }

    fn connect_sessions(&self, is_startup: bool) {
        for session in self.core.cluster.client_sessions() {
            if self.state().settings.is_responding_service && !is_startup {
                session.connect();
            }
            session.reset_closing();
        }
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
        let ack = self.state().next_ack(log_position, NULL_VALUE);
        for _ in 0..TERMINATION_ACK_ATTEMPTS {
            if self.state().try_ack(&ack)? {
                return Ok(());
            }
            self.core.idle(0)?;
        }
        Ok(())
    }

    fn check_requested_ack(&mut self) -> Outcome<()> {
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

    // ---- the log ----

    fn poll_log(&mut self) -> Result<usize, Stop> {
        let limit = self.state().commit_position();
        let Agent { log, core, .. } = self;
        let mut stop = None;
        let polled = log.poll(limit, |event, header| match core.on_log_event(event, header) {
            Ok(()) => Action::Continue,
            Err(fault) => {
                stop = core.settle(fault);
                // A message that ends the agent stays in the log; one that it survives is consumed, as in Java.
                if stop.is_some() { Action::Abort } else { Action::Break }
            }
        });
        if let Some(stop) = stop {
            return Err(stop);
        }
        let polled = self.settled(polled.map_err(Fault::from))?;
        if polled == 0 && self.log.is_done() {
            let closed = self.close_log();
            self.settled(closed)?;
        }
        Ok(polled)
    }

    fn close_log(&mut self) -> Outcome<()> {
        let read_to = self.log.close().unwrap_or(NULL_VALUE);
        let position = self.core.cluster.log_position().max(read_to);
        self.state().log_position.set(position);
        tracing::info!(position, "log closed");
        self.core.cluster.sessions.disconnect();
        self.core.set_role(Role::Follower)
    }

    // ---- failing ----

    /// The value of a step, nothing where it failed and the agent goes on, or why the agent ends.
    fn settled<T: Default>(&self, outcome: Outcome<T>) -> Result<T, Stop> {
        outcome.or_else(|fault| self.core.settle(fault).map_or_else(|| Ok(T::default()), Err))
    }

    /// A fault where every error ends the agent: in its start.
    fn fatal(&self, fault: Fault) -> Stop {
        match fault {
            Fault::Stop(stop) => stop,
            Fault::Error(error) | Fault::Survivable(error) if self.core.is_aborted() => {
                self.core.count(&error);
                Stop::Aborted
            }
            Fault::Error(error) | Fault::Survivable(error) => Stop::Failed(error),
        }
    }

    fn state(&self) -> &State {
        &self.core.cluster.state
    }
}

/// Runs a part of the agent. Only user code that is no callback of the service can panic in it: an idle strategy, a version
/// validator. What that leaves half done belongs to the agent, which does nothing after it but end.
fn caught<T>(part: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    catch_unwind(AssertUnwindSafe(part))
        .unwrap_or_else(|payload| Err(Stop::Failed(panicked("the container", payload.as_ref()))))
}

fn run_hook(hook: Option<TerminationHook>, cause: &Error, errors: &ErrorSink) {
    let Some(hook) = hook else { return };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook(cause))) {
        errors.count(&panicked("the termination hook", payload.as_ref()));
    }
}

fn panicked(what: &str, payload: &(dyn Any + Send)) -> Error {
    Error::new(ErrorKind::Terminated, format!("{what} panicked: {}", panic_text(payload)))
}

/// A position that the consensus module sent, if it is one.
fn valid(position: i64) -> Option<i64> {
    (position != NULL_VALUE).then_some(position)
}

/// Whether the driver refused a registration: Java's `RegistrationException`.
fn is_registration(error: &Error) -> bool {
    use ErrorKind::{Registration, ResourceTemporarilyUnavailable, StorageSpace};
    matches!(error.kind(), Registration | ResourceTemporarilyUnavailable | StorageSpace)
}
