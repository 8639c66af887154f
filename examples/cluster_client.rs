//! Sends messages to a cluster whose service echoes them, verifies every echo, and reports the latencies.
//!
//! The last line of standard output is JSON, for programs; everything else is for humans. The exit status is 1 if an echo was wrong, or
//! if one was lost although neither leader nor session had changed.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Header, IdleStrategy, OfferError};
use aeron_cluster::client::{AeronCluster, Context, EgressListener, Reason, Reconnect, State, StateChange};
use aeron_cluster::codec::{EventCode, NewLeaderEvent, SessionEvent};
use anyhow::{Context as _, Result, bail};
use clap::Parser;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

#[path = "support/idle.rs"]
mod idle;
#[path = "support/stop.rs"]
mod stop;
use idle::Idle;
use stop::StopFlag;

/// Bytes of a message's number, at its start.
const NUMBER: usize = size_of::<u64>();
/// After how long without a message the client sends a keep-alive.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for echoes from before a change of leader or session.
const LEADER_CHANGE_GRACE: Duration = Duration::from_secs(2);
/// Longer latencies count as this.
const LONGEST_LATENCY: Duration = Duration::from_secs(600);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Sends messages to a cluster whose service echoes them, and verifies and times the echoes.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    /// The media driver's directory.
    #[arg(long, value_name = "D")]
    aeron_dir: std::path::PathBuf,

    /// The ingress addresses of the cluster's members: `0=host:port,1=host:port,…`.
    #[arg(long, value_name = "LIST", required_unless_present = "ingress_channel")]
    ingress_endpoints: Option<String>,

    /// The channel to the cluster. Default: `aeron:udp`, with the endpoints.
    #[arg(long, value_name = "C")]
    ingress_channel: Option<String>,

    /// The channel on which this client receives the echoes.
    #[arg(long, value_name = "C", default_value = "aeron:udp?endpoint=localhost:0")]
    egress_channel: String,

    /// How many messages to send.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    messages: u64,

    /// The length of a message, in bytes.
    #[arg(long, value_name = "L", default_value_t = 64, value_parser = clap::value_parser!(u32).range(NUMBER as i64..))]
    length: u32,

    /// How many messages may be unanswered.
    #[arg(long, value_name = "W", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,

    /// The idle strategy.
    #[arg(long, value_enum, default_value_t = Idle::Yield)]
    idle: Idle,

    /// Send over a shared publication instead of an exclusive one.
    #[arg(long)]
    shared_ingress: bool,

    /// A name that is shown in the cluster's counters.
    #[arg(long, value_name = "NAME", default_value = "cluster_client")]
    client_name: String,

    /// Open a new session when one is lost, and go on. Messages unanswered by then count as lost.
    #[arg(long)]
    reconnect: bool,

    /// How long connecting, and each echo, may take, in seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

impl Args {
    fn context(&self) -> Context {
        let mut context = Context::new()
            .aeron_dir(&self.aeron_dir)
            .ingress_channel(self.ingress_channel.as_deref().unwrap_or("aeron:udp"))
            .egress_channel(&self.egress_channel)
            .client_name(&self.client_name)
            .is_ingress_exclusive(!self.shared_ingress)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .message_timeout(self.timeout());
        if self.reconnect {
            context = context.reconnect(Reconnect::new());
        }
        if let Some(endpoints) = &self.ingress_endpoints {
            context = context.ingress_endpoints(endpoints);
        }
        context
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Fills in the message with this number: the number, then bytes derived from it.
fn write_message(number: u64, message: &mut [u8]) {
    let (head, tail) = message.split_at_mut(NUMBER);
    head.copy_from_slice(&number.to_le_bytes());
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for chunk in tail.chunks_mut(NUMBER) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
}

/// Compares the echoes with what was sent.
struct Echoes {
    /// When the messages from number `first` on were sent.
    sent_at: VecDeque<Instant>,
    /// The number that the next echo must have, and the number of the first entry of `sent_at`.
    first: u64,
    /// Numbers below this are no longer waited for.
    written_off: u64,
    received: u64,
    bad: u64,
    leader_changes: u64,
    new_sessions: u64,
    /// When the last echo from an old leader arrived; `None` once the first from a new one has.
    last_of_old_leader: Option<Instant>,
    last_echo: Instant,
    expected: Vec<u8>,
    latency: Histogram<u64>,
    last_progress: Instant,
    end: Option<String>,
}

impl Echoes {
    fn new(length: usize) -> Result<Self> {
        Ok(Self {
            sent_at: VecDeque::new(),
            first: 0,
            written_off: 0,
            received: 0,
            bad: 0,
            leader_changes: 0,
            new_sessions: 0,
            last_of_old_leader: None,
            last_echo: Instant::now(),
            expected: vec![0; length],
            latency: Histogram::new_with_bounds(1, LONGEST_LATENCY.as_nanos() as u64, 3)
                .context("cannot make a histogram")?,
            last_progress: Instant::now(),
            end: None,
        })
    }

    fn sent(&self) -> u64 {
        self.first + self.sent_at.len() as u64
    }

    fn on_sent(&mut self, now: Instant) {
        if self.outstanding() == 0 {
            self.last_progress = now;
        }
        self.sent_at.push_back(now);
    }

    /// Messages that are still waited for.
    fn outstanding(&self) -> u64 {
        self.sent() - self.first.max(self.written_off)
    }

    fn lost(&self) -> u64 {
        self.sent() - self.received
    }

    /// Whether the leader or the session has changed, so that messages may be lost.
    fn was_interrupted(&self) -> bool {
        self.leader_changes > 0 || self.new_sessions > 0
    }

    fn is_failed(&self) -> bool {
        self.bad > 0 || (self.lost() > 0 && !self.was_interrupted())
    }

    /// An echo is right if it equals the message with its number, and the number is not one that was already passed.
    fn on_echo(&mut self, message: &[u8], now: Instant) {
        let number = message.first_chunk().map(|head| u64::from_le_bytes(*head));
        let Some(number) = number.filter(|number| (self.first..self.sent()).contains(number)) else {
            self.bad += 1;
            return;
        };
        write_message(number, &mut self.expected);
        if self.expected != message {
            self.bad += 1;
            return;
        }
        let skipped = (number - self.first) as usize;
        let sent_at = self.sent_at.drain(..=skipped).next_back();
        self.first = number + 1;
        self.received += 1;
        self.last_progress = now;
        self.last_echo = now;
        if let Some(last) = self.last_of_old_leader.take() {
            eprintln!("echoes again after {:.2} s without", (now - last).as_secs_f64());
        }
        if let Some(sent_at) = sent_at {
            self.latency.saturating_record((now - sent_at).as_nanos() as u64);
        }
    }
}

impl EgressListener for Echoes {
    fn on_message(&mut self, _cluster_session_id: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) {
        self.on_echo(message, Instant::now());
    }

    fn on_session_event(&mut self, event: &SessionEvent<'_>) {
        if event.code == EventCode::Closed {
            self.end = Some(event.detail.to_owned());
        }
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        eprintln!("new leader: member {} in term {}", event.leader_member_id, event.leadership_term_id);
        self.leader_changes += 1;
        self.last_of_old_leader.get_or_insert(self.last_echo);
        self.last_progress = Instant::now();
    }

    fn on_state_change(&mut self, change: &StateChange) {
        eprintln!("state: {change}");
        if let Reason::NewSession { .. } = change.reason {
            self.new_sessions += 1;
            self.last_of_old_leader.get_or_insert(self.last_echo);
            self.last_progress = Instant::now();
        }
    }
}

/// Sends and receives until everything is answered or lost, or the program is asked to stop.
fn run(args: &Args, cluster: &mut AeronCluster, echoes: &mut Echoes, stop: &StopFlag) -> Result<()> {
    let mut idle = args.idle.strategy();
    let progress = progress_bar(args.messages);
    let mut message = vec![0; args.length as usize];
    let mut last_report = Instant::now();
    loop {
        let mut work = 0;
        if echoes.sent() < args.messages && echoes.outstanding() < args.window && !stop.is_set() {
            write_message(echoes.sent(), &mut message);
            work += send(cluster, echoes, &message)?;
        }
        work += cluster.poll_egress(echoes)?;
        if echoes.outstanding() == 0 && (echoes.sent() == args.messages || stop.is_set()) {
            break;
        }
        let now = Instant::now();
        if now - last_report >= PROGRESS_INTERVAL {
            last_report = now;
            progress.set_position(echoes.received);
        }
        if work == 0 {
            if is_given_up(args, cluster, echoes, now, stop) {
                break;
            }
            idle.idle(0);
        } else {
            idle.reset();
        }
    }
    progress.finish_and_clear();
    Ok(())
}

/// Offers one message. A message refused because of a change of leader is offered again later.
fn send(cluster: &mut AeronCluster, echoes: &mut Echoes, message: &[u8]) -> Result<usize> {
    let now = Instant::now();
    match cluster.offer(message) {
        Ok(_) => {
            echoes.on_sent(now);
            Ok(1)
        }
        Err(OfferError::BackPressured | OfferError::AdminAction | OfferError::NotConnected) => Ok(0),
        Err(error) => {
            let why = cluster.close_reason().map_or_else(String::new, |reason| format!(": {reason}"));
            bail!("cannot send a message of {} bytes: {error}{why}", message.len())
        }
    }
}

/// Whether to give up because echoes are too late. Those from before a change of leader or session are
/// only written off, and sending goes on.
fn is_given_up(args: &Args, cluster: &AeronCluster, echoes: &mut Echoes, now: Instant, stop: &StopFlag) -> bool {
    if cluster.state() != State::Connected || echoes.outstanding() == 0 {
        return false;
    }
    let quiet = now.saturating_duration_since(echoes.last_progress);
    if echoes.was_interrupted() && quiet >= LEADER_CHANGE_GRACE {
        echoes.written_off = echoes.sent();
        return stop.is_set() || echoes.sent() == args.messages;
    }
    quiet >= args.timeout()
}

fn progress_bar(messages: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {human_pos}/{human_len} {per_sec} eta {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(messages).with_style(style)
}

/// Prints the table for humans and the line for programs.
fn print_report(args: &Args, echoes: &Echoes, elapsed: Duration) {
    let latency = &echoes.latency;
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    let per_s = echoes.received as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    println!("{} messages of {} bytes, at most {} unanswered", echoes.sent(), args.length, args.window);
    println!(
        "  received {}  bad {}  lost {}  leader changes {}",
        echoes.received,
        echoes.bad,
        echoes.lost(),
        echoes.leader_changes
    );
    println!("  {per_s:.0} messages/s over {:.2} s", elapsed.as_secs_f64());
    println!("  latency      µs");
    for (name, value) in [
        ("min", if latency.is_empty() { 0 } else { latency.min() }),
        ("p50", latency.value_at_quantile(0.50)),
        ("p90", latency.value_at_quantile(0.90)),
        ("p99", latency.value_at_quantile(0.99)),
        ("p99.9", latency.value_at_quantile(0.999)),
        ("max", latency.max()),
    ] {
        println!("  {name:<7}{:>10.1}", micros(value));
    }
    println!(
        "{{\"sent\":{},\"received\":{},\"bad\":{},\"per_s\":{per_s:.1},\"p50_us\":{:.1},\"p99_us\":{:.1},\
         \"p999_us\":{:.1},\"max_us\":{:.1}}}",
        echoes.sent(),
        echoes.received,
        echoes.bad,
        micros(latency.value_at_quantile(0.50)),
        micros(latency.value_at_quantile(0.99)),
        micros(latency.value_at_quantile(0.999)),
        micros(latency.max()),
    );
}

fn main() -> ExitCode {
    stop::exit_code(run_client(&Args::parse()))
}

fn run_client(args: &Args) -> Result<bool> {
    let stop = StopFlag::on_signals()?;
    let mut echoes = Echoes::new(args.length as usize)?;
    let mut cluster = AeronCluster::connect(args.context()).context("cannot connect to the cluster")?;
    eprintln!(
        "session {} with leader {} in term {}",
        cluster.cluster_session_id(),
        cluster.leader_member_id(),
        cluster.leadership_term_id()
    );
    let start = Instant::now();
    let outcome = run(args, &mut cluster, &mut echoes, &stop);
    print_report(args, &echoes, start.elapsed());
    cluster.close();
    outcome.with_context(|| format!("stopped after {} messages", echoes.sent()))?;
    Ok(!echoes.is_failed())
}
