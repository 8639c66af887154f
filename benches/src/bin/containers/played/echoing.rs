//! A leader's container under load: the benchmark commits messages and receives their echoes.

use std::time::{Duration, Instant};

use aeron_cluster::aeron::Subscription;
use aeron_cluster::testing::PATIENCE;
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use super::{Log, RESPONSE_CHANNEL, RESPONSE_STREAM};
use crate::live::Cost;
use crate::pace::Pace;
use crate::{cores, process};

/// Echoes taken at once, where there are few.
const POLL_LIMIT: usize = 10;

impl Log<'_, '_> {
    /// The subscription for the echoes of all sessions. Add it before the sessions, since what is sent without a subscriber is lost.
    pub fn hear_echoes(&self) -> Result<Subscription> {
        Ok(self.played.aeron.add_subscription(RESPONSE_CHANNEL, RESPONSE_STREAM)?)
    }

    /// Makes the container echo messages, with at most `window` of them in flight. Whenever the container's position has moved, its echoes
    /// are received and as many messages committed: some dozens at a time, as a member feeds its service.
    pub fn echo(&mut self, echoes: &mut Subscription, messages: u64, window: u64) -> Result<Cost> {
        let before = process::cpu(self.service.id())?;
        let begin = Instant::now();
        let mut deadline = begin + PATIENCE;
        let (mut sent, mut echoed, mut read) = (0, 0, 0);
        while echoed < messages {
            while sent < messages.min(echoed + window) {
                self.send()?;
                sent += 1;
            }
            self.commit();
            // Polling a stream while the container writes it would slow down the container, by cache misses.
            while self.applied.get() == read && read < self.position && Instant::now() < deadline {
                std::hint::spin_loop();
            }
            read = self.applied.get();
            if echoes.poll(window as usize, |_, _| echoed += 1)? > 0 {
                deadline = Instant::now() + PATIENCE;
            }
            let name = self.service.name();
            ensure!(Instant::now() < deadline, "{name} echoes no more: {echoed} of {sent} messages");
        }
        let took = begin.elapsed();
        let used = process::cpu(self.service.id())? - before;
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
        Ok(Cost { cpu: micros(used), time: micros(took) })
    }

    /// Commits messages at a fixed rate, and measures every echo from the time when its message was due. Only the container uses the last core.
    pub fn round_trips(&mut self, echoes: &mut Subscription, rate: u64, seconds: u64) -> Result<Histogram<u64>> {
        cores::without_last(|| self.time_round_trips(echoes, rate, seconds))
    }

    fn time_round_trips(&mut self, echoes: &mut Subscription, rate: u64, seconds: u64) -> Result<Histogram<u64>> {
        let mut pace = Pace::begin(rate, seconds)?;
        let mut last_echo = Instant::now();
        while !pace.is_over() {
            let now = pace.now();
            while pace.due(now).is_some() {
                self.send()?;
                self.commit();
                pace.sent();
            }
            // Echoes arrive in the order of the log.
            let polled = echoes.poll(POLL_LIMIT, |_, _| pace.echoed_in_order())?;
            if polled > 0 {
                last_echo = Instant::now();
            } else {
                // On a machine with two cores, driver and archive share this one; they wake up only for moments.
                std::hint::spin_loop();
            }
            let name = self.service.name();
            ensure!(last_echo.elapsed() < PATIENCE, "{name} echoes no more: {pace}");
        }
        Ok(pace.into_latencies())
    }
}
