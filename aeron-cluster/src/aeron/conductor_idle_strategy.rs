//! How the thread of a conductor, of a client or a driver, idles.

use std::ffi::CStr;
use std::time::Duration;

/// What the conductor's thread does between duty cycles without work: the strategies built into C. C looks others up as symbols
/// of the program by name, which fails if Aeron is linked statically. Mirrors `aeron_context_set_idle_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConductorIdleStrategy {
    /// Sleeps for this long.
    Sleeping(Duration),
    /// Yields the processor to other threads (`sched_yield`).
    Yielding,
    /// Spins with a pause instruction. Reacts fastest, and keeps a core busy.
    Spinning,
    /// Spins without a pause instruction, and keeps a core busy.
    NoOp,
    /// Spins 10 times, yields 20 times, then sleeps: for 1 µs at first, then twice as long each time, up to 1 ms. Starts again after work.
    Backoff,
    /// As [`Backoff`](Self::Backoff), with the given limits.
    BackoffUpTo {
        /// The number of times it spins.
        max_spins: u32,
        /// The number of times it yields after that.
        max_yields: u32,
        /// The length of the first sleep.
        min_park: Duration,
        /// The maximum length of a sleep. Each sleep is twice as long as the one before, up to this.
        max_park: Duration,
    },
}

impl ConductorIdleStrategy {
    /// The argument of the strategy, in C's format.
    pub(crate) fn args(self) -> Option<String> {
        match self {
            ConductorIdleStrategy::Sleeping(period) => Some(format!("{}ns", period.as_nanos())),
            ConductorIdleStrategy::BackoffUpTo { max_spins, max_yields, min_park, max_park } => {
                // C reads sixteen digits here, which are 115 days, and no unit `ns`.
                let nanos = |park: Duration| park.as_nanos().min(9_999_999_999_999_999);
                Some(format!("{max_spins}-{max_yields}-{}-{}", nanos(min_park), nanos(max_park)))
            }
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static CStr {
        match self {
            ConductorIdleStrategy::Sleeping(_) => c"sleep-ns",
            ConductorIdleStrategy::Yielding => c"yield",
            ConductorIdleStrategy::Spinning => c"spin",
            ConductorIdleStrategy::NoOp => c"noop",
            ConductorIdleStrategy::Backoff | ConductorIdleStrategy::BackoffUpTo { .. } => c"backoff",
        }
    }
}
