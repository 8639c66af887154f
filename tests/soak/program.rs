//! The soak: a cluster of three replicas under load is killed, stopped, emptied and started again, in an order that a seed gives. After each step all
//! members must have the same state, and all that a client was told of as done must be in it, once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use aeron_cluster::client::AeronCluster;
use aeron_cluster::testing::{PATIENCE, Part, TestCluster, wait_until};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;

mod load;
mod random;
#[path = "../replica/mod.rs"]
mod replica;
mod step;
#[path = "../../examples/support/stop.rs"]
mod stop;

use load::{Address, Load};
use random::Random;
use step::Step;
use stop::StopFlag;

const MEMBERS: usize = 3;
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

/// Fields end in this order: the clients before the cluster.
struct Soak {
    loads: Vec<Load>,
    cluster: TestCluster,
    random: Random,
    started: Instant,
    steps: BTreeMap<String, u64>,
}

impl Soak {
    fn start(seed: u64) -> Result<Soak> {
        let replica = std::env::current_exe()?.with_file_name("replica");
        ensure!(replica.exists(), "{} is missing: cargo build --example replica", replica.display());
        let mut cluster = TestCluster::builder()
            .members(MEMBERS)
            .program(move |place| {
                let mut command = Command::new(&replica);
                command.arg("--aeron-dir").arg(place.aeron_dir()).arg("--cluster-dir").arg(place.cluster_dir());
                command
            })
            .start()?;
        // The sessions' client is that of the first one, on a driver that no step ends.
        let first = AeronCluster::connect(cluster.remote_client_context()?)?;
        let address = Address {
            aeron: first.aeron().clone(),
            ingress_endpoints: cluster.ingress_endpoints(),
            egress_channel: cluster.egress_channel().to_owned(),
        };
        let loads =
            (1..=CLIENTS).map(|client| Load::start(address.clone(), Random::new(seed ^ (client << 32)))).collect();
        Ok(Soak { loads, cluster, random: Random::new(seed), started: Instant::now(), steps: BTreeMap::new() })
    }

    fn run(mut self, args: &Args, stop: &StopFlag) -> Result<()> {
        let length = Duration::from_secs_f64(args.minutes * 60.0);
        let mut number = 0;
        while self.started.elapsed() < length && !stop.is_set() {
            number += 1;
            let step = Step::choose(&mut self.random);
            let start = Instant::now();
            let outcome = self.step(step).with_context(|| format!("step {number}, {step}"));
            let state = outcome.inspect_err(|_| self.show_ends())?;
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
        step.run(&mut self.cluster, &mut self.random)?;
        std::thread::sleep(Duration::from_millis(self.random.below(1_000)));
        self.loads.iter().for_each(Load::pause);
        let state = self.same_state()?;
        self.loads.iter().for_each(Load::go_on);
        let told = |name| field(&state, name).unwrap_or_default();
        Ok(format!("{} messages, {} timers, position {}", told("messages"), told("timers"), told("position")))
    }

    /// Waits until the replicas of all members have told the same state, with all that clients know of.
    fn same_state(&mut self) -> Result<String> {
        Ok(wait_until("the same state of all members", PATIENCE, || {
            let mut lines = Vec::new();
            for member in 0..MEMBERS {
                let process = self.cluster.service_process(member, 0)?;
                let told = process.map(|process| process.lines()).unwrap_or_default();
                lines.push(told.into_iter().rfind(|line| line.contains(" hash=")).unwrap_or_default());
            }
            let state = |line: &String| line.split_once(" hash=").map(|(_, state)| state.to_owned());
            let is_same = state(&lines[0]).is_some() && lines.iter().all(|line| state(line) == state(&lines[0]));
            let wrong = if is_same { self.check(&lines[0]).err() } else { None };
            let is_done = is_same && wrong.is_none();
            let wrong = wrong.map(|error| error.to_string());
            Ok(if is_done { ControlFlow::Break(lines.swap_remove(0)) } else { ControlFlow::Continue((wrong, lines)) })
        })?)
    }

    /// Nothing came twice, and whatever a client was told of as done is there.
    fn check(&self, state: &str) -> Result<()> {
        ensure!(field(state, "doubled") == Some("0"), "something was applied twice: {state}");
        let applied = numbers(state);
        for load in &self.loads {
            for (session, answered) in &load.told().answered {
                let applied = applied.get(session).map_or(&[][..], Vec::as_slice);
                for (first, last) in &answered.ranges {
                    let is_there = applied.iter().any(|range| range.0 <= *first && *last <= range.1);
                    ensure!(is_there, "answered, but not applied: {first} to {last} of session {session} in {state}");
                }
            }
        }
        Ok(())
    }

    /// What the parts of the cluster said last.
    fn show_ends(&mut self) {
        for member in 0..MEMBERS {
            for part in [Part::Driver, Part::Archive, Part::ConsensusModule] {
                let lines = self.cluster.process(member, part).map(|process| process.lines()).unwrap_or_default();
                show_end(&format!("{part:?} of member {member}"), &lines);
            }
            if let Ok(Some(process)) = self.cluster.service_process(member, 0) {
                show_end(&format!("replica of member {member}"), &process.lines());
            }
        }
    }

    fn end(mut self, how: &str) -> Result<()> {
        let told: Vec<_> = self.loads.iter().map(Load::told).collect();
        self.loads.clear();
        self.cluster.stop()?;
        let sum = |of: fn(&load::Told) -> u64| told.iter().map(of).sum::<u64>();
        let answered =
            sum(|told| told.answered.values().flat_map(|numbers| &numbers.ranges).map(|(a, b)| b - a + 1).sum());
        println!(
            "soak: {how} after {} s: {} steps {:?}; {} messages sent, {answered} answered, {} sessions, {} changes of leader; nothing \
             lost or doubled",
            self.started.elapsed().as_secs(),
            self.steps.values().sum::<u64>(),
            self.steps,
            sum(|told| told.sent),
            sum(|told| told.answered.len() as u64),
            sum(|told| told.new_leaders),
        );
        Ok(())
    }
}

fn show_end(name: &str, lines: &[String]) {
    eprintln!("--- {name}");
    for line in &lines[lines.len().saturating_sub(20)..] {
        eprintln!("{line}");
    }
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The numbers of each session's messages in a state, as ranges.
fn numbers(state: &str) -> BTreeMap<i64, Vec<(u64, u64)>> {
    let sessions = field(state, "numbers").unwrap_or_default().split(',');
    let range = |range: &str| range.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    sessions
        .filter_map(|session| {
            let (id, ranges) = session.split_once(':')?;
            Some((id.parse().ok()?, ranges.split('+').filter_map(range).collect()))
        })
        .collect()
}
