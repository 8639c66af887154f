//! What a container does once in a while, also in callbacks that wait: regular checks, idling, and remembering why the agent must end.

use std::sync::atomic::Ordering;

use super::{State, TICK_NS};
use crate::aeron::ReadableCounter;
use crate::error::{Error, ErrorKind};
use crate::service::error_sink::epoch_ms;
use crate::service::lifecycle::Lifecycle;
use crate::service::stop::Stop;
use crate::service::trackers::saturating_nanos;

/// How often at most the conductor of an invoker-driven client runs in one tick. One run takes one command.
const CLIENT_WORK_LIMIT: usize = 16;
/// How often the mark file's heartbeat is written.
const MARK_FILE_UPDATE_INTERVAL_NS: i64 = 1_000_000_000;

impl State {
    /// Checks whether the container must end. Once a millisecond it also does the regular work, and returns true.
    #[inline]
    pub(in crate::service) fn tick(&self, now_ns: i64) -> Result<bool, Stop> {
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

    /// Whether the heartbeat is due is decided by the monotonic clock: if the wall clock were set back by an hour, there would be no heartbeat
    /// for an hour.
    fn update_mark_file(&self, now_ns: i64) {
        if now_ns >= self.mark_file_deadline_ns.get() {
            self.mark_file_deadline_ns.set(now_ns + MARK_FILE_UPDATE_INTERVAL_NS);
            self.mark_file.update_activity_timestamp(epoch_ms());
        }
    }

    /// Idles for a short time and ticks. An error means that the agent must end: `take_stop` says why.
    pub(in crate::service) fn idle(&self, work_count: usize) -> Result<(), ()> {
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
    pub(in crate::service) fn forget_waiting(&self) {
        self.idled_at.set(i64::MIN);
    }

    /// Runs background work within a callback that waits. An error if the agent must end.
    pub(in crate::service) fn in_background(&self, work: impl FnOnce(i64) -> usize) -> Result<usize, ()> {
        if self.stopping.get() {
            return Err(());
        }
        let _guard = self.enter(Lifecycle::DoBackgroundWork);
        Ok(work(self.now_ns()))
    }

    /// The clock of the duty cycle and of background work: nanoseconds since this container was created.
    pub(in crate::service) fn now_ns(&self) -> i64 {
        // An integer, because comparing those takes an instruction or two, and an `Instant` more.
        saturating_nanos(self.origin.elapsed())
    }

    pub(in crate::service) fn reset_idle(&self) {
        if let Ok(mut strategy) = self.idle_strategy.try_borrow_mut() {
            strategy.reset();
        }
    }

    pub(in crate::service) fn terminate(&self, expected: bool) {
        self.set_stop(Stop::Terminated { expected });
    }

    /// Keeps the first reason.
    fn set_stop(&self, stop: Stop) {
        self.stop.borrow_mut().get_or_insert(stop);
        self.stopping.set(true);
    }

    /// Why the agent must end, if that came up since the last call. Sends stay refused.
    #[inline]
    pub(in crate::service) fn take_stop(&self) -> Option<Stop> {
        if self.stopping.get() { self.first_stop() } else { None }
    }

    #[cold]
    fn first_stop(&self) -> Option<Stop> {
        self.stop.borrow_mut().take()
    }

    /// Refuses every send from now on: the agent is ending.
    pub(in crate::service) fn refuse_sends(&self) {
        self.stopping.set(true);
    }
}
