//! Faults: three replicas under load, and one thing that goes wrong at a time. After each all members must have the same state, and all that a
//! client was told of as done must be in it, once. docs/faults.md has what users see of each.

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;

mod clients;
mod clocks;
mod disks;
mod fault;
mod kills;
mod losses;
mod pauses;
mod relay;
mod relays;
mod rig;
mod slowness;

#[path = "../soak/load.rs"]
mod load;
#[path = "../soak/loaded.rs"]
mod loaded;
#[path = "../../aeron-cluster/tests/support/mounts.rs"]
mod mounts;
#[path = "../soak/random.rs"]
mod random;
#[path = "../replica/mod.rs"]
mod replica;
#[path = "../../examples/support/stop.rs"]
mod stop;

use fault::Fault;
use random::Random;
use rig::Rig;
use stop::StopFlag;

/// Runs three replicas under load and lets one thing go wrong at a time: processes killed and stopped, disks full, clocks set, packets lost,
/// doubled and out of order. After each all states must be equal, nothing lost or doubled.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    /// What gives members, moments and messages; by default the time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The fault of this name, or those whose names begin so if there is none; commas between several, which happen in this order. One with
    /// a seed of its own is NAME@SEED.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// How often each.
    #[arg(long, value_name = "N", default_value_t = 1)]
    runs: u64,

    /// Print the names, and do nothing.
    #[arg(long)]
    list: bool,

    #[arg(long, num_args = 3, hide = true)]
    client: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    stop::exit_code(run(&args))
}

/// Whether all went well.
fn run(args: &Args) -> Result<bool> {
    if !args.client.is_empty() {
        return clients::be_client(&args.client);
    }
    let faults = wanted(&args.only)?;
    if args.list {
        faults.iter().for_each(|(fault, _)| println!("{}", fault.name()));
        return Ok(true);
    }
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(since_epoch.as_secs());
    println!("faults: seed {seed}; each again with ./ci/faults --seed {seed} --only NAME");
    Faults { rig: None, past: Vec::new(), done: 0, failed: 0 }.run(&faults, seed, args.runs)
}

/// The faults that are named, with their own seeds; all of them if none is.
fn wanted(only: &[String]) -> Result<Vec<(Fault, Option<u64>)>> {
    let all = Fault::all();
    if only.is_empty() {
        return Ok(all.into_iter().map(|fault| (fault, None)).collect());
    }
    let mut wanted = Vec::new();
    for only in only {
        let (name, seed) = match only.split_once('@') {
            Some((name, seed)) => (name, Some(seed.parse().with_context(|| format!("no seed in {only}"))?)),
            None => (only.as_str(), None),
        };
        let is_name = all.iter().any(|fault| fault.name() == name);
        let is_meant = |of: String| if is_name { of == name } else { of.starts_with(name) };
        let found: Vec<_> = all.iter().filter(|fault| is_meant(fault.name())).map(|fault| (*fault, seed)).collect();
        ensure!(!found.is_empty(), "no fault has the name {name}, nor one that begins so");
        wanted.extend(found);
    }
    Ok(wanted)
}

struct Faults {
    /// What the last fault left, for the next one that needs the same.
    rig: Option<Rig>,
    /// What happened to it so far, as the command line says it.
    past: Vec<String>,
    done: u64,
    failed: u64,
}

impl Faults {
    fn run(mut self, faults: &[(Fault, Option<u64>)], seed: u64, runs: u64) -> Result<bool> {
        let (stop, start) = (StopFlag::on_signals()?, Instant::now());
        for (fault, own) in faults {
            let first = own.unwrap_or(seed);
            for seed in first..first + runs {
                if stop.is_set() {
                    bail!("stopped");
                }
                self.one(*fault, seed);
            }
        }
        if let Some(rig) = self.rig.take() {
            rig.end()?;
        }
        let (done, failed, took) = (self.done, self.failed, start.elapsed().as_secs());
        println!(
            "faults: {done} runs in {took} s, {failed} failed; {} lost or doubled",
            if failed == 0 { "nothing" } else { "perhaps" }
        );
        Ok(failed == 0)
    }

    /// One fault, told in one line.
    fn one(&mut self, fault: Fault, seed: u64) {
        let (name, start) = (fault.name(), Instant::now());
        println!("faults: {name} begins");
        let rig = self.rig.take().filter(|rig| rig.setup() == fault.setup());
        if rig.is_none() {
            self.past.clear();
        }
        self.past.push(format!("{name}@{seed}"));
        let mut random = Random::new(name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31) ^ u64::from(byte)));
        let ready = rig.map_or_else(|| Rig::start(fault.setup(), seed).context("the start of the cluster"), Ok);
        let outcome = ready.and_then(|mut rig| match rig.run(fault, &mut random) {
            Ok(seen) => {
                self.rig = Some(rig);
                Ok(seen)
            }
            Err(error) => {
                eprint!("{}", rig.cluster().last_words(20));
                Err(error)
            }
        });
        self.done += 1;
        let took = start.elapsed().as_secs_f64();
        match outcome {
            Ok(seen) => println!("faults: {name:<26} {took:>5.1} s  {seen}; lost 0, doubled 0"),
            Err(error) => {
                self.failed += 1;
                println!("faults: {name:<26} {took:>5.1} s  FAILED: {error:#}");
                println!("faults: again with ./ci/faults --seed {seed} --only {name}");
                if self.past.len() > 1 {
                    println!("faults: and after all that its cluster went through with --only {}", self.past.join(","));
                }
            }
        }
    }
}
