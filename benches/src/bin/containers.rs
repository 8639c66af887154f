//! The Rust container beside Java's on a cluster of one member, under the same load of the same client: what `ci/bench` runs.
//!
//! The containers take turns, so that what else the machine does meets both. Every figure comes with its median and its spread over the
//! runs, and with the ratio of the medians. On a machine that does something else meanwhile the figures say little.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aeron_cluster::client::{AeronCluster, Context, on_message};
use aeron_cluster::testing::{CncFile, Java, PATIENCE, Process, TestCluster, type_id};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use hdrhistogram::Histogram;

/// The role of a leader, as the counter tells it.
const LEADER: i64 = 2;
/// Latencies beyond this count as this.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);

/// The Rust container beside Java's, on a real cluster.
#[derive(Parser, Debug)]
struct Args {
    /// Runs of each container.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Messages under load, a run.
    #[arg(long, default_value_t = 2_000_000)]
    messages: u64,
    /// Messages before that, for the Java compilers to do their work.
    #[arg(long, default_value_t = 500_000)]
    warm_up: u64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    length: usize,
    /// Messages under way at a time, under load.
    #[arg(long, default_value_t = 256)]
    window: u64,
    /// Messages a second, where round trips are timed.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Seconds for which round trips are timed.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// One short run of each: shows that everything works, and measures nothing.
    #[arg(long)]
    quick: bool,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Rust,
    Java,
}

const CONTAINERS: [Container; 2] = [Container::Rust, Container::Java];

/// The idle strategy of a container.
#[derive(Debug, Clone, Copy)]
enum Idle {
    Backoff,
    Spin,
}

/// What is measured, and the bar: the most that Rust may take, as a multiple of Java.
#[rustfmt::skip]
const FIGURES: [(&str, f64); 8] = [
    ("start to leader, empty log (ms)",      0.3),
    ("CPU a message under load (µs)",        0.9),
    ("anonymous memory after load (MiB)",    0.1),
    ("time a message under load (µs)",       1.0),
    ("round trip p50 at a fixed rate (µs)",  1.0),
    ("round trip p99 at a fixed rate (µs)",  1.0),
    ("round trip p99.9 at a fixed rate (µs)", 1.0),
    ("start to leader, after the load (ms)", 0.8),
];

/// One value for each figure.
type Run = [f64; FIGURES.len()];

fn main() -> Result<()> {
    let mut args = Args::parse();
    if args.quick {
        args = Args { runs: 1, messages: 20_000, warm_up: 5_000, seconds: 1, rate: 1_000, ..args };
    }
    let java = Java::aeron_all()?.fast().compile(&root().join("tests/java"))?;
    let mut runs: [Vec<Run>; 2] = Default::default();
    for number in 1..=args.runs {
        for (container, runs) in CONTAINERS.into_iter().zip(&mut runs) {
            let run = measure(container, &java, &args).with_context(|| format!("{container:?}, run {number}"))?;
            println!("run {number} {container:?}: {run:.3?}");
            runs.push(run);
        }
    }
    report(&runs, &args);
    write_json(&runs, &args)
}

fn measure(container: Container, java: &Java, args: &Args) -> Result<Run> {
    let mut cluster = TestCluster::builder().java(java.clone()).start()?;
    let (mut service, started) = start(container, Idle::Backoff, java, &cluster)?;
    load(&cluster, args.warm_up, args)?;
    let before = cpu(service.id())?;
    let seconds = load(&cluster, args.messages, args)?;
    let used = cpu(service.id())? - before;
    let memory = anonymous_memory(service.id())?;
    // A consensus module does not outlive its service: all of it starts again, with the log.
    cluster.stop()?;
    // In order: Java's container does not start for ten seconds where one was killed.
    service.stop()?;
    cluster.start()?;
    let (mut service, recovered) = start(container, Idle::Spin, java, &cluster)?;
    let latencies = round_trips(&cluster, args)?;
    cluster.stop()?;
    service.stop()?;
    let us = |nanos: u64| nanos as f64 / 1e3;
    let per_message = |seconds: f64| seconds * 1e6 / args.messages as f64;
    Ok([
        started.as_secs_f64() * 1e3,
        per_message(used.as_secs_f64()),
        memory as f64 / 1024. / 1024.,
        per_message(seconds),
        us(latencies.value_at_quantile(0.5)),
        us(latencies.value_at_quantile(0.99)),
        us(latencies.value_at_quantile(0.999)),
        recovered.as_secs_f64() * 1e3,
    ])
}

/// Starts an echo service, and waits until its member leads. Returns how long that took.
fn start(container: Container, idle: Idle, java: &Java, cluster: &TestCluster) -> Result<(Process, Duration)> {
    let (aeron_dir, cluster_dir) = (cluster.aeron_dir(0), cluster.cluster_dir(0));
    let command = match container {
        Container::Rust => {
            let mut command = Command::new(example("echo_service")?);
            command.arg("--aeron-dir").arg(aeron_dir).arg("--cluster-dir").arg(cluster_dir);
            command.args(["--idle", if matches!(idle, Idle::Spin) { "spin" } else { "backoff" }]);
            command
        }
        Container::Java => {
            let strategy = if matches!(idle, Idle::Spin) { "BusySpinIdleStrategy" } else { "BackoffIdleStrategy" };
            let strategy = format!("org.agrona.concurrent.{strategy}");
            let properties = [
                ("aeron.dir", aeron_dir.into_os_string()),
                ("aeron.cluster.dir", cluster_dir.into_os_string()),
                ("aeron.cluster.idle.strategy", strategy.into()),
            ];
            java.command("EchoService", properties)
        }
    };
    let begin = Instant::now();
    let mut service = Process::spawn(format!("{container:?}"), &command)?;
    let deadline = begin + 5 * PATIENCE;
    while role(cluster)? != Some(LEADER) {
        let is_hopeful = service.is_running() && Instant::now() < deadline;
        ensure!(is_hopeful, "no leader with {container:?}: {}", service.lines().join("\n"));
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok((service, begin.elapsed()))
}

fn role(cluster: &TestCluster) -> Result<Option<i64>> {
    let Some(file) = CncFile::open(&cluster.aeron_dir(0))? else { return Ok(None) };
    Ok(file.find(type_id::NODE_ROLE)?.map(|counter| counter.value))
}

/// Sends messages and takes their echoes, a window full at a time. Returns how many seconds that took.
fn load(cluster: &TestCluster, messages: u64, args: &Args) -> Result<f64> {
    let mut command = Command::new(example("cluster_client")?);
    command.arg("--aeron-dir").arg(cluster.aeron_dir(0));
    command.args(["--ingress-endpoints", &cluster.ingress_endpoints(), "--egress-channel", cluster.egress_channel()]);
    command.args(["--messages", &messages.to_string(), "--length", &args.length.to_string()]);
    command.args(["--window", &args.window.to_string()]);
    let mut client = Process::spawn("cluster_client", &command)?;
    client.wait_for_success(PATIENCE)?;
    let report = client.wait_for_line("{\"sent\"", PATIENCE)?;
    let (_, rate) = report.split_once("\"per_s\":").context("the client reports no rate")?;
    let rate: f64 = rate.split([',', '}']).next().unwrap_or_default().parse()?;
    Ok(messages as f64 / rate)
}

/// Sends at a fixed rate, spinning, and times every echo from when its message was due: a stall counts for all that it delays.
fn round_trips(cluster: &TestCluster, args: &Args) -> Result<Histogram<u64>> {
    let mut context = Context::new().aeron_dir(cluster.aeron_dir(0)).ingress_channel("aeron:udp");
    context = context.ingress_endpoints(cluster.ingress_endpoints()).egress_channel(cluster.egress_channel());
    let mut client = AeronCluster::connect(context.message_timeout(PATIENCE))?;
    let messages = args.rate * args.seconds;
    let interval = 1_000_000_000 / args.rate;
    let mut message = vec![0; args.length.max(8)];
    let mut latencies = Histogram::new_with_max(LONGEST_LATENCY.as_nanos() as u64, 3)?;
    let begin = Instant::now();
    let (mut sent, mut echoed) = (0, 0);
    let mut last_echo = begin;
    while echoed < messages {
        let due = sent * interval;
        if sent < messages && begin.elapsed().as_nanos() as u64 >= due {
            message[..8].copy_from_slice(&due.to_le_bytes());
            match client.offer(&message) {
                Ok(_) => sent += 1,
                Err(reason) if reason.is_retryable() => {}
                Err(reason) => bail!("the cluster takes no message: {reason}"),
            }
        }
        let polled = client.poll_egress(&mut on_message(|_, _, message, _| {
            let now = begin.elapsed().as_nanos() as u64;
            let due = message.first_chunk().map_or(now, |due| u64::from_le_bytes(*due));
            latencies.saturating_record(now.saturating_sub(due));
            echoed += 1;
        }))?;
        if polled > 0 {
            last_echo = Instant::now();
        }
        ensure!(last_echo.elapsed() < PATIENCE, "no echo: {echoed} of {sent} came");
        std::hint::spin_loop();
    }
    Ok(latencies)
}

/// The CPU time that all threads of a process have had.
fn cpu(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// The memory of a process that is no file's, in bytes.
fn anonymous_memory(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).context("no Anonymous in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Median, least and most.
fn spread(runs: &[Run], figure: usize) -> (f64, f64, f64) {
    let mut values: Vec<f64> = runs.iter().map(|run| run[figure]).collect();
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn report(runs: &[Vec<Run>; 2], args: &Args) {
    println!(
        "\n{} bytes, window {}, {} messages a run, {} messages/s for round trips; median (least – most) of {} runs",
        args.length, args.window, args.messages, args.rate, args.runs
    );
    println!("{:40} {:>9} {:>6} {:>28} {:>28}", "", "Rust:Java", "bar", "Rust", "Java");
    for (figure, (name, bar)) in FIGURES.iter().enumerate() {
        let [rust, java] = [0, 1].map(|container: usize| spread(&runs[container], figure));
        let show = |(median, least, most)| format!("{median:.3} ({least:.3} – {most:.3})");
        let ratio = rust.0 / java.0;
        let verdict = if ratio > *bar { "  MISSED" } else { "" };
        println!("{name:40} {ratio:9.2} {bar:6.2} {:>28} {:>28}{verdict}", show(rust), show(java));
    }
    if args.quick {
        println!("These figures are of a run that is too short to measure anything.");
    }
}

fn write_json(runs: &[Vec<Run>; 2], args: &Args) -> Result<()> {
    if let Some(dir) = args.json.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file =
        std::fs::File::create(&args.json).with_context(|| format!("cannot write {}", args.json.display()))?;
    let (length, window, messages, rate) = (args.length, args.window, args.messages, args.rate);
    writeln!(file, "{{\"length\":{length},\"window\":{window},\"messages\":{messages},\"rate\":{rate},\"figures\":[")?;
    for (figure, (name, bar)) in FIGURES.iter().enumerate() {
        let values = |container: usize| -> Vec<f64> { runs[container].iter().map(|run| run[figure]).collect() };
        let comma = if figure + 1 < FIGURES.len() { "," } else { "" };
        let (rust, java) = (values(0), values(1));
        writeln!(file, "{{\"name\":\"{name}\",\"bar\":{bar},\"rust\":{rust:?},\"java\":{java:?}}}{comma}")?;
    }
    writeln!(file, "]}}")?;
    println!("written to {}", args.json.display());
    Ok(())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// An example program of the same build.
fn example(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("examples").join(name);
    ensure!(program.exists(), "{} is missing: run ./ci/bench, which builds it", program.display());
    Ok(program)
}
