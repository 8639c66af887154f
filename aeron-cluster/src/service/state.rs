//! What [`Cluster`](super::Cluster), its sessions and the agent share: the position in the log, sending, and waiting.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::consensus_module_proxy::ConsensusModuleProxy;
use super::divergence::{Divergence, OwnMessages};
use super::egress::{Egress, PendingEgress};
use super::error_sink::{ErrorSink, epoch_ms};
use super::lifecycle::{Lifecycle, LifecycleGuard};
use super::mark_file::ClusterMarkFile;
use super::settings::Settings;
use super::stop::Stop;
use super::trackers::saturating_nanos;
use super::{FailurePolicy, Role};
use crate::aeron::{Aeron, BufferClaim, IdleStrategy, NULL_VALUE, OfferError, ReadableCounter};
use crate::codec::{ClusterTimeUnit, ServiceAck, SessionMessageHeader};
use crate::error::{Error, ErrorKind, Result};

/// How often the slow part of the duty cycle runs: control channel, watch over driver and consensus module, mark file.
const TICK_NS: i64 = 1_000_000;
/// How often at most the conductor of an invoker-driven client runs in one tick. One run takes one command.
const CLIENT_WORK_LIMIT: usize = 16;
/// How often the mark file's heartbeat is written.
const MARK_FILE_UPDATE_INTERVAL_NS: i64 = 1_000_000_000;
/// Attempts to ask for a session to be closed.
const CLOSE_SESSION_ATTEMPTS: usize = 3;

/// Whether a send to a client goes out.
pub(super) enum Sending {
    Real,
    /// This member does not lead: the message is checked and dropped.
    Mocked,
}

/// The shared state of one container. Only the container's thread uses it.
pub(super) struct State {
    pub(super) aeron: Aeron,
    pub(super) settings: Arc<Settings>,
    pub(super) errors: Arc<ErrorSink>,
    pub(super) mark_file: Arc<ClusterMarkFile>,
    proxy: ConsensusModuleProxy,
    pending_egress: PendingEgress,
    pub(super) own_messages: RefCell<OwnMessages>,

    pub(super) member_id: Cell<i32>,
    pub(super) role: Cell<Role>,
    pub(super) log_position: Cell<i64>,
    pub(super) leadership_term_id: Cell<i64>,
    pub(super) leader_member_id: Cell<i32>,
    pub(super) time: Cell<i64>,
    pub(super) time_unit: Cell<Option<ClusterTimeUnit>>,
    origin: Instant,
    lifecycle: Cell<Lifecycle>,
    next_ack_id: Cell<i64>,

    idle_strategy: RefCell<Box<dyn IdleStrategy + Send>>,
    /// The log position at which a callback last waited: tells one callback from the next.
    idled_at: Cell<i64>,
    next_tick_ns: Cell<i64>,
    mark_file_deadline_ns: Cell<i64>,
    commit_position: RefCell<Option<ReadableCounter>>,
    close_requested: Arc<AtomicBool>,
    /// Why the agent must end, if that came up during a callback; see `take_stop`.
    stop: RefCell<Option<Stop>>,
    stopping: Cell<bool>,
    /// Memory for the claims of followers.
    scratch: RefCell<Vec<u8>>,
}

impl State {
    pub(super) fn new(
        aeron: Aeron,
        settings: Arc<Settings>,
        errors: Arc<ErrorSink>,
        mark_file: Arc<ClusterMarkFile>,
        proxy: ConsensusModuleProxy,
        idle_strategy: Box<dyn IdleStrategy + Send>,
        close_requested: Arc<AtomicBool>,
    ) -> Self {
        State {
            aeron,
            settings,
            errors,
            mark_file,
            proxy,
            pending_egress: PendingEgress::default(),
            own_messages: RefCell::default(),
            member_id: Cell::new(NULL_VALUE as i32),
            role: Cell::new(Role::Follower),
            log_position: Cell::new(NULL_VALUE),
            leadership_term_id: Cell::new(NULL_VALUE),
            leader_member_id: Cell::new(NULL_VALUE as i32),
            time: Cell::new(0),
            time_unit: Cell::new(None),
            origin: Instant::now(),
            lifecycle: Cell::new(Lifecycle::None),
            next_ack_id: Cell::new(0),
            idle_strategy: RefCell::new(idle_strategy),
            idled_at: Cell::new(i64::MIN),
            next_tick_ns: Cell::new(TICK_NS),
            mark_file_deadline_ns: Cell::new(0),
            commit_position: RefCell::new(None),
            close_requested,
            stop: RefCell::new(None),
            stopping: Cell::new(false),
            scratch: RefCell::new(Vec::new()),
        }
    }

    // ---- sending ----

    /// Whether a send to a client really goes out, or an error if sending is not allowed now.
    #[inline]
    pub(super) fn sending(&self) -> Result<Sending, OfferError> {
        self.check_sending_allowed()?;
        Ok(if self.role.get() == Role::Leader { Sending::Real } else { Sending::Mocked })
    }

    #[inline]
    pub(super) fn check_sending_allowed(&self) -> Result<(), OfferError> {
        if self.stopping.get() || self.lifecycle.get() != Lifecycle::None { Err(self.refuse()) } else { Ok(()) }
    }

    #[cold]
    fn refuse(&self) -> OfferError {
        if self.stopping.get() {
            return OfferError::Closed;
        }
        let callback = self.lifecycle.get().java_name();
        self.errors.count(&Error::new(
            ErrorKind::State,
            format!("sending messages or scheduling timers is not allowed from {callback}"),
        ));
        OfferError::NotAllowed
    }

    /// Sends something to the consensus module. A refusal that retrying cannot help is recorded.
    #[inline]
    pub(super) fn to_consensus_module<'s, T>(
        &'s self,
        send: impl FnOnce(&'s ConsensusModuleProxy) -> Result<T, OfferError>,
    ) -> Result<T, OfferError> {
        self.check_sending_allowed()?;
        send(&self.proxy).inspect_err(|reason| {
            if let Err(error) = self.proxy.check(*reason) {
                self.errors.count(&error);
            }
        })
    }

    pub(super) fn close_session(&self, cluster_session_id: i64) -> Result<(), OfferError> {
        let mut refusal = OfferError::BackPressured;
        for _ in 0..CLOSE_SESSION_ATTEMPTS {
            match self.to_consensus_module(|proxy| proxy.close_session(cluster_session_id)) {
                Err(reason) if reason.is_retryable() => refusal = reason,
                result => return result,
            }
            self.idle(0).map_err(|()| OfferError::Closed)?;
        }
        Err(refusal)
    }

    /// The header of a message sent now.
    #[inline]
    pub(super) fn header(&self, cluster_session_id: i64) -> SessionMessageHeader {
        SessionMessageHeader {
            leadership_term_id: self.leadership_term_id.get(),
            cluster_session_id,
            timestamp: self.time.get(),
        }
    }

    /// A claim on scratch memory, for a follower.
    pub(super) fn mocked_claim(&self, length: usize, position: i64) -> BufferClaim<'_> {
        BufferClaim::scratch(&self.scratch, length, position)
    }

    pub(super) fn connect_egress(&self, egress: &Rc<Egress>, channel: &str, stream_id: i32) {
        if let Err(error) = self.pending_egress.connect(&self.aeron, egress, channel, stream_id) {
            self.errors.count(&error);
        }
    }

    // ---- acknowledging ----

    /// Makes one attempt to send the next acknowledgement. Returns whether it was taken; if not, it uses up no id.
    pub(super) fn try_ack(&self, log_position: i64, relevant_id: i64) -> Result<bool> {
        let ack = ServiceAck {
            log_position,
            timestamp: self.time.get(),
            ack_id: self.next_ack_id.get(),
            relevant_id,
            service_id: self.settings.service_id,
        };
        let taken = self.proxy.ack(&ack)?;
        if taken {
            self.next_ack_id.set(ack.ack_id + 1);
            tracing::debug!(?ack, "acknowledged");
        }
        Ok(taken)
    }

    // ---- watching and waiting ----

    /// Whether `on_start` is running.
    pub(super) fn is_starting(&self) -> bool {
        self.lifecycle.get() == Lifecycle::OnStart
    }

    /// Marks a callback as running, for as long as the guard lives.
    pub(super) fn enter(&self, lifecycle: Lifecycle) -> LifecycleGuard<'_> {
        LifecycleGuard::enter(&self.lifecycle, lifecycle)
    }

    pub(super) fn bind_commit_position(&self, counter: ReadableCounter) {
        *self.commit_position.borrow_mut() = Some(counter);
    }

    /// The position up to which the log is committed; 0 once the counter is gone. That is checked at every read, not only at each tick: if this
    /// thread is paused in between, another counter may get the id, and a large value in it would let us read what is not committed.
    #[inline]
    pub(super) fn commit_position(&self) -> i64 {
        self.commit_position.borrow().as_ref().and_then(ReadableCounter::value).unwrap_or(0)
    }

    /// Checks whether the container must end. Once a millisecond it also does the regular work, and returns true.
    #[inline]
    pub(super) fn tick(&self, now_ns: i64) -> Result<bool, Stop> {
        if self.close_requested.load(Ordering::Acquire) {
            return Err(Stop::Closed);
        }
        if self.aeron.is_closed() {
            return Err(Stop::Aborted);
        }
        if now_ns <= self.next_tick_ns.get() {
            return Ok(false);
        }
        self.next_tick_ns.set(now_ns + TICK_NS);
        self.slow_tick(now_ns).map(|()| true)
    }

    fn slow_tick(&self, now_ns: i64) -> Result<(), Stop> {
        self.work_client()?;
        if self.commit_position.borrow().as_ref().is_some_and(ReadableCounter::is_closed) {
            let message = "commit-pos counter unexpectedly closed, terminating";
            self.errors.record(&Error::new(ErrorKind::Terminated, message));
            return Err(Stop::Terminated { expected: true });
        }
        self.update_mark_file(now_ns);
        self.pending_egress.poll(|error| self.errors.count(&error));
        Ok(())
    }

    /// Runs the conductor of a client that has no thread for it. This is where such a client notices that the driver is dead.
    fn work_client(&self) -> Result<(), Stop> {
        for _ in 0..CLIENT_WORK_LIMIT {
            if self.aeron.drive() == 0 {
                break;
            }
        }
        if self.aeron.is_closed() { Err(Stop::Aborted) } else { Ok(()) }
    }

    /// Compares a service's message in the log with what this member sent, if it is this service's. An error if the agent must end.
    ///
    /// Not inlined, and with few arguments, so that for all other messages the header stays in registers.
    #[inline(never)]
    pub(super) fn check_own_message(&self, cluster_session_id: i64, message: &[u8]) -> Result<(), Stop> {
        let (service_id, position) = (self.settings.service_id, self.log_position.get());
        let found = self.own_messages.borrow_mut().returned(service_id, cluster_session_id, message, position);
        found.map_or(Ok(()), |divergence| self.report_divergence(divergence))
    }

    #[cold]
    fn report_divergence(&self, divergence: Divergence) -> Result<(), Stop> {
        let error = Error::new(ErrorKind::Protocol, divergence.to_string());
        if self.settings.divergence_policy == FailurePolicy::Terminate {
            return Err(Stop::Failed(error));
        }
        self.errors.count(&error);
        Ok(())
    }

    /// Whether the heartbeat is due is decided by the monotonic clock: if the wall clock were set back by an hour, there would be no heartbeat
    /// for an hour.
    fn update_mark_file(&self, now_ns: i64) {
        if now_ns >= self.mark_file_deadline_ns.get() {
            self.mark_file_deadline_ns.set(now_ns + MARK_FILE_UPDATE_INTERVAL_NS);
            self.mark_file.update_activity_timestamp(epoch_ms());
        }
    }

    /// Idles for a short time and ticks. An error means that the agent must end: `take_stop` says why.
    pub(super) fn idle(&self, work_count: usize) -> Result<(), ()> {
        if self.stopping.get() {
            return Err(());
        }
        // A custom strategy could call back into this method.
        if let Ok(mut strategy) = self.idle_strategy.try_borrow_mut() {
            // A new callback starts with the shortest wait.
            if self.idled_at.replace(self.log_position.get()) != self.log_position.get() {
                strategy.reset();
            }
            strategy.idle(work_count);
        }
        match self.tick(self.now_ns()) {
            Ok(_) => Ok(()),
            Err(stop) => {
                self.set_stop(stop);
                Err(())
            }
        }
    }

    /// Lets the next callback that waits start with the shortest wait, even if the log position has not changed.
    pub(super) fn forget_waiting(&self) {
        self.idled_at.set(i64::MIN);
    }

    /// Runs background work within a callback that waits. An error if the agent must end.
    pub(super) fn in_background(&self, work: impl FnOnce(i64) -> usize) -> Result<usize, ()> {
        if self.stopping.get() {
            return Err(());
        }
        let _guard = self.enter(Lifecycle::DoBackgroundWork);
        Ok(work(self.now_ns()))
    }

    /// The clock of the duty cycle and of background work: nanoseconds since this container was created.
    pub(super) fn now_ns(&self) -> i64 {
        // An integer, because comparing those takes an instruction or two, and an `Instant` more.
        saturating_nanos(self.origin.elapsed())
    }

    pub(super) fn reset_idle(&self) {
        if let Ok(mut strategy) = self.idle_strategy.try_borrow_mut() {
            strategy.reset();
        }
    }

    pub(super) fn terminate(&self, expected: bool) {
        self.set_stop(Stop::Terminated { expected });
    }

    /// Keeps the first reason.
    fn set_stop(&self, stop: Stop) {
        self.stop.borrow_mut().get_or_insert(stop);
        self.stopping.set(true);
    }

    /// Why the agent must end, if that came up since the last call. Sends stay refused.
    #[inline]
    pub(super) fn take_stop(&self) -> Option<Stop> {
        if self.stopping.get() { self.first_stop() } else { None }
    }

    #[cold]
    fn first_stop(&self) -> Option<Stop> {
        self.stop.borrow_mut().take()
    }

    /// Refuses every send from now on: the agent is ending.
    pub(super) fn refuse_sends(&self) {
        self.stopping.set(true);
    }
}
