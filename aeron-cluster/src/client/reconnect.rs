//! Decides when a client that lost its session tries again. Reads no clock, so that tests can pass any times.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// The policy by which a client that lost its session opens a new one. Delays double with each attempt, up to a cap, and are shortened by a
/// random amount, up to a half, so that many clients do not reconnect at the same moment.
///
/// A session that lasted no longer than the cap does not count as a success: delays and limits continue where they were.
#[derive(Debug, Clone)]
pub struct Reconnect {
    first_delay: Duration,
    max_delay: Duration,
    max_attempts: Option<u32>,
    max_elapsed: Option<Duration>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(5),
            max_attempts: None,
            max_elapsed: None,
        }
    }
}

impl Reconnect {
    /// The default policy: delays from 100 ms to 5 s, without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest delay before the first attempt. Default: 100 ms.
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = delay;
        self
    }

    /// The longest delay of all, at most a day. Default: 5 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The number of attempts after which the client closes. Default: no limit.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// The time since the loss after which the client closes. An attempt in progress is not cut short. Default: no limit.
    #[must_use]
    pub fn max_elapsed(mut self, elapsed: Duration) -> Self {
        self.max_elapsed = Some(elapsed);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let invalid = |why: String| Err(Error::new(ErrorKind::InvalidArgument, why));
        if self.first_delay.is_zero() || self.max_delay < self.first_delay {
            let (first, max) = (self.first_delay, self.max_delay);
            return invalid(format!("reconnect needs 0 < firstDelay <= maxDelay, but they are {first:?} and {max:?}"));
        }
        if self.max_attempts == Some(0) {
            return invalid("reconnect.maxAttempts must be positive, but was 0".to_owned());
        }
        Ok(())
    }
}

/// Longer delays are cut to this, so that adding them to a time cannot overflow.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);

/// Counts attempts, and computes the delay before the next.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: Reconnect,
    attempts: u32,
    lost_at: Instant,
    opened_at: Instant,
    random: u64,
}

impl Backoff {
    /// Starts with a session that was opened at `now`.
    pub(super) fn new(policy: Reconnect, now: Instant) -> Self {
        let random = RandomState::new().hash_one(std::process::id()) | 1;
        Self { policy, attempts: 0, lost_at: now, opened_at: now, random }
    }

    /// The number of attempts since the loss.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// To be called when the session is lost. Returns the delay before the next attempt; `None` if sessions that did not last have
    /// used up the limits.
    pub(super) fn on_loss(&mut self, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.opened_at) > self.policy.max_delay {
            self.attempts = 0;
        }
        if self.attempts == 0 {
            self.lost_at = now;
            return Some(self.delay());
        }
        self.on_failure(now)
    }

    /// To be called when an attempt begins.
    pub(super) fn on_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// To be called when an attempt failed. Returns the delay before the next; `None` if the limits are reached.
    pub(super) fn on_failure(&mut self, now: Instant) -> Option<Duration> {
        if self.policy.max_attempts.is_some_and(|max| self.attempts >= max) {
            return None;
        }
        let delay = self.delay();
        let next = now.saturating_duration_since(self.lost_at).saturating_add(delay);
        self.policy.max_elapsed.is_none_or(|max| next <= max).then_some(delay)
    }

    /// To be called when an attempt opened a session.
    pub(super) fn on_opened(&mut self, now: Instant) {
        self.opened_at = now;
    }

    fn delay(&mut self) -> Duration {
        let factor = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let longest = self.policy.first_delay.saturating_mul(factor).min(self.policy.max_delay).min(LONGEST_DELAY);
        // Xorshift: good enough, since clients need only differ from each other.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = (self.random >> 40) as f64 / (1u64 << 24) as f64;
        longest.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn backoff(policy: Reconnect) -> (Backoff, Instant) {
        let start = Instant::now();
        (Backoff::new(policy, start), start)
    }

    #[test]
    fn delays_double_up_to_the_cap_and_differ() {
        let (mut backoff, start) = backoff(Reconnect::new().first_delay(100 * MS).max_delay(700 * MS));
        let mut delays = vec![backoff.on_loss(start + 1000 * MS).unwrap()];
        for _ in 0..40 {
            backoff.on_attempt();
            delays.push(backoff.on_failure(start).unwrap());
        }
        for (attempt, delay) in delays.iter().enumerate() {
            let longest = (100 * MS * (1 << attempt.min(3))).min(700 * MS);
            assert!((longest / 2..=longest).contains(delay), "{attempt}: {delay:?} of {longest:?}");
        }
        let capped = &delays[4..];
        assert!(capped.iter().any(|delay| delay != &capped[0]), "there is no jitter in {capped:?}");
    }

    #[test]
    fn two_clients_do_not_come_at_the_same_moment() {
        let delays = |()| {
            let (mut backoff, start) = backoff(Reconnect::new());
            (0..4).map(|_| backoff.on_failure(start)).collect::<Vec<_>>()
        };
        assert_ne!(delays(()), delays(()));
    }

    #[test]
    fn attempts_and_time_are_limited() {
        let (mut few, start) = backoff(Reconnect::new().max_attempts(2));
        few.on_loss(start);
        few.on_attempt();
        assert!(few.on_failure(start).is_some());
        few.on_attempt();
        assert_eq!(few.on_failure(start), None);

        let (mut short, start) = backoff(Reconnect::new().max_elapsed(1000 * MS));
        short.on_loss(start + 9000 * MS);
        short.on_attempt();
        assert!(short.on_failure(start + 9500 * MS).is_some());
        assert_eq!(short.on_failure(start + 9990 * MS), None);
    }

    #[test]
    fn a_session_that_does_not_last_is_no_success() {
        let (mut backoff, start) = backoff(Reconnect::new().first_delay(100 * MS).max_delay(1000 * MS).max_attempts(3));
        let lost = start + 5000 * MS;
        backoff.on_loss(lost);
        for _ in 0..2 {
            backoff.on_attempt();
            backoff.on_opened(lost);
            assert!(backoff.on_loss(lost + 900 * MS).unwrap() >= 100 * MS);
        }
        backoff.on_attempt();
        assert_eq!(backoff.on_failure(lost), None, "the attempts before the short sessions count");
        backoff.on_opened(lost);
        assert_eq!(backoff.on_loss(lost + 1000 * MS), None, "nor is there an attempt after the last one's");
        assert!(backoff.on_loss(lost + 1001 * MS).unwrap() <= 100 * MS);
        assert_eq!(backoff.attempts(), 0);
    }

    #[test]
    fn endless_delays_are_cut_to_a_day() {
        let (mut backoff, start) = backoff(Reconnect::new().first_delay(Duration::MAX).max_delay(Duration::MAX));
        assert!(backoff.on_loss(start).unwrap() <= LONGEST_DELAY);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let message = |policy: Reconnect| policy.check().unwrap_err().to_string();
        assert!(message(Reconnect::new().max_delay(MS)).contains("100ms and 1ms"));
        assert!(message(Reconnect::new().first_delay(Duration::ZERO)).contains("0ns"));
        assert!(message(Reconnect::new().max_attempts(0)).contains("maxAttempts"));
        assert!(Reconnect::new().check().is_ok());
    }
}
