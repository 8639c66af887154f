//! What [`Cluster`](super::Cluster), its sessions and the agent share: the position in the log, sending, and waiting.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::consensus_module_proxy::ConsensusModuleProxy;
use super::divergence::{Divergence, OwnMessages};
use super::egress::{Egress, PendingEgress};
use super::error_sink::ErrorSink;
use super::lifecycle::{Lifecycle, LifecycleGuard};
use super::mark_file::ClusterMarkFile;
use super::settings::Settings;
use super::stop::Stop;
use super::{FailurePolicy, Role};
use crate::aeron::{Aeron, BufferClaim, IdleStrategy, NULL_VALUE, OfferError, ReadableCounter};
use crate::codec::{ClusterTimeUnit, ServiceAck, SessionMessageHeader};
use crate::error::{Error, ErrorKind, Result};

mod ticking;

/// How often the slow part of the duty cycle runs: control channel, watch over driver and consensus module, mark file.
const TICK_NS: i64 = 1_000_000;
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

    // ---- the log and the callbacks ----

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
}
