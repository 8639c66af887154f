//! What to do with a thread that found no work.

use std::time::Duration;

/// What a thread does between duty cycles (`org.agrona.concurrent.IdleStrategy`).
pub trait IdleStrategy {
    /// Idles if `work_count` is 0, and resets the strategy otherwise. May block, for as long as the strategy says.
    fn idle(&mut self, work_count: usize);

    /// Starts over, as after work was done.
    fn reset(&mut self);
}

impl<T: IdleStrategy + ?Sized> IdleStrategy for Box<T> {
    fn idle(&mut self, work_count: usize) {
        (**self).idle(work_count);
    }

    fn reset(&mut self) {
        (**self).reset();
    }
}

/// Spins: reacts fastest, and takes a whole core.
#[derive(Debug, Clone, Copy, Default)]
pub struct BusySpinIdleStrategy;

impl IdleStrategy for BusySpinIdleStrategy {
    fn idle(&mut self, work_count: usize) {
        if work_count == 0 {
            std::hint::spin_loop();
        }
    }

    fn reset(&mut self) {}
}

/// Yields to other threads of the core.
#[derive(Debug, Clone, Copy, Default)]
pub struct YieldingIdleStrategy;

impl IdleStrategy for YieldingIdleStrategy {
    fn idle(&mut self, work_count: usize) {
        if work_count == 0 {
            std::thread::yield_now();
        }
    }

    fn reset(&mut self) {}
}

/// Sleeps for a fixed time.
#[derive(Debug, Clone, Copy)]
pub struct SleepingIdleStrategy {
    period: Duration,
}

impl SleepingIdleStrategy {
    /// Sleeps for `period` each time.
    pub fn new(period: Duration) -> Self {
        SleepingIdleStrategy { period }
    }
}

impl Default for SleepingIdleStrategy {
    /// One microsecond, as in Java.
    fn default() -> Self {
        SleepingIdleStrategy::new(Duration::from_micros(1))
    }
}

impl IdleStrategy for SleepingIdleStrategy {
    fn idle(&mut self, work_count: usize) {
        if work_count == 0 {
            std::thread::sleep(self.period);
        }
    }

    fn reset(&mut self) {}
}

/// Does nothing, for a caller that idles itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOpIdleStrategy;

impl IdleStrategy for NoOpIdleStrategy {
    fn idle(&mut self, _work_count: usize) {}

    fn reset(&mut self) {}
}

/// Spins, then yields, then sleeps longer and longer: reacts quickly under load, and leaves the machine alone when there is none.
#[derive(Debug, Clone)]
pub struct BackoffIdleStrategy {
    max_spins: u64,
    max_yields: u64,
    min_park: Duration,
    max_park: Duration,
    state: Backoff,
}

#[derive(Debug, Clone, Copy)]
enum Backoff {
    Spinning(u64),
    Yielding(u64),
    Parking(Duration),
}

impl BackoffIdleStrategy {
    /// Spins `max_spins` times, yields `max_yields` times, then sleeps for `min_park`, twice as long each time up to
    /// `max_park`.
    pub fn new(max_spins: u64, max_yields: u64, min_park: Duration, max_park: Duration) -> Self {
        BackoffIdleStrategy { max_spins, max_yields, min_park, max_park, state: Backoff::Spinning(0) }
    }
}

impl Default for BackoffIdleStrategy {
    /// 10 spins, 20 yields, sleeps of 1 µs to 1 ms: the values of Java's agents (`io.aeron.driver.Configuration.IDLE_MAX_SPINS` and
    /// its siblings).
    fn default() -> Self {
        BackoffIdleStrategy::new(10, 20, Duration::from_micros(1), Duration::from_millis(1))
    }
}

impl IdleStrategy for BackoffIdleStrategy {
    fn idle(&mut self, work_count: usize) {
        if work_count > 0 {
            self.reset();
            return;
        }
        self.state = match self.state {
            Backoff::Spinning(spins) if spins < self.max_spins => {
                std::hint::spin_loop();
                Backoff::Spinning(spins + 1)
            }
            Backoff::Spinning(_) => Backoff::Yielding(0),
            Backoff::Yielding(yields) if yields < self.max_yields => {
                std::thread::yield_now();
                Backoff::Yielding(yields + 1)
            }
            Backoff::Yielding(_) => Backoff::Parking(self.min_park),
            Backoff::Parking(period) => {
                std::thread::sleep(period);
                Backoff::Parking((period * 2).min(self.max_park))
            }
        };
    }

    fn reset(&mut self) {
        self.state = Backoff::Spinning(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backing_off_ends_in_the_longest_sleep_and_starts_anew_after_work() {
        let mut idle = BackoffIdleStrategy::new(2, 2, Duration::from_nanos(1), Duration::from_nanos(4));
        for _ in 0..12 {
            idle.idle(0);
        }
        assert!(matches!(idle.state, Backoff::Parking(period) if period == Duration::from_nanos(4)));
        idle.idle(1);
        assert!(matches!(idle.state, Backoff::Spinning(0)));
    }
}
