//! Decides when a keep-alive is due. Reads no clock, so that tests can pass any times.

use std::time::{Duration, Instant};

/// Tracks how long nothing has been sent.
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Option<Duration>,
    /// Whether something was sent since the clock was last read: sends do not read it.
    was_sent: bool,
    last_sent: Instant,
}

impl KeepAlive {
    /// A keep-alive is due when nothing was sent for `interval`; `None` means never.
    pub(super) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self { interval, was_sent: false, last_sent: now }
    }

    /// To be called when something was sent.
    #[inline]
    pub(super) fn on_sent(&mut self) {
        self.was_sent = true;
    }

    /// Whether a keep-alive is due. It stays due until something is sent.
    #[inline]
    pub(super) fn is_due(&mut self, now: impl FnOnce() -> Instant) -> bool {
        let Some(interval) = self.interval else { return false };
        let now = now();
        if self.was_sent {
            self.was_sent = false;
            self.last_sent = now;
        }
        now.saturating_duration_since(self.last_sent) >= interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_makes_it_due_until_something_is_sent() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(Some(SECOND), start);
        assert!(!keep_alive.is_due(|| start + SECOND - Duration::from_nanos(1)));
        assert!(keep_alive.is_due(|| start + SECOND));
        assert!(keep_alive.is_due(|| start + SECOND), "a keep-alive that was not taken is due again");
        keep_alive.on_sent();
        assert!(!keep_alive.is_due(|| start + 2 * SECOND));
        assert!(!keep_alive.is_due(|| start + 3 * SECOND - Duration::from_nanos(1)));
        assert!(keep_alive.is_due(|| start + 3 * SECOND));
    }

    #[test]
    fn it_is_never_due_unless_it_is_asked_for() {
        let start = Instant::now();
        assert!(!KeepAlive::new(None, start).is_due(|| start + 1000 * SECOND));
    }
}
