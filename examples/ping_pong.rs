//! Measures round trips between two ends, which run in one program or in two.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Aeron, ExclusivePublication, IdleStrategy, OfferError, Subscription};
use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use hdrhistogram::Histogram;

#[path = "support/driver.rs"]
mod driver;
#[path = "support/idle.rs"]
mod idle;
#[path = "support/stop.rs"]
mod stop;
use idle::Idle;
use stop::StopFlag;

/// Bytes of a message's number, at its start.
const NUMBER: usize = size_of::<u64>();
/// Longer round trips count as this.
const LONGEST: Duration = Duration::from_secs(60);
/// How long to wait for the other end.
const PATIENCE: Duration = Duration::from_secs(30);
const FRAGMENT_LIMIT: usize = 10;

/// Measures round trips of messages.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    driver: driver::DriverArgs,

    /// Which ends this program runs.
    #[arg(long, value_enum, default_value_t = Role::Both)]
    role: Role,

    /// The channel of the messages.
    #[arg(long, value_name = "C", default_value = "aeron:ipc")]
    ping_channel: String,

    #[arg(long, value_name = "N", default_value_t = 1002)]
    ping_stream: i32,

    /// The channel on which they come back.
    #[arg(long, value_name = "C", default_value = "aeron:ipc")]
    pong_channel: String,

    #[arg(long, value_name = "N", default_value_t = 1003)]
    pong_stream: i32,

    /// How many messages to measure.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    messages: u64,

    /// How many messages to send before that, unmeasured.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    warm_up: u64,

    /// The length of a message, in bytes.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(8..=1024))]
    length: u64,

    /// The idle strategy of both ends.
    #[arg(long, value_enum, default_value_t = Idle::Spin)]
    idle: Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Both ends, each on its own thread.
    Both,
    /// Sends and measures.
    Ping,
    /// Sends back, until it is stopped.
    Pong,
}

fn main() -> ExitCode {
    stop::exit_code(run(&Args::parse()).map(|()| true))
}

fn run(args: &Args) -> Result<()> {
    let stop = StopFlag::on_signals()?;
    let connected = driver::connect(&args.driver)?;
    let aeron = &connected.aeron;
    match args.role {
        Role::Ping => ping(args, aeron, &stop),
        Role::Pong => pong(args, aeron, || stop.is_set()),
        Role::Both => std::thread::scope(|scope| {
            let (over, done) = std::sync::mpsc::channel::<()>();
            // Over when the other end, and so its sender, is gone.
            let gone = move || matches!(done.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
            let pong = scope.spawn(move || pong(args, aeron, gone));
            let pinged = ping(args, aeron, &stop);
            drop(over);
            pong.join().expect("the other end does not panic")?;
            pinged
        }),
    }
}

/// Sends back what comes.
fn pong(args: &Args, aeron: &Aeron, stop: impl Fn() -> bool) -> Result<()> {
    let mut pings = aeron.add_subscription(&args.ping_channel, args.ping_stream)?;
    let mut pongs = aeron.add_exclusive_publication(&args.pong_channel, args.pong_stream)?;
    let mut idle = args.idle.strategy();
    while !stop() && !aeron.is_closed() {
        let fragments = pings.poll(FRAGMENT_LIMIT, |message, _| {
            // Gives up if the other end no longer listens.
            while pongs.offer(message).is_err_and(OfferError::is_retryable) {
                std::hint::spin_loop();
            }
        })?;
        idle.idle(fragments);
    }
    Ok(())
}

/// The end that measures.
struct Ping {
    publication: ExclusivePublication,
    subscription: Subscription,
    message: Vec<u8>,
    idle: Box<dyn IdleStrategy + Send>,
}

impl Ping {
    /// One message there and back.
    fn round_trip(&mut self, number: u64) -> Result<Duration> {
        self.message[..NUMBER].copy_from_slice(&number.to_le_bytes());
        let begin = Instant::now();
        while let Err(reason) = self.publication.offer(&self.message) {
            if !reason.is_retryable() {
                bail!("cannot send message {number}: {reason}");
            }
            self.idle.idle(0);
        }
        let mut came = None;
        while came != Some(number) {
            let fragments = self.subscription.poll(FRAGMENT_LIMIT, |message, _| {
                came = message.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
            })?;
            if begin.elapsed() > PATIENCE {
                bail!("message {number} has not come back within {PATIENCE:?}");
            }
            self.idle.idle(fragments);
        }
        Ok(begin.elapsed())
    }
}

fn ping(args: &Args, aeron: &Aeron, stop: &StopFlag) -> Result<()> {
    let mut ping = Ping {
        publication: aeron.add_exclusive_publication(&args.ping_channel, args.ping_stream)?,
        subscription: aeron.add_subscription(&args.pong_channel, args.pong_stream)?,
        message: vec![0; args.length as usize],
        idle: args.idle.strategy(),
    };
    let begin = Instant::now();
    while !(ping.publication.is_connected() && ping.subscription.is_connected()) {
        if begin.elapsed() > PATIENCE {
            bail!("nobody answers on {} within {PATIENCE:?}", args.pong_channel);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut times = Histogram::<u64>::new_with_bounds(1, LONGEST.as_nanos() as u64, 3).context("no histogram")?;
    for number in 0..args.warm_up {
        ping.round_trip(number)?;
    }
    let begin = Instant::now();
    for number in args.warm_up..args.warm_up + args.messages {
        if stop.is_set() {
            break;
        }
        times.saturating_record(ping.round_trip(number)?.as_nanos() as u64);
    }
    report(args, &times, begin.elapsed())
}

fn report(args: &Args, times: &Histogram<u64>, elapsed: Duration) -> Result<()> {
    let micros = |nanos: u64| nanos as f64 / 1_000.;
    let rows = [
        ("min", times.min()),
        ("p50", times.value_at_quantile(0.5)),
        ("p90", times.value_at_quantile(0.9)),
        ("p99", times.value_at_quantile(0.99)),
        ("p99.9", times.value_at_quantile(0.999)),
        ("p99.99", times.value_at_quantile(0.9999)),
        ("max", times.max()),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} round trips of {} bytes in {:.2} s", times.len(), args.length, elapsed.as_secs_f64())?;
    writeln!(out, "  round trip       µs")?;
    for (name, nanos) in rows {
        writeln!(out, "  {name:<8} {:>10.1}", micros(nanos))?;
    }
    Ok(())
}
