//! What the example programs share.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aeron_cluster::aeron::{
    BackoffIdleStrategy, BusySpinIdleStrategy, IdleStrategy, SleepingIdleStrategy, YieldingIdleStrategy,
};
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Becomes true when the program is asked to stop. A second request ends it at once.
#[derive(Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Takes SIGTERM and SIGINT (Ctrl-C).
    pub fn on_signals() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag unset and sets it, the second finds it set.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&flag))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
                .with_context(|| format!("cannot handle signal {signal}"))?;
        }
        Ok(Self(flag))
    }

    /// Whether it was asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The exit status of a program that did all it was to do, or not, or failed with an error to be told.
pub fn exit_code(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How a thread passes the time when there is nothing to do.
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
    /// The strategy of that name.
    pub fn strategy(self) -> Box<dyn IdleStrategy + Send> {
        match self {
            Self::Backoff => Box::new(BackoffIdleStrategy::default()),
            Self::Yield => Box::new(YieldingIdleStrategy),
            Self::Spin => Box::new(BusySpinIdleStrategy),
            Self::Sleep => Box::new(SleepingIdleStrategy::new(Duration::from_micros(1))),
        }
    }
}
