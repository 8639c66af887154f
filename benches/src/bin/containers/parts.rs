//! The parts of the benchmark, with their figures and bars.

use std::time::Instant;

use aeron_cluster::service::Role;
use aeron_cluster::testing::Java;
use aeron_cluster_benches::{Stage, echo_c, echo_rust};
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use hdrhistogram::Histogram;

use crate::contestant::{C, Contestant, Idle, JAVA, RUST};
use crate::live::{Live, Load, Path, RoundTrips};
use crate::played::{Log, Played};
use crate::results::{Figure, ITSELF, Results, Spread};
use crate::{Args, allocations, cores, instructions, process};

/// The lengths of messages that are compared, in bytes.
pub const SIZES: [usize; 7] = [32, 64, 256, 1024, 4096, 16 * 1024, 64 * 1024];
/// The numbers of open sessions that are compared.
pub const SESSIONS: [i64; 5] = [10, 100, 1_000, 10_000, 100_000];
/// The maximum number of sessions for other containers than Rust's and Java's, since one may add a publication for each session.
const SESSIONS_OF_OTHERS: i64 = 1_000;
/// How many times as many messages a container alone gets as one in a cluster, since each takes it a fraction of the time.
const ECHOES: u64 = 4;
/// How many times as many batches are echoed as in other parts: one takes less than a millisecond, and the speed of the machine varies.
const ECHO_BATCHES: usize = 16;
/// The maximum number of bytes in flight, for messages of any size.
const BYTES_UNDER_WAY: usize = 1024 * 1024;
/// How often few and many sessions alternate.
const TURNS: usize = 10;
/// The number of messages in a batch that a container applies.
const BATCH: u32 = 50_000;

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Polls, offers and claims compared with C, in instructions.
    Instructions,
    /// Echoes of waiting messages, compared with a bare loop in C.
    Echo,
    /// A container alone: start, many sessions, snapshots.
    Sessions,
    /// A leader's container alone, under load: CPU, round trips.
    Echoes,
    /// A cluster of one member: CPU, memory, round trips.
    Load,
    /// A cluster of one member with messages of many sizes: CPU.
    Sizes,
    /// A cluster of three members: CPU of the leader's service.
    Members,
    /// Recovery of a long log.
    Recovery,
    /// Heap allocations on the message path.
    Allocations,
}

/// What all parts use.
pub struct Bench<'a> {
    pub args: &'a Args,
    pub java: &'a Java,
    pub contestants: &'a [Contestant],
    pub results: Results,
}

impl Bench<'_> {
    pub fn run(&mut self, part: Part) -> Result<()> {
        let begin = Instant::now();
        println!("{part:?}");
        match part {
            Part::Instructions => instructions::run(&mut self.results),
            Part::Echo => self.echo(),
            Part::Sessions => self.by_turns(self.args.runs, Self::sessions),
            Part::Echoes => self.by_turns(self.args.runs, Self::echoes),
            Part::Load => self.by_turns(self.args.runs, Self::load),
            Part::Sizes => self.by_turns(self.args.long_runs, Self::sizes),
            Part::Members => self.by_turns(self.args.long_runs, Self::members),
            Part::Recovery => self.recovery(),
            Part::Allocations => allocations::run(&mut self.results),
        }?;
        println!("{part:?} took {:.0} s", begin.elapsed().as_secs_f64());
        Ok(())
    }

    /// Containers take turns, so that other load on the machine affects all of them.
    fn by_turns(
        &mut self,
        runs: usize,
        mut measure: impl FnMut(&mut Self, &Contestant, usize) -> Result<()>,
    ) -> Result<()> {
        for run in 1..=runs {
            for contestant in self.contestants {
                measure(self, contestant, run).with_context(|| format!("{}, run {run}", contestant.name))?;
            }
        }
        Ok(())
    }

    fn echo(&mut self) -> Result<()> {
        let figure = Figure::new("echo of 20,000 waiting messages (ns a message)", &[(C, 1.15)]);
        let stage = Stage::for_batches_of(20_000);
        let mut cases = [(RUST, echo_rust(&stage)), (C, echo_c(&stage))];
        let warm_up = stage.batches_of_a_round();
        for run in 0..warm_up + (self.args.batches * ECHO_BATCHES) as u64 {
            for (name, case) in &mut cases {
                case.prepare();
                let begin = Instant::now();
                case.run();
                // Until then the streams touch their memory for the first time.
                if run >= warm_up {
                    let nanos = begin.elapsed().as_nanos() as f64 / stage.messages() as f64;
                    self.results.add(&figure, name, nanos);
                }
            }
        }
        Ok(())
    }

    fn sessions(&mut self, contestant: &Contestant, _run: usize) -> Result<()> {
        let name = contestant.name.as_str();
        let mut played = Played::new(self.java)?;
        let (mut service, took) = played.start(contestant, Idle::Backoff, None)?;
        service.stop()?;
        let start = Figure::new("start to first acknowledgement, empty log (ms)", &[(JAVA, 0.3)]);
        self.results.add(&start, name, took.as_secs_f64() * 1e3);

        let (service, _) = played.start(contestant, Idle::Spin, None)?;
        let mut log = played.join(service, Role::Follower)?;
        for sessions in SESSIONS {
            if contestant.is_other() && sessions > SESSIONS_OF_OTHERS {
                return log.stop();
            }
            log.set_sessions(sessions)?;
            // Warms up: Java compiles frequently used code.
            self.batches(&mut log, self.args.batches)?;
            let cost = Spread::of(&self.batches(&mut log, self.args.batches)?).median;
            self.results.add(&by_sessions(sessions), name, cost);
        }
        let ratio = Figure::new("cost a message with 10,000 sessions : with 10", &[(ITSELF, 1.1)]);
        self.results.add(&ratio, name, self.many_to_few(&mut log)?);

        log.set_sessions(SESSIONS[4])?;
        let (snapshot, took) = log.snapshot()?;
        log.stop()?;
        let taken = Figure::new("snapshot of 100,000 sessions, taken (ms)", &[(JAVA, 1.0)]);
        self.results.add(&taken, name, took.as_secs_f64() * 1e3);
        let (mut service, took) = played.start(contestant, Idle::Backoff, Some(snapshot))?;
        service.stop()?;
        let loaded = Figure::new("start to first acknowledgement with that snapshot loaded (ms)", &[(JAVA, 1.0)]);
        self.results.add(&loaded, name, took.as_secs_f64() * 1e3);
        Ok(())
    }

    /// The time per message in each of the given number of batches, in nanoseconds.
    fn batches(&self, log: &mut Log, batches: usize) -> Result<Vec<f64>> {
        (0..batches).map(|_| log.batch(BATCH.min(self.args.batch))).collect()
    }

    /// The ratio of the time per message with many sessions to that with few. They alternate, since the speed of the machine varies from
    /// second to second.
    fn many_to_few(&self, log: &mut Log) -> Result<f64> {
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (sessions, costs) in [SESSIONS[0], SESSIONS[3]].into_iter().zip(&mut costs) {
                log.set_sessions(sessions)?;
                // Touches its memory for the first time.
                self.batches(log, 1)?;
                costs.extend(self.batches(log, self.args.batches.div_ceil(TURNS))?);
            }
        }
        let [few, many] = costs.map(|costs| Spread::of(&costs).median);
        Ok(many / few)
    }

    fn echoes(&mut self, contestant: &Contestant, _run: usize) -> Result<()> {
        let mut played = Played::new(self.java)?;
        let (service, _) = played.start(contestant, Idle::Backoff, None)?;
        let mut log = played.join(service, Role::Leader)?;
        let mut echoes = log.hear_echoes()?;
        log.set_sessions(SESSIONS[0])?;
        log.echo(&mut echoes, self.args.warm_up * ECHOES, self.args.window)?;
        let cost = log.echo(&mut echoes, self.args.messages * ECHOES, self.args.window)?;
        log.stop()?;
        let cpu = Figure::new(
            "CPU of the service a message, 64 bytes, the consensus module played (µs)",
            &[(JAVA, 0.9), ("Go", 0.35)],
        );
        self.results.add(&cpu, &contestant.name, cost.cpu);
        let time = Figure::new("time a message, the consensus module played (µs)", &[]);
        self.results.add(&time, &contestant.name, cost.time);
        self.played_round_trips(contestant)
    }

    fn played_round_trips(&mut self, contestant: &Contestant) -> Result<()> {
        let (rate, seconds) = (self.args.rate, self.args.seconds);
        let mut played = cores::without_last(|| Played::new(self.java))?;
        played.end_archive()?;
        let (service, _) = played.start(contestant, Idle::Spin, None)?;
        let mut log = played.join(service, Role::Leader)?;
        let mut echoes = log.hear_echoes()?;
        log.set_sessions(SESSIONS[0])?;
        // Warms up Java.
        log.round_trips(&mut echoes, rate, seconds)?;
        let latencies = log.round_trips(&mut echoes, rate, seconds)?;
        log.stop()?;
        self.percentiles(&contestant.name, &latencies, ", the consensus module played")
    }

    /// Records the round trips of a spinning container, with a note in the name if there was no whole cluster.
    fn percentiles(&mut self, name: &str, latencies: &Histogram<u64>, note: &str) -> Result<()> {
        for (quantile, percent) in [(0.5, "50"), (0.99, "99"), (0.999, "99.9")] {
            let rate = self.args.rate;
            let figure =
                Figure::new(format!("round trip p{percent} at {rate} messages/s, spinning{note} (µs)"), &[(JAVA, 1.0)]);
            self.results.add(&figure, name, latencies.value_at_quantile(quantile) as f64 / 1e3);
        }
        Ok(())
    }

    fn load(&mut self, contestant: &Contestant, run: usize) -> Result<()> {
        let (name, args) = (contestant.name.as_str(), self.args);
        let mut live = Live::new(self.java, 1)?;
        live.start(contestant, Idle::Backoff)?;
        self.cost(&mut live, name, args.messages, "")?;
        if run == 1 {
            let rest = args.memory_messages.saturating_sub(2 * (args.warm_up + args.messages)).max(1);
            live.load(many(rest))?;
            let memory = Figure::new(
                format!("anonymous memory after {} messages (MiB)", args.memory_messages),
                &[(JAVA, 0.1), ("Go", 0.5)],
            );
            let bytes = process::anonymous_memory(live.service())?;
            self.results.add(&memory, name, bytes as f64 / 1024. / 1024.);
        }
        // A consensus module ends with its service, so everything is started again, with the log.
        live.stop()?;
        live.start(contestant, Idle::Spin)?;
        // Warms up the archive and the consensus module, which have been started again.
        live.round_trips(args.rate, args.seconds.div_ceil(4), 64)?;
        let RoundTrips { first, latencies } = live.round_trips(args.rate, args.seconds, 64)?;
        live.stop()?;
        let first_echo = Figure::new("first echo of a session (ms)", &[]);
        self.results.add(&first_echo, name, first.as_secs_f64() * 1e3);
        self.percentiles(name, &latencies, "")?;
        let all = self.results.latencies.entry(name.to_owned());
        all.or_insert_with(|| Histogram::new_from(&latencies)).add(&latencies)?;
        Ok(())
    }

    /// The cost of messages of 64 bytes for the leader's service: over IPC, with the client on the leader's machine, and over UDP.
    fn cost(&mut self, live: &mut Live, name: &str, messages: u64, note: &str) -> Result<()> {
        for (path_name, path) in [("IPC", Path::Ipc), ("UDP", Path::Udp)] {
            let load = |messages| Load { messages, length: 64, window: self.args.window, path };
            live.load(load(self.args.warm_up))?;
            let cost = live.load(load(messages))?;
            let cpu = format!("CPU of the service a message, 64 bytes, client over {path_name}{note} (µs)");
            self.results.add(&Figure::new(cpu, &[(JAVA, 0.9), ("Go", 0.35)]), name, cost.cpu);
            let time = format!("time a message, client over {path_name}{note} (µs)");
            self.results.add(&Figure::new(time, &[]), name, cost.time);
        }
        Ok(())
    }

    fn sizes(&mut self, contestant: &Contestant, _run: usize) -> Result<()> {
        let mut live = Live::new(self.java, 1)?;
        live.start(contestant, Idle::Backoff)?;
        live.load(Load { messages: self.args.warm_up, length: 64, window: self.args.window, path: Path::Ipc })?;
        for size in SIZES {
            let window = self.args.window.min((BYTES_UNDER_WAY / size) as u64);
            let messages = (self.args.bytes / size as u64).clamp(1_000, self.args.messages);
            let cost = live.load(Load { messages, length: size, window, path: Path::Ipc })?;
            self.results.add(&by_size(size), &contestant.name, cost.cpu);
        }
        live.stop()
    }

    fn members(&mut self, contestant: &Contestant, _run: usize) -> Result<()> {
        let mut live = Live::new(self.java, 3)?;
        live.start(contestant, Idle::Backoff)?;
        self.cost(&mut live, &contestant.name, self.args.messages / 4, ", three members")?;
        live.stop()
    }

    fn recovery(&mut self) -> Result<()> {
        let (java, messages) = (self.java, self.args.log_messages);
        let mut live = Live::new(java, 1)?;
        live.start(&Contestant::rust(), Idle::Backoff)?;
        let begin = Instant::now();
        live.load(many(messages))?;
        println!("  the log was written in {:.0} s", begin.elapsed().as_secs_f64());
        live.stop()?;
        let figure = Figure::new(format!("start to leader, a log of {messages} messages (ms)"), &[(JAVA, 0.8)]);
        self.by_turns(self.args.long_runs, |bench, contestant, _| {
            let took = live.start(contestant, Idle::Backoff)?;
            live.stop()?;
            bench.results.add(&figure, &contestant.name, took.as_secs_f64() * 1e3);
            Ok(())
        })
    }
}

/// The load that writes messages to the log as fast as possible.
fn many(messages: u64) -> Load {
    Load { messages, length: 64, window: 4096, path: Path::Ipc }
}

/// The figure for the cost of a message of this length.
pub fn by_size(size: usize) -> Figure {
    Figure::new(format!("CPU of the service a message, {size} bytes (µs)"), &[])
}

/// The figure for the cost of a message with this number of sessions.
pub fn by_sessions(sessions: i64) -> Figure {
    Figure::new(format!("a message applied, {sessions} sessions (ns)"), &[])
}
