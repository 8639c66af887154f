//! Counts the instructions of every case with callgrind, and compares them with the checked-in counts and with the bars.
//!
//! Instructions do not depend on how busy the machine is. They do depend on the compilers: the checked-in counts are compared only
//! where the same compilers made the code, and where not, that is said. The bars are held by all compilers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use aeron_cluster::testing::WorkDir;
use aeron_cluster_benches::{BARS, CASES, MESSAGES, Stage, native};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;

/// Runs of a case before those that count, and those: the least of these is the result.
const WARM_UP: usize = 2;
const RUNS: usize = 5;
/// How much more than the checked-in count is too much.
const RISE: f64 = 0.03;

/// Instructions of every case, a message.
#[derive(Parser, Debug)]
struct Args {
    /// Check these counts in.
    #[arg(long)]
    update: bool,
    /// Only cases with this in their name.
    #[arg(long, default_value = "")]
    only: String,
    /// Keep what callgrind writes here, for callgrind_annotate.
    #[arg(long)]
    keep: Option<PathBuf>,
    #[arg(long, hide = true)]
    measure: bool,
}

type Counts = BTreeMap<String, f64>;

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let cases = || CASES.iter().filter(|(name, _)| name.contains(&args.only));
    if args.measure {
        ensure!(native::is_under_valgrind(), "--measure is for this program's own use");
        let stage = Stage::new();
        for (_, make) in cases() {
            let mut case = make(&stage);
            for run in 0..WARM_UP + RUNS {
                case.prepare();
                if run < WARM_UP { case.run() } else { native::counted(|| case.run()) }
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(!cfg!(debug_assertions), "build with --release: the counts of a debug build say nothing");
    let counts = count(&args, cases().map(|(name, _)| *name))?;
    let expected = Expected::read()?;
    let of_case = |name: &String| name.contains(&args.only);
    let expected =
        Expected { counts: expected.counts.into_iter().filter(|(name, _)| of_case(name)).collect(), ..expected };
    let good = show(&counts, &expected, &compilers());
    let holds = show_bars(&counts);
    if args.update {
        ensure!(args.only.is_empty(), "--update needs all cases");
        Expected { compilers: compilers(), counts }.write()?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if good && holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the cases under callgrind. Returns instructions a message.
fn count<'a>(args: &Args, names: impl Iterator<Item = &'a str>) -> Result<Counts> {
    ensure!(
        native::knows_valgrind(),
        "built without valgrind/callgrind.h: install valgrind (./ci/setup) and build again"
    );
    let dir = WorkDir::new()?;
    let files = args.keep.as_deref().unwrap_or(dir.path());
    std::fs::create_dir_all(files)?;
    let out = files.join("callgrind.out");
    let log = std::fs::File::create(files.join("log"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--collect-atstart=no", "--fair-sched=try"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(std::env::current_exe()?).args(["--measure", "--only", &args.only]);
    let status = valgrind.stdout(Stdio::null()).stderr(log).status().context("no valgrind: run ./ci/setup")?;
    if !status.success() {
        bail!("valgrind failed ({status}):\n{}", std::fs::read_to_string(files.join("log"))?);
    }
    let mut number = 0;
    names
        .map(|name| {
            let mut least = u64::MAX;
            for _ in 0..RUNS {
                number += 1;
                least = least.min(total(&out.with_extension(format!("out.{number}")))?);
            }
            Ok((name.to_owned(), least as f64 / MESSAGES as f64))
        })
        .collect()
}

fn total(file: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("no {}", file.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(line.with_context(|| format!("no total in {}", file.display()))?.trim().parse()?)
}

/// Prints every count beside the checked-in one. False if one has risen too far, or stands on one side alone.
fn show(counts: &Counts, expected: &Expected, compilers: &str) -> bool {
    let comparable = expected.compilers == compilers;
    if !comparable {
        println!("The checked-in counts are of other compilers and are not compared.");
        println!("  checked in: {}\n  here:       {compilers}\n", expected.compilers);
    }
    let mut good = true;
    println!("{:32} {:>12} {:>12} {:>8}", "instructions a message", "here", "checked in", "change");
    for (name, count) in counts {
        let Some(before) = expected.counts.get(name).filter(|_| comparable) else {
            let verdict = if comparable { "  NOT CHECKED IN" } else { "" };
            println!("{name:32} {count:12.1} {:>12} {:>8}{verdict}", "-", "-");
            good &= !comparable;
            continue;
        };
        let change = count / before - 1.;
        let verdict = if change > RISE { "  TOO MUCH" } else { "" };
        println!("{name:32} {count:12.1} {before:12.1} {:+7.1}%{verdict}", change * 100.);
        good &= change <= RISE;
    }
    for (name, before) in expected.counts.iter().filter(|(name, _)| comparable && !counts.contains_key(*name)) {
        println!("{name:32} {:>12} {before:12.1} {:>8}  NOT COUNTED", "-", "-");
        good = false;
    }
    if !good {
        println!(
            "\nMore than {}% above the checked-in count, or no count on one side. Where that is meant: ./ci/check-instructions --update",
            RISE * 100.
        );
    }
    good
}

/// Prints how the cases stand to each other. False if a bar is missed.
fn show_bars(counts: &Counts) -> bool {
    let mut good = true;
    println!("\n{:44} {:>8} {:>8}", "ratio", "here", "bar");
    for (this, that, bar) in BARS {
        let (Some(a), Some(b)) = (counts.get(*this), counts.get(*that)) else { continue };
        let is_met = a / b <= *bar;
        let verdict = if is_met { "" } else { "  MISSED" };
        println!("{:44} {:8.3} {bar:8.2}{verdict}", format!("{this} : {that}"), a / b);
        good &= is_met;
    }
    good
}

/// What the counts depend on.
fn compilers() -> String {
    format!("{}; {}", env!("RUST_COMPILER"), env!("C_COMPILER"))
}

/// The checked-in counts.
struct Expected {
    compilers: String,
    counts: Counts,
}

impl Expected {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
    }

    fn read() -> Result<Expected> {
        let text = std::fs::read_to_string(Self::path()).unwrap_or_default();
        let mut lines = text.lines();
        let compilers = lines.next().unwrap_or("none").to_owned();
        let count = |line: &str| {
            let (name, count) = line.rsplit_once(' ').with_context(|| format!("no count in {line:?}"))?;
            Ok((name.trim().to_owned(), count.parse()?))
        };
        Ok(Expected { compilers, counts: lines.map(count).collect::<Result<_>>()? })
    }

    fn write(&self) -> Result<()> {
        let mut text = format!("{}\n", self.compilers);
        for (name, count) in &self.counts {
            writeln!(text, "{name} {count:.1}")?;
        }
        std::fs::write(Self::path(), text)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<const N: usize>(counts: [(&str, f64); N]) -> Counts {
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    fn is_good(here: Counts, checked_in: Counts, compilers: &str) -> bool {
        show(&here, &Expected { compilers: "a; b".to_owned(), counts: checked_in }, compilers)
    }

    #[test]
    fn counts_may_fall_and_rise_a_little() {
        let checked_in = || counts([("one", 100.), ("two", 50.)]);
        assert!(is_good(checked_in(), checked_in(), "a; b"));
        assert!(is_good(counts([("one", 102.9), ("two", 1.)]), checked_in(), "a; b"));
        assert!(!is_good(counts([("one", 103.1), ("two", 1.)]), checked_in(), "a; b"));
        assert!(is_good(counts([("one", 103.1), ("two", 1.)]), checked_in(), "a; c"), "other compilers");
    }

    #[test]
    fn no_case_may_come_or_go_unnoticed() {
        let (one, both) = (|| counts([("one", 100.)]), || counts([("one", 100.), ("two", 50.)]));
        assert!(!is_good(one(), both(), "a; b"));
        assert!(!is_good(both(), one(), "a; b"));
        assert!(!is_good(one(), counts([]), "a; b"));
        assert!(is_good(both(), one(), "a; c") && is_good(one(), both(), "a; c"), "other compilers");
    }

    #[test]
    fn bars_are_held_whatever_the_compilers() {
        assert!(show_bars(&counts([("poll/rust", 105.), ("poll/c", 100.)])));
        assert!(!show_bars(&counts([("poll/rust", 106.), ("poll/c", 100.), ("offer/rust", 1.), ("offer/c", 1.)])));
    }

    #[test]
    fn each_bar_is_about_cases_that_there_are_and_each_case_is_checked_in() {
        let is_case = |name: &str| CASES.iter().any(|(case, _)| *case == name);
        assert!(BARS.iter().all(|(this, that, _)| is_case(this) && is_case(that)));
        let checked_in = Expected::read().unwrap().counts;
        assert!(checked_in.keys().all(|name| is_case(name)) && checked_in.len() == CASES.len(), "{checked_in:?}");
    }
}
