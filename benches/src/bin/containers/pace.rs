//! Messages at a fixed rate, and the latency of their echoes, measured from when each message was due: so a stall counts for all messages that
//! it delays.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

/// The highest latency that is recorded; higher ones count as this one.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);

/// When messages are due, which of them were sent, and the latencies of their echoes. All in nanoseconds; times are since the start.
pub struct Pace {
    begin: Instant,
    interval: u64,
    messages: u64,
    sent: u64,
    latencies: Histogram<u64>,
}

impl Pace {
    pub fn begin(rate: u64, seconds: u64) -> Result<Self> {
        let latencies = Histogram::new_with_max(LONGEST_LATENCY.as_nanos() as u64, 3)?;
        Ok(Pace { begin: Instant::now(), interval: 1_000_000_000 / rate, messages: rate * seconds, sent: 0, latencies })
    }

    pub fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    /// The time at which the next message is due, if that has come.
    pub fn due(&self, now: u64) -> Option<u64> {
        let due = self.sent * self.interval;
        (self.sent < self.messages && due <= now).then_some(due)
    }

    pub fn sent(&mut self) {
        self.sent += 1;
    }

    /// Records the echo of the message that was due at the given time.
    pub fn echoed(&mut self, due: u64) {
        self.latencies.saturating_record(self.now().saturating_sub(due));
    }

    /// As `echoed`, for the first message without an echo.
    pub fn echoed_in_order(&mut self) {
        self.echoed(self.latencies.len() * self.interval);
    }

    /// Whether all echoes have arrived.
    pub fn is_over(&self) -> bool {
        self.latencies.len() >= self.messages
    }

    pub fn into_latencies(self) -> Histogram<u64> {
        self.latencies
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} messages", self.latencies.len(), self.sent)
    }
}
