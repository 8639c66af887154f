//! The idle strategies that the example programs offer.

use std::time::Duration;

use aeron_cluster::aeron::{
    BackoffIdleStrategy, BusySpinIdleStrategy, IdleStrategy, SleepingIdleStrategy, YieldingIdleStrategy,
};
use clap::ValueEnum;

/// An idle strategy: what a thread does when there is no work.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Idle {
    /// Spin, then yield, then sleep longer and longer, up to 1 ms.
    Backoff,
    /// Yield.
    Yield,
    /// Spin: takes a whole core.
    Spin,
    /// Sleep for 1 µs.
    Sleep,
}

impl Idle {
    /// Makes the strategy.
    pub fn strategy(self) -> Box<dyn IdleStrategy + Send> {
        match self {
            Self::Backoff => Box::new(BackoffIdleStrategy::default()),
            Self::Yield => Box::new(YieldingIdleStrategy),
            Self::Spin => Box::new(BusySpinIdleStrategy),
            Self::Sleep => Box::new(SleepingIdleStrategy::new(Duration::from_micros(1))),
        }
    }
}
