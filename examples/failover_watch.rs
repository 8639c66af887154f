//! Keeps a session with a cluster whose service echoes, through changes of leader, and prints what happens and when.
//!
//! It sends small requests at a steady pace. It prints a line when the client's
//! state changes, when there is a new leader, and when answers stop and resume. Every line begins with the seconds since the start.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::Header;
use aeron_cluster::client::{AeronCluster, Context, EgressListener, Reason, Reconnect, RequestTracker, StateChange};
use aeron_cluster::codec::NewLeaderEvent;
use anyhow::{Context as _, Result};
use clap::Parser;

#[path = "support/stop.rs"]
mod stop;
use stop::StopFlag;

/// After how long without a message the client sends a keep-alive.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Answers later than this are reported as a pause.
const PAUSE: Duration = Duration::from_millis(500);
/// How long to wait for the answers to the last requests.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Keeps a session with a cluster through changes of leader, and prints what happens and when.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    /// The media driver's directory.
    #[arg(long, value_name = "D")]
    aeron_dir: std::path::PathBuf,

    /// The ingress addresses of the cluster's members: `0=host:port,1=host:port,…`.
    #[arg(long, value_name = "LIST")]
    ingress_endpoints: String,

    /// The channel on which this client receives answers.
    #[arg(long, value_name = "C", default_value = "aeron:udp?endpoint=localhost:0")]
    egress_channel: String,

    /// Milliseconds from one request to the next.
    #[arg(long, value_name = "MS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pace: u64,

    /// Stop after this many seconds. Default: on Ctrl-C.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
}

impl Args {
    fn context(&self) -> Context {
        Context::new()
            .aeron_dir(&self.aeron_dir)
            .ingress_channel("aeron:udp")
            .ingress_endpoints(&self.ingress_endpoints)
            .egress_channel(&self.egress_channel)
            .client_name("failover_watch")
            .message_timeout(Duration::from_secs(10))
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .reconnect(Reconnect::new())
    }
}

/// Prints what happens, line by line.
struct Watch {
    start: Instant,
    /// The requests, with when they were sent.
    requests: RequestTracker<Instant>,
    answered: u64,
    last_answer: Instant,
    is_paused: bool,
    longest_pause: Duration,
    leader_changes: u64,
    new_sessions: u64,
}

impl Watch {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            requests: RequestTracker::new(),
            answered: 0,
            last_answer: start,
            is_paused: false,
            longest_pause: Duration::ZERO,
            leader_changes: 0,
            new_sessions: 0,
        }
    }

    fn say(&self, what: impl std::fmt::Display) {
        println!("{:8.3} s  {what}", self.start.elapsed().as_secs_f64());
    }

    /// How many answers can still be expected.
    fn awaited(&self) -> usize {
        self.requests.unanswered_count() - self.requests.in_doubt_count()
    }

    /// Reports, once, that answers are late.
    fn look_for_pause(&mut self, now: Instant) {
        let oldest = self.requests.unanswered().nth(self.requests.in_doubt_count());
        if !self.is_paused && oldest.is_some_and(|(_, sent_at)| now - *sent_at > PAUSE) {
            self.is_paused = true;
            self.say(format_args!("no answers for {PAUSE:?}"));
        }
    }

    fn interrupted(&mut self) {
        self.requests.interrupted();
        let in_doubt = self.requests.in_doubt_count();
        self.say(format_args!("{in_doubt} requests in doubt: lost, or done without an answer"));
    }

    fn report(&self) {
        println!(
            "{{\"answered\":{},\"in_doubt\":{},\"leader_changes\":{},\"new_sessions\":{},\"longest_pause_ms\":{}}}",
            self.answered,
            self.requests.in_doubt_count(),
            self.leader_changes,
            self.new_sessions,
            self.longest_pause.as_millis()
        );
    }
}

impl EgressListener for Watch {
    fn on_message(&mut self, _cluster_session_id: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) {
        let number = message.first_chunk().map(|number| u64::from_le_bytes(*number));
        if number.and_then(|number| self.requests.answered(number)).is_none() {
            self.say("an answer to no request that waits for one");
            return;
        }
        let now = Instant::now();
        let pause = now - self.last_answer;
        self.longest_pause = self.longest_pause.max(pause);
        if std::mem::take(&mut self.is_paused) {
            self.say(format_args!("answers again, after {:.3} s without", pause.as_secs_f64()));
        }
        self.answered += 1;
        self.last_answer = now;
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.leader_changes += 1;
        self.say(format_args!("new leader: member {} in term {}", event.leader_member_id, event.leadership_term_id));
        self.interrupted();
    }

    fn on_state_change(&mut self, change: &StateChange) {
        self.say(change);
        if let Reason::NewSession { .. } = change.reason {
            self.new_sessions += 1;
            self.interrupted();
        }
    }
}

/// Sends and polls until the program is asked to stop, and then waits for the last answers.
fn watch(args: &Args, cluster: &mut AeronCluster, watch: &mut Watch, stop: &StopFlag) -> Result<()> {
    let pace = Duration::from_millis(args.pace);
    let end = args.seconds.map(|seconds| watch.start + Duration::from_secs(seconds));
    let mut next = Instant::now();
    let mut stopped_at = None;
    loop {
        let now = Instant::now();
        if stopped_at.is_none() && (stop.is_set() || end.is_some_and(|end| now >= end)) {
            stopped_at = Some(now);
        }
        if let Some(stopped_at) = stopped_at {
            if watch.awaited() == 0 || now - stopped_at > LAST_ANSWERS {
                return Ok(());
            }
        } else if now >= next {
            next = now + pace;
            // A refused message was not sent; the next one is due soon.
            if cluster.offer(&watch.requests.next_number().to_le_bytes()).is_ok() {
                watch.requests.track(now);
            }
        }
        watch.look_for_pause(now);
        if cluster.poll_egress(watch)? == 0 {
            std::thread::sleep(Duration::from_millis(1).min(pace));
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let stop = StopFlag::on_signals()?;
    let mut cluster = AeronCluster::connect(args.context()).context("cannot connect to the cluster")?;
    let mut seen = Watch::new();
    seen.say(format_args!(
        "session {} with leader {} in term {}",
        cluster.cluster_session_id(),
        cluster.leader_member_id(),
        cluster.leadership_term_id()
    ));
    let outcome = watch(args, &mut cluster, &mut seen, &stop);
    seen.report();
    cluster.close();
    outcome.map(|()| true)
}

fn main() -> ExitCode {
    stop::exit_code(run(&Args::parse()))
}
