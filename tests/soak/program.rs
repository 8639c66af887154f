//! The soak: a cluster of three replicas under load is killed, stopped, emptied and started again, in an order that a seed gives. After each step all
//! members must have the same state, and all that a client was told of as done must be in it, once.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use clap::Parser;

mod load;
mod loaded;
mod random;
#[path = "../replica/mod.rs"]
mod replica;
mod step;
#[path = "../../examples/support/stop.rs"]
mod stop;

use loaded::{Loaded, field, replicas};
use random::Random;
use step::Step;
use stop::StopFlag;

const CLIENTS: u64 = 2;

/// Runs three replicas under load, and kills, stops, empties and restarts them, in an order that a seed gives. After each step
/// all states must be equal, and nothing lost or doubled.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    /// How long.
    #[arg(long, value_name = "M", default_value_t = 15.0)]
    minutes: f64,

    /// What gives the order of steps and messages; by default the time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(since_epoch.as_secs());
    println!("soak: seed {seed}; again with ./ci/soak --minutes {} --seed {seed}", args.minutes);
    let outcome = StopFlag::on_signals().and_then(|stop| Soak::start(seed)?.run(&args, &stop));
    if outcome.is_err() {
        eprintln!("soak: failed; again with ./ci/soak --minutes {} --seed {seed}", args.minutes);
    }
    stop::exit_code(outcome.map(|()| true))
}

struct Soak {
    loaded: Loaded,
    random: Random,
    started: Instant,
    steps: BTreeMap<String, u64>,
}

impl Soak {
    fn start(seed: u64) -> Result<Soak> {
        let mut cluster = replicas()?.start()?;
        let context = cluster.remote_client_context()?;
        let loaded = Loaded::start(cluster, context, CLIENTS, seed)?;
        Ok(Soak { loaded, random: Random::new(seed), started: Instant::now(), steps: BTreeMap::new() })
    }

    fn run(mut self, args: &Args, stop: &StopFlag) -> Result<()> {
        let length = Duration::from_secs_f64(args.minutes * 60.0);
        let mut number = 0;
        while self.started.elapsed() < length && !stop.is_set() {
            number += 1;
            let step = Step::choose(&mut self.random);
            let start = Instant::now();
            let outcome = self.step(step).with_context(|| format!("step {number}, {step}"));
            let state = outcome.inspect_err(|_| eprint!("{}", self.loaded.cluster.last_words(20)))?;
            *self.steps.entry(step.to_string()).or_default() += 1;
            let took = start.elapsed().as_secs_f64();
            println!(
                "soak: {:>4} s  step {number:>3}  {step:<24} {took:>5.1} s  {state}",
                self.started.elapsed().as_secs()
            );
        }
        self.end(if stop.is_set() { "stopped" } else { "done" })
    }

    /// One step, under load before and after it. Returns what to tell of the state that all members have then.
    fn step(&mut self, step: Step) -> Result<String> {
        std::thread::sleep(Duration::from_millis(self.random.below(1_500)));
        step.run(&mut self.loaded.cluster, &mut self.random)?;
        std::thread::sleep(Duration::from_millis(self.random.below(1_000)));
        let state = self.loaded.settle()?;
        let told = |name| field(&state, name).unwrap_or_default();
        Ok(format!("{} messages, {} timers, position {}", told("messages"), told("timers"), told("position")))
    }

    fn end(self, how: &str) -> Result<()> {
        let told = self.loaded.end()?;
        let sum = |of: fn(&load::Told) -> u64| told.iter().map(of).sum::<u64>();
        println!(
            "soak: {how} after {} s: {} steps {:?}; {} messages sent, {} answered, {} sessions, {} changes of leader; nothing lost or \
             doubled",
            self.started.elapsed().as_secs(),
            self.steps.values().sum::<u64>(),
            self.steps,
            sum(|told| told.sent),
            sum(load::Told::answers),
            sum(|told| told.answered.len() as u64),
            sum(|told| told.new_leaders),
        );
        Ok(())
    }
}
