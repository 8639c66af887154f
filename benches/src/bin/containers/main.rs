//! Measures the Rust container, Java's and any others in one run, under the same load from the same client. `ci/bench` runs it.
//!
//! The containers take turns, so that other load on the machine affects all of them. Every figure is given as the median and range of the
//! runs, with the ratio of the medians. The figures mean little on a machine that does something else at the same time.

mod allocations;
mod contestant;
mod cores;
mod instructions;
mod live;
mod pace;
mod parts;
mod played;
mod plot;
mod process;
mod results;

use std::path::{Path, PathBuf};

use aeron_cluster::testing::Java;
use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum as _};

use contestant::Contestant;
use parts::{Bench, Part, SESSIONS, SIZES, by_sessions, by_size};
use plot::Chart;
use results::{PERCENTILES, Results};

/// Compares the Rust service container with Java's, and with others.
#[derive(Parser, Debug)]
struct Args {
    /// Another container to measure: a program with an echo service. It is configured by environment variables: AERON_DIR, the
    /// directory of the media driver; CLUSTER_DIR, the directory of the node; IDLE, `backoff` or `spin`. See docs/benchmarks.md. A
    /// container with the name Go is compared with the bars for Go. May be repeated.
    #[arg(long, value_name = "NAME=PROGRAM")]
    container: Vec<Contestant>,
    /// Run only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Number of runs of each container.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Number of runs of each container in the parts where a run takes long: sizes, members, recovery.
    #[arg(long, default_value_t = 3)]
    long_runs: usize,
    /// Number of messages in each run under load.
    #[arg(long, default_value_t = 2_000_000)]
    messages: u64,
    /// Number of warm-up messages before that, so that Java is compiled.
    #[arg(long, default_value_t = 500_000)]
    warm_up: u64,
    /// Number of messages, in the first run, after which memory is measured.
    #[arg(long, default_value_t = 10_000_000)]
    memory_messages: u64,
    /// Number of messages in the log that is recovered.
    #[arg(long, default_value_t = 20_000_000)]
    log_messages: u64,
    /// Number of bytes to send in messages of each size; at least 1,000 and at most --messages messages.
    #[arg(long, default_value_t = 256 * 1024 * 1024)]
    bytes: u64,
    /// Maximum number of messages in flight under load.
    #[arg(long, default_value_t = 256)]
    window: u64,
    /// Number of batches of waiting messages to time.
    #[arg(long, default_value_t = 25)]
    batches: usize,
    /// Messages per second while round trips are timed.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Number of seconds for which round trips are timed.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Run everything once and briefly, to show that it works. The figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Directory to write the table, the JSON file and the plots to.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Number of messages in a batch that a container applies.
    #[arg(skip = u32::MAX)]
    batch: u32,
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    if args.quick {
        args = Args {
            runs: 1,
            long_runs: 1,
            messages: 20_000,
            warm_up: 5_000,
            memory_messages: 30_000,
            log_messages: 100_000,
            bytes: 1024 * 1024,
            batches: 3,
            batch: 5_000,
            rate: 1_000,
            seconds: 1,
            ..args
        };
    }
    let java = Java::aeron_all()?.fast().compile(&root().join("tests/java"))?;
    let mut contestants = vec![Contestant::rust(), Contestant::java()];
    contestants.append(&mut args.container.clone());
    let mut bench = Bench { args: &args, java: &java, contestants: &contestants, results: Results::default() };
    let mut parts = Part::value_variants().iter().filter(|part| args.only.is_empty() || args.only.contains(part));
    let outcome = parts.try_for_each(|part| bench.run(*part));
    // Results from before a part failed are written too.
    write(&bench.results, &args)?;
    outcome
}

fn write(results: &Results, args: &Args) -> Result<()> {
    let table = format!("{}\n\n{}", machine(args), results.table());
    println!("\n{table}");
    if args.quick {
        println!("These figures are of runs that are too short to measure anything.");
    }
    std::fs::create_dir_all(&args.out)?;
    let save = |name: &str, text: String| -> Result<()> {
        let file = args.out.join(name);
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
        println!("written: {}", file.display());
        Ok(())
    };
    save("table.md", table)?;
    save("bench.json", format!("{{\"machine\":{:?},\n{}}}\n", machine(args), results.json()))?;
    for (name, chart) in [
        ("latency.svg", latency_chart(results)),
        ("sizes.svg", size_chart(results)),
        ("sessions.svg", session_chart(results)),
    ] {
        if let Some(svg) = chart.svg() {
            save(name, svg)?;
        }
    }
    Ok(())
}

/// The machine, and the number of runs.
fn machine(args: &Args) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("CPU");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{model}, {cores} cores. Medians (least – most) of {} runs, of {} for sizes, three members and recovery; {} messages under load, \
         window {}.",
        args.runs, args.long_runs, args.messages, args.window
    )
}

fn latency_chart(results: &Results) -> Chart<'static> {
    // Each additional nine of a percentile has the same width.
    let nines = |percentile: f64| -(1. - percentile / 100.).log10();
    let ticks = PERCENTILES.iter().filter(|(_, name)| !name.is_empty());
    Chart {
        title: "Round trip at a fixed rate, service spinning",
        x_label: "percentile",
        y_label: "µs",
        ticks: ticks.map(|(p, name)| (nines(*p), (*name).to_owned())).collect(),
        lines: results
            .latencies
            .iter()
            .map(|(name, histogram)| {
                let point = |p: f64| (nines(p), histogram.value_at_percentile(p) as f64 / 1e3);
                (name.clone(), PERCENTILES.iter().map(|(p, _)| point(*p)).collect())
            })
            .collect(),
    }
}

fn size_chart(results: &Results) -> Chart<'static> {
    let name = |size: usize| if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) };
    let x = |size: usize| (size as f64).log2();
    Chart {
        title: "CPU of the service a message, by size",
        x_label: "bytes of a message",
        y_label: "µs",
        ticks: SIZES.iter().map(|size| (x(*size), name(*size))).collect(),
        lines: lines(results, &SIZES.map(|size| (x(size), by_size(size).name))),
    }
}

fn session_chart(results: &Results) -> Chart<'static> {
    let x = |sessions: i64| (sessions as f64).log10();
    Chart {
        title: "A message applied, by the number of open sessions",
        x_label: "open sessions",
        y_label: "ns",
        ticks: SESSIONS.iter().map(|sessions| (x(*sessions), sessions.to_string())).collect(),
        lines: lines(results, &SESSIONS.map(|sessions| (x(sessions), by_sessions(sessions).name))),
    }
}

/// The medians of the figures, as a line for each container.
fn lines(results: &Results, figures: &[(f64, String)]) -> Vec<(String, Vec<(f64, f64)>)> {
    let point = |name: &str, (x, figure): &(f64, String)| Some((*x, results.median(figure, name)?));
    let line = |name: String| {
        let points: Vec<_> = figures.iter().filter_map(|figure| point(&name, figure)).collect();
        (name, points)
    };
    results.contestants().into_iter().map(line).filter(|(_, points)| !points.is_empty()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// An example program of the same build.
fn example(name: &str) -> Result<PathBuf> {
    program(&format!("examples/{name}"))
}

/// Another program of the same build.
fn program(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(program.exists(), "{} is missing: run ./ci/bench, which builds it", program.display());
    Ok(program)
}
