//! How long things take, in counters that operators watch.

use std::time::Duration;

use super::settings::Settings;
use crate::aeron::{Aeron, AsyncAdd, Counter};
use crate::error::Result;

// Types of the counters (`AeronCounters`).
const MAX_CYCLE_TIME_TYPE_ID: i32 = 218;
const CYCLE_TIME_EXCEEDED_TYPE_ID: i32 = 219;
const MAX_SNAPSHOT_DURATION_TYPE_ID: i32 = 236;
const SNAPSHOT_DURATION_EXCEEDED_TYPE_ID: i32 = 237;

/// The longest duration, and how often a threshold was exceeded. Mirrors Agrona's and Aeron's `DutyCycleStallTracker` and
/// `SnapshotDurationTracker`.
pub(super) struct DurationTracker {
    max_ns: Counter,
    exceeded: Counter,
    threshold_ns: i64,
}

/// A tracker whose counters are being added.
pub(super) struct AddingTracker {
    max_ns: AsyncAdd<Counter>,
    exceeded: AsyncAdd<Counter>,
    threshold_ns: i64,
}

impl AddingTracker {
    /// Blocks until the driver has added the counters.
    pub(super) fn wait(self) -> Result<DurationTracker> {
        Ok(DurationTracker {
            max_ns: self.max_ns.wait()?,
            exceeded: self.exceeded.wait()?,
            threshold_ns: self.threshold_ns,
        })
    }
}

impl DurationTracker {
    /// Starts to add counters for the duty cycle of a container.
    pub(super) fn of_duty_cycle(aeron: &Aeron, settings: &Settings) -> Result<AddingTracker> {
        let threshold = settings.cycle_threshold;
        let exceeded =
            format!("Cluster container work cycle time exceeded count: threshold={}", java_duration(threshold));
        Ok(AddingTracker {
            max_ns: settings.add_counter(aeron, MAX_CYCLE_TIME_TYPE_ID, "Cluster container max cycle time in ns")?,
            exceeded: settings.add_counter(aeron, CYCLE_TIME_EXCEEDED_TYPE_ID, &exceeded)?,
            threshold_ns: saturating_nanos(threshold),
        })
    }

    /// Starts to add counters for the snapshots of a service.
    pub(super) fn of_snapshots(aeron: &Aeron, settings: &Settings) -> Result<AddingTracker> {
        let threshold = settings.snapshot_duration_threshold;
        let exceeded =
            format!("Clustered service max snapshot duration exceeded count: threshold={}", java_duration(threshold));
        let max = "Clustered service max snapshot duration in ns";
        Ok(AddingTracker {
            max_ns: settings.add_counter(aeron, MAX_SNAPSHOT_DURATION_TYPE_ID, max)?,
            exceeded: settings.add_counter(aeron, SNAPSHOT_DURATION_EXCEEDED_TYPE_ID, &exceeded)?,
            threshold_ns: saturating_nanos(threshold),
        })
    }

    /// Records one duration, in nanoseconds.
    #[inline]
    pub(super) fn record(&self, nanos: i64) {
        if nanos > self.max_ns.get() {
            self.max_ns.propose_max(nanos);
        }
        if nanos > self.threshold_ns {
            self.exceeded.increment();
        }
    }
}

/// Measures from one call to the next, by the clock of the duty cycle.
pub(super) struct DutyCycle {
    tracker: DurationTracker,
    last_ns: i64,
}

impl DutyCycle {
    pub(super) fn new(tracker: DurationTracker) -> Self {
        DutyCycle { tracker, last_ns: 0 }
    }

    /// Starts measuring at `now_ns`.
    pub(super) fn restart(&mut self, now_ns: i64) {
        self.last_ns = now_ns;
    }

    /// Records the time since the last call.
    #[inline]
    pub(super) fn measure(&mut self, now_ns: i64) {
        self.tracker.record(now_ns - std::mem::replace(&mut self.last_ns, now_ns));
    }
}

/// A duration in nanoseconds, `i64::MAX` if it is longer than that.
pub(super) fn saturating_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A duration as Agrona's `SystemUtil.formatDuration` writes it: in the largest unit of which it is a whole multiple.
pub(super) fn java_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
        if nanos != 0 && nanos.is_multiple_of(unit) {
            return format!("{}{name}", nanos / unit);
        }
    }
    format!("{nanos}ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_java_writes_them() {
        for (nanos, text) in [
            (1_000_000_000, "1s"),
            (100_000_000, "100ms"),
            (1_500_000_000, "1500ms"),
            (7_000, "7us"),
            (7_001, "7001ns"),
            (0, "0ns"),
        ] {
            assert_eq!(java_duration(Duration::from_nanos(nanos)), text);
        }
    }
}
