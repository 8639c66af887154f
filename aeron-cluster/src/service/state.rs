//! What the cluster, its sessions and the agent share: where the log stands, how to send, and how to wait.

use std::cell::{Cell, RefCell};
use std::io::IoSlice;
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

/// How often the slow part of the duty cycle runs: the control channel, the watch, the mark file.
const TICK_NS: i64 = 1_000_000;
/// How often the conductor of an invoker-driven client is worked in one tick, as long as it finds something to do: it takes one
/// command at a time.
const CLIENT_WORK_LIMIT: usize = 16;
/// How often the mark file says that the service is alive.
const MARK_FILE_UPDATE_INTERVAL_NS: i64 = 1_000_000_000;
/// Attempts to ask for a session's end.
const CLOSE_SESSION_ATTEMPTS: usize = 3;
/// Whether a send to a client goes out.
pub(super) enum Sending {
    Real,
    /// This member does not lead: the message is checked and forgotten.
    Mocked,
}

/// The shared state of one container. Everything in it is for the container's thread alone.
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
    /// The log position of the callback that waited last.
    idled_at: Cell<i64>,
    next_tick_ns: Cell<i64>,
    mark_file_deadline_ns: Cell<i64>,
    commit_position: RefCell<Option<ReadableCounter>>,
    close_requested: Arc<AtomicBool>,
    /// Why the agent ends, found while a callback ran. No send goes out from then on.
    stop: RefCell<Option<Stop>>,
    stopping: Cell<bool>,
    /// What followers write their claims to.
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

    /// Whether a send to a client goes out, or why it must not be made.
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

    /// Sends something to the consensus module. What will not pass is recorded.
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

    /// The header of a message that goes out now.
    #[inline]
    pub(super) fn header(&self, cluster_session_id: i64) -> SessionMessageHeader {
        SessionMessageHeader {
            leadership_term_id: self.leadership_term_id.get(),
            cluster_session_id,
            timestamp: self.time.get(),
        }
    }

    /// A claim on memory that nobody receives.
    pub(super) fn mocked_claim(&self, length: usize, position: i64) -> BufferClaim<'_> {
        BufferClaim::scratch(&self.scratch, length, position)
    }

    pub(super) fn connect_egress(&self, egress: &Rc<Egress>, channel: &str, stream_id: i32) {
        if let Err(error) = self.pending_egress.connect(&self.aeron, egress, channel, stream_id) {
            self.errors.count(&error);
        }
    }

    // ---- acknowledging ----

    /// One attempt to send the next acknowledgement: whether it was taken. One that was not uses up no id.
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

    /// Whether the service is starting.
    pub(super) fn is_starting(&self) -> bool {
        self.lifecycle.get() == Lifecycle::OnStart
    }

    /// Says which callback runs, as long as the guard lives.
    pub(super) fn enter(&self, lifecycle: Lifecycle) -> LifecycleGuard<'_> {
        LifecycleGuard::enter(&self.lifecycle, lifecycle)
    }

    pub(super) fn bind_commit_position(&self, counter: ReadableCounter) {
        *self.commit_position.borrow_mut() = Some(counter);
    }

    /// The position up to which the log is committed; 0 once the counter is gone. Its id may then be another counter's, whose value,
    /// such as a time, would be a licence to read what is not committed: this thread may stand still between a tick and here.
    #[inline]
    pub(super) fn commit_position(&self) -> i64 {
        self.commit_position.borrow().as_ref().and_then(ReadableCounter::value).unwrap_or(0)
    }

    /// Looks whether the container must end, and once a millisecond does what must be done regularly: then true.
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

    /// Works the conductor of a client that has no thread for it, which finds a dead driver here.
    fn work_client(&self) -> Result<(), Stop> {
        for _ in 0..CLIENT_WORK_LIMIT {
            if self.aeron.drive() == 0 {
                break;
            }
        }
        if self.aeron.is_closed() { Err(Stop::Aborted) } else { Ok(()) }
    }

    /// Compares a message that a service sent to the log, if it was this one, with what this member sent. An error if it must end.
    ///
    /// Not inlined, and given no more than it needs: so the header of every other message stays in registers.
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

    /// When it is due is for a clock that nobody sets: one put back by an hour would leave the file without a sign of life for as long.
    fn update_mark_file(&self, now_ns: i64) {
        if now_ns >= self.mark_file_deadline_ns.get() {
            self.mark_file_deadline_ns.set(now_ns + MARK_FILE_UPDATE_INTERVAL_NS);
            self.mark_file.update_activity_timestamp(epoch_ms());
        }
    }

    /// Passes some time and ticks. An error means that the agent must end: `take_stop` says why.
    pub(super) fn idle(&self, work_count: usize) -> Result<(), ()> {
        if self.stopping.get() {
            return Err(());
        }
        // A custom strategy could call back into this method.
        if let Ok(mut strategy) = self.idle_strategy.try_borrow_mut() {
            // Another callback waits than the last time: it has waited for nothing yet.
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

    /// Whoever waits next has waited for nothing yet, though the log stands where it stood.
    pub(super) fn forget_waiting(&self) {
        self.idled_at.set(i64::MIN);
    }

    /// Does background work within a callback that waits; an error if the agent must end.
    pub(super) fn in_background(&self, work: impl FnOnce(i64) -> usize) -> Result<usize, ()> {
        if self.stopping.get() {
            return Err(());
        }
        let _guard = self.enter(Lifecycle::DoBackgroundWork);
        Ok(work(self.now_ns()))
    }

    /// The clock of the duty cycle and of background work: nanoseconds since this container was made.
    pub(super) fn now_ns(&self) -> i64 {
        // As a number: what a cycle reckons with times costs an instruction or two each.
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

    /// The first reason stands.
    fn set_stop(&self, stop: Stop) {
        self.stop.borrow_mut().get_or_insert(stop);
        self.stopping.set(true);
    }

    /// Why the agent must end, if something said so since the last look. Sends stay refused.
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

/// The pieces of a message with a session header in front. Up to 15 pieces take no allocation.
pub(super) fn with_header<T>(header: &[u8], pieces: &[IoSlice<'_>], send: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
    const ON_STACK: usize = 16;
    let mut on_stack = [IoSlice::new(&[]); ON_STACK];
    on_stack[0] = IoSlice::new(header);
    match on_stack.get_mut(1..=pieces.len()) {
        Some(target) => {
            target.copy_from_slice(pieces);
            send(&on_stack[..=pieces.len()])
        }
        None => {
            let all: Vec<_> = std::iter::once(IoSlice::new(header)).chain(pieces.iter().copied()).collect();
            send(&all)
        }
    }
}
