//! The agent: runs the duty cycle of the container, from start to end.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::conclude::Concluded;
use super::consensus_module_proxy::ConsensusModuleProxy;
use super::control::TerminationPosition;
use super::core::Core;
use super::error_sink::ErrorSink;
use super::hooks::TerminationHooks;
use super::joining::Joining;
use super::log_adapter::LogAdapter;
use super::mark_file::ClusterMarkFile;
use super::service_adapter::ServiceAdapter;
use super::start::{refuse_start, with_signs_of_life};
use super::state::State;
use super::stop::{Fault, Outcome, Stop, panicked, without_panic};
use super::trackers::DutyCycle;
use super::{Cluster, ClusteredService, Role, Termination, affinity};
use crate::aeron::{Action, IdleStrategy, NULL_VALUE, Publication, Subscription};
use crate::error::{Error, ErrorKind, Result};

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
        // Both are asked for before either is awaited: one wait for the conductor instead of two.
        let publication = concluded.aeron.async_add_publication(channel, settings.consensus_module_stream_id)?;
        let subscription = concluded.aeron.async_add_subscription(channel, settings.service_stream_id)?;
        let (publication, subscription) = (publication.wait()?, subscription.wait()?);
        Ok(Parts { concluded, publication, subscription, close_requested })
    }

    /// Makes the service and runs it until it ends. On the container's thread.
    pub(super) fn run<S: ClusteredService>(self, make_service: impl FnOnce() -> S) -> Result<Termination> {
        if let Some(Err(error)) = self.concluded.settings.cpu_affinity.map(affinity::pin_this_thread) {
            return self.fail(error);
        }
        // The user's constructor may take long, and may panic.
        let Concluded { aeron, mark_file, .. } = &self.concluded;
        let made = with_signs_of_life(aeron, mark_file, || catch_unwind(AssertUnwindSafe(make_service)));
        match made {
            Ok(service) => Agent::new(self, service).run(),
            Err(payload) => self.fail(panicked("making the service", payload.as_ref())),
        }
    }

    /// Ends a container that has no service.
    fn fail(self, error: Error) -> Result<Termination> {
        let Concluded { errors, mark_file, termination_hooks, settings, aeron, .. } = self.concluded;
        errors.count(&error);
        refuse_start(&aeron, &settings, &ConsensusModuleProxy::new(self.publication));
        termination_hooks.run(&error, &errors);
        // A failure to write the mark file is ignored: the error that matters is the one being returned.
        let _ = mark_file.signal_failed_start();
        Err(error)
    }
}

/// Hosts a service: starts it, delivers the log to it, and ends it. Mirrors `ClusteredServiceAgent`.
pub(super) struct Agent<S> {
    // Fields are dropped in this order: the log first, which removes a follower from the leader's flow control.
    pub(super) log: LogAdapter,
    pub(super) control: ServiceAdapter,
    pub(super) core: Core<S>,
    pub(super) joining: Option<Joining>,
    pub(super) termination: Option<TerminationPosition>,
    pub(super) requested_ack_position: Option<i64>,
    termination_hooks: TerminationHooks,
    idle_strategy: Box<dyn IdleStrategy + Send>,
    duty_cycle: DutyCycle,
    is_started: bool,
    errors: Arc<ErrorSink>,
    pub(super) mark_file: Arc<ClusterMarkFile>,
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
            joining: None,
            termination: None,
            requested_ack_position: None,
            termination_hooks: concluded.termination_hooks,
            idle_strategy,
            duty_cycle: DutyCycle::new(concluded.duty_cycle),
            is_started: false,
            errors,
            mark_file,
        }
    }

    /// Runs the service until it ends, and says how it did.
    pub(super) fn run(mut self) -> Result<Termination> {
        let Err(stop) = without_panic(|| self.work(), Stop::Failed);
        self.close(stop)
    }

    fn work(&mut self) -> Result<Infallible, Stop> {
        loop {
            let work_count = self.cycle()?;
            self.idle_strategy.idle(work_count);
        }
    }

    /// As `cycle`, with a panic turned into a stop.
    pub(super) fn caught_cycle(&mut self) -> Result<usize, Stop> {
        without_panic(|| self.cycle(), Stop::Failed)
    }

    /// Starts the service at the first call; later calls run one duty cycle. Returns the work done.
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
        self.duty_cycle.restart(self.state().now_ns());
        self.core.is_active = true;
        Ok(())
    }

    /// One duty cycle. Returns the work done.
    fn do_work(&mut self) -> Result<usize, Stop> {
        let now_ns = self.state().now_ns();
        let mut work_count = 0;
        let ticked = self.state().tick(now_ns)?;
        self.duty_cycle.measure(now_ns);
        if ticked {
            work_count += self.on_tick()?;
        }
        if self.log.is_joined() {
            work_count += self.poll_log()?;
        }
        self.state().forget_waiting();
        let worked = self.core.background_work(now_ns);
        Ok(work_count + self.settled(worked)?)
    }

    /// Ends the service and releases everything. Mirrors `onClose` and the end of `doWork`.
    pub(super) fn close(mut self, stop: Stop) -> Result<Termination> {
        let cause = stop.cause();
        if let Some(cause) = &cause {
            tracing::info!("the container ends: {cause}");
            match &stop {
                Stop::Failed(error) => self.errors.count(error),
                Stop::Terminated { expected: true } => {}
                _ => self.errors.record(cause),
            }
            std::mem::take(&mut self.termination_hooks).run(cause, &self.errors);
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

    // ---- the log ----

    fn poll_log(&mut self) -> Result<usize, Stop> {
        let limit = self.state().commit_position();
        let Agent { log, core, .. } = self;
        let mut stop = None;
        let polled = log.poll(limit, |message, header, ahead| match core.on_log_message(message, header, ahead) {
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

    /// The value of a step; the default value if it failed and the agent goes on; or why the agent ends.
    pub(super) fn settled<T: Default>(&self, outcome: Outcome<T>) -> Result<T, Stop> {
        outcome.or_else(|fault| self.core.settle(fault).map_or_else(|| Ok(T::default()), Err))
    }

    /// What a fault during the start means: there every error ends the agent.
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

    pub(super) fn state(&self) -> &State {
        &self.core.cluster.state
    }
}
