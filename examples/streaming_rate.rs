//! Sends as fast as the receiver accepts it, and prints the rate once a second.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Aeron, IdleStrategy};
use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

#[path = "support/driver.rs"]
mod driver;
#[path = "support/idle.rs"]
mod idle;
#[path = "support/stop.rs"]
mod stop;
use idle::Idle;
use stop::StopFlag;

const FRAGMENT_LIMIT: usize = 256;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Measures how many messages a second pass from a publication to a subscription.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    driver: driver::DriverArgs,

    /// Which ends this program runs.
    #[arg(long, value_enum, default_value_t = Role::Both)]
    role: Role,

    #[arg(long, value_name = "C", default_value = "aeron:ipc")]
    channel: String,

    #[arg(long, value_name = "N", default_value_t = 1001)]
    stream: i32,

    /// The length of a message, in bytes; at most one fragment.
    #[arg(long, value_name = "N", default_value_t = 32)]
    length: usize,

    /// How many seconds to run. Default: until stopped.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,

    /// The idle strategy of both ends.
    #[arg(long, value_enum, default_value_t = Idle::Spin)]
    idle: Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Both ends, each on its own thread.
    Both,
    Publisher,
    Subscriber,
}

/// How much was transferred so far.
#[derive(Default)]
struct Passed {
    messages: AtomicU64,
    bytes: AtomicU64,
}

fn main() -> ExitCode {
    stop::exit_code(run(&Args::parse()).map(|()| true))
}

fn run(args: &Args) -> Result<()> {
    let stop = StopFlag::on_signals()?;
    let connected = driver::connect(&args.driver)?;
    let aeron = &connected.aeron;
    let (passed, over) = (Passed::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ends: Vec<_> = [Role::Subscriber, Role::Publisher]
            .into_iter()
            .filter(|role| args.role == Role::Both || args.role == *role)
            .map(|role| {
                // If both ends are here, only received messages count.
                let counts = args.role != Role::Both || role == Role::Subscriber;
                let passed = counts.then_some(&passed);
                let over = &over;
                scope.spawn(move || match role {
                    Role::Publisher => publish(args, aeron, passed, over),
                    _ => receive(args, aeron, passed, over),
                })
            })
            .collect();
        watch(args, &passed, || stop.is_set() || aeron.is_closed() || ends.iter().any(|end| end.is_finished()));
        over.store(true, Ordering::Release);
        ends.into_iter().try_for_each(|end| end.join().expect("an end does not panic"))
    })
}

fn publish(args: &Args, aeron: &Aeron, passed: Option<&Passed>, over: &AtomicBool) -> Result<()> {
    let mut publication = aeron.add_exclusive_publication(&args.channel, args.stream)?;
    if args.length > publication.max_payload_length() {
        bail!("{} bytes are more than a fragment has: {}", args.length, publication.max_payload_length());
    }
    let mut idle = args.idle.strategy();
    while !over.load(Ordering::Acquire) {
        match publication.try_claim(args.length) {
            Ok(mut claim) => {
                claim.fill(b'x');
                claim.commit();
                count(passed, args.length);
                idle.reset();
            }
            // Retries even while nobody listens: a subscriber may appear.
            Err(reason) if reason.is_retryable() || reason == aeron_cluster::aeron::OfferError::NotConnected => {
                idle.idle(0);
            }
            Err(reason) => bail!("cannot send: {reason}"),
        }
    }
    Ok(())
}

fn receive(args: &Args, aeron: &Aeron, passed: Option<&Passed>, over: &AtomicBool) -> Result<()> {
    let mut subscription = aeron.add_subscription(&args.channel, args.stream)?;
    let mut idle = args.idle.strategy();
    while !over.load(Ordering::Acquire) {
        idle.idle(subscription.poll(FRAGMENT_LIMIT, |message, _| count(passed, message.len()))?);
    }
    Ok(())
}

fn count(passed: Option<&Passed>, length: usize) {
    if let Some(passed) = passed {
        passed.messages.fetch_add(1, Ordering::Relaxed);
        passed.bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Prints the rate once a second, until the time is over or something stops.
fn watch(args: &Args, passed: &Passed, stopped: impl Fn() -> bool) {
    let begin = Instant::now();
    let (mut last, mut messages, mut bytes) = (begin, 0, 0);
    loop {
        std::thread::sleep(Duration::from_millis(10));
        let now = Instant::now();
        let over = stopped() || args.seconds.is_some_and(|seconds| begin.elapsed() >= Duration::from_secs(seconds));
        if over || now - last >= REPORT_INTERVAL {
            let seconds = (now - last).as_secs_f64();
            let (all, all_bytes) = (passed.messages.load(Ordering::Relaxed), passed.bytes.load(Ordering::Relaxed));
            let (rate, volume) = ((all - messages) as f64 / seconds, (all_bytes - bytes) as f64 / seconds / 1e6);
            println!("{rate:>12.0} messages/s {volume:>9.1} MB/s");
            (last, messages, bytes) = (now, all, all_bytes);
        }
        if over {
            let rate = messages as f64 / begin.elapsed().as_secs_f64();
            println!("{messages} messages of {} bytes, {rate:.0} messages/s", args.length);
            return;
        }
    }
}
