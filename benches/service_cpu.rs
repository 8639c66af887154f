//! What an echoed message costs the process of the service: the Rust container beside Java's.
//!
//! Both in turn, several times, in a cluster of one member on the C driver, under the same load of the same client and with
//! the same idle strategy (backing off). `cargo bench --bench service_cpu -- --help` tells the flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aeron_cluster::testing::{Java, PATIENCE, Process, TestCluster};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;

/// What an echoed message costs the process of the service, in Rust and in Java.
#[derive(Parser, Debug)]
struct Args {
    /// Messages that are measured, a run.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Messages before that, for the Java compilers to do their work.
    #[arg(long, default_value_t = 500_000)]
    warm_up: u64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    length: usize,
    /// Messages under way at a time.
    #[arg(long, default_value_t = 256)]
    window: u64,
    /// Runs of each service.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Container {
    Rust,
    Java,
}

/// What one run told.
#[derive(Debug, Clone, Copy)]
struct Run {
    cpu_us_per_message: f64,
    messages_per_s: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let java = Java::aeron_all()?.fast().compile(&root().join("tests/java"))?;
    let mut runs: BTreeMap<Container, Vec<Run>> = BTreeMap::new();
    for number in 1..=args.runs {
        for container in [Container::Rust, Container::Java] {
            let run = measure(container, &java, &args).with_context(|| format!("{container:?}, run {number}"))?;
            println!(
                "run {number} {container:?}: {:.3} µs of CPU a message at {:.0} messages/s",
                run.cpu_us_per_message, run.messages_per_s
            );
            runs.entry(container).or_default().push(run);
        }
    }
    report(&runs, &args);
    Ok(())
}

fn measure(container: Container, java: &Java, args: &Args) -> Result<Run> {
    let mut cluster = TestCluster::builder().java(java.clone()).start()?;
    let mut service = match container {
        Container::Rust => {
            let mut command = Command::new(example("echo_service")?);
            command.arg("--aeron-dir").arg(cluster.aeron_dir(0)).arg("--cluster-dir").arg(cluster.cluster_dir(0));
            Process::spawn("echo_service", &command)?
        }
        Container::Java => cluster.start_java_service(0, 0, java, "EchoService")?,
    };
    cluster.wait_for_leader()?;
    load(&cluster, args.warm_up, args)?;
    let before = cpu(service.id())?;
    let messages_per_s = load(&cluster, args.messages, args)?;
    let used = cpu(service.id())? - before;
    service.stop()?;
    Ok(Run { cpu_us_per_message: used.as_secs_f64() * 1e6 / args.messages as f64, messages_per_s })
}

/// Sends messages and takes their echoes. Returns how many a second.
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
    Ok(rate.split([',', '}']).next().unwrap_or_default().parse()?)
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

fn report(runs: &BTreeMap<Container, Vec<Run>>, args: &Args) {
    println!(
        "\n{} bytes, window {}, {} messages a run, median (least – most) of {} runs",
        args.length, args.window, args.messages, args.runs
    );
    let median = |container: Container, of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs[&container].iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    for container in [Container::Rust, Container::Java] {
        let (cpu, least, most) = median(container, |run| run.cpu_us_per_message);
        let (rate, ..) = median(container, |run| run.messages_per_s);
        println!("{container:?}: {cpu:.3} ({least:.3} – {most:.3}) µs of CPU a message, {rate:.0} messages/s");
    }
    let ratio = median(Container::Rust, |run| run.cpu_us_per_message).0
        / median(Container::Java, |run| run.cpu_us_per_message).0;
    println!("Rust / Java: {ratio:.2}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An example program of the same build.
fn example(name: &str) -> Result<PathBuf> {
    let bench = std::env::current_exe()?;
    let program = bench.ancestors().nth(2).context("no target directory")?.join("examples").join(name);
    ensure!(program.exists(), "{} is missing: run cargo build --release --examples first", program.display());
    Ok(program)
}
