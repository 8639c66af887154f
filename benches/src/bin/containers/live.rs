//! A real cluster, whose services the benchmark starts itself, and the load on it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aeron_cluster::client::{AeronCluster, Context, on_message};
use aeron_cluster::testing::{DriverCounters, Java, PATIENCE, Part, Process, TestCluster, type_id};
use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;

use crate::contestant::{Contestant, Idle, Place};
use crate::pace::Pace;
use crate::{cores, example, process};

/// The value of the node role counter of a leader.
const LEADER: i64 = 2;
/// The value of the election state counter after an election. Needed too, since a member has its role before it has replayed its log.
const CLOSED: i64 = 17;
/// The interval at which to check whether a member leads.
const LOOK: Duration = Duration::from_millis(10);
/// The maximum average time per message; a slower load is given up.
const SLOWEST: Duration = Duration::from_micros(500);

/// The members of a cluster, with a container on each.
pub struct Live<'a> {
    java: &'a Java,
    cluster: TestCluster,
    services: Vec<Process>,
    leader: usize,
    /// Whether drivers started from now on yield when idle.
    drivers_yield: Arc<AtomicBool>,
}

/// The parameters of a load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub messages: u64,
    pub length: usize,
    /// The maximum number of messages in flight.
    pub window: u64,
    pub path: Path,
}

/// The channel between client and cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    Udp,
    /// Over shared memory, which is faster.
    Ipc,
}

/// The cost of a load per message, in µs.
pub struct Cost {
    pub cpu: f64,
    pub time: f64,
}

/// The durations of round trips.
pub struct RoundTrips {
    /// That of the first message of a session.
    pub first: Duration,
    /// Those of all others, in nanoseconds.
    pub latencies: Histogram<u64>,
}

impl<'a> Live<'a> {
    /// Starts all but the services. Streams have room for messages of 64 KiB, and for a log of gigabytes.
    pub fn new(java: &'a Java, members: usize) -> Result<Self> {
        let drivers_yield = Arc::new(AtomicBool::new(false));
        let builder = TestCluster::builder().members(members).java(java.clone());
        let yields = Arc::clone(&drivers_yield);
        let builder = builder.server_command(move |_, part, mut command| {
            if part == Part::Driver && yields.load(Ordering::Relaxed) {
                command.arg("-Daeron.shared.idle.strategy=yield");
            }
            command
        });
        let cluster = builder
            .property("aeron.cluster.log.channel", "aeron:udp?term-length=8m")
            .property("aeron.cluster.ingress.channel", "aeron:udp?term-length=1m")
            .property("aeron.cluster.ingress.ipc.allowed", "true")
            .property("aeron.archive.segment.file.length", "64m")
            .start()?;
        Ok(Live { java, cluster, services: Vec::new(), leader: 0, drivers_yield })
    }

    /// Starts a container on every member as soon as the consensus modules wait for their services, and waits for a leader. Returns the
    /// time from then on. Only a spinning container uses the last core; all other processes of the members then yield when idle.
    pub fn start(&mut self, contestant: &Contestant, idle: Idle) -> Result<Duration> {
        self.start_members(idle)?;
        let members = self.cluster.ingress_endpoints().split(',').count();
        for member in 0..members {
            self.cluster.wait_for_counter(member, type_id::RECOVERY_STATE, |_| true)?;
        }
        let begin = Instant::now();
        for member in 0..members {
            let place =
                Place { aeron_dir: self.cluster.aeron_dir(member), cluster_dir: self.cluster.cluster_dir(member) };
            self.services.push(contestant.start(&place, idle, self.java)?);
        }
        let mut deadline = begin + PATIENCE;
        let mut applied = None;
        loop {
            if let Some(leader) = (0..members).find(|member| self.leads(*member)) {
                self.leader = leader;
                return Ok(begin.elapsed());
            }
            // A long log takes its time. Every look costs its readers some, so that there are few.
            if Instant::now() >= deadline {
                let now_applied = self.cluster.service_position(0, 0).ok();
                if now_applied != applied {
                    (applied, deadline) = (now_applied, Instant::now() + PATIENCE);
                }
            }
            let is_running = self.services.iter_mut().all(Process::is_running);
            let words = || self.services.iter().flat_map(Process::lines).collect::<Vec<_>>().join("\n");
            ensure!(is_running && Instant::now() < deadline, "no leader with {}: {}", contestant.name, words());
            std::thread::sleep(LOOK);
        }
    }

    /// Starts everything that `stop` has stopped, except the containers.
    fn start_members(&mut self, idle: Idle) -> Result<()> {
        let others = match idle {
            Idle::Backoff => "org.agrona.concurrent.BackoffIdleStrategy",
            // A sleep of 1 µs takes about 60 µs, which alone would add a third of a millisecond to each round trip.
            Idle::Spin => "org.agrona.concurrent.YieldingIdleStrategy",
        };
        self.cluster.set_property("aeron.archive.idle.strategy", others);
        self.cluster.set_property("aeron.cluster.idle.strategy", others);
        self.drivers_yield.store(idle == Idle::Spin, Ordering::Relaxed);
        match idle {
            Idle::Backoff => Ok(self.cluster.start()?),
            Idle::Spin => cores::without_last(|| Ok(self.cluster.start()?)),
        }
    }

    /// Whether the member leads and accepts messages.
    fn leads(&self, member: usize) -> bool {
        let Ok(Some(counters)) = DriverCounters::open(&self.cluster.aeron_dir(member)) else { return false };
        let has = |type_id, value| {
            counters.find(type_id).is_ok_and(|found| found.is_some_and(|counter| counter.value == value))
        };
        has(type_id::ELECTION_STATE, CLOSED) && has(type_id::NODE_ROLE, LEADER)
    }

    /// The process of the container of the leader.
    pub fn service(&self) -> u32 {
        self.services[self.leader].id()
    }

    /// Stops everything in order; files on disk remain.
    pub fn stop(&mut self) -> Result<()> {
        self.cluster.stop()?;
        for service in &mut self.services {
            service.stop()?;
        }
        self.services.clear();
        Ok(())
    }

    /// Sends messages and receives their echoes, with a window of messages in flight.
    pub fn load(&self, load: Load) -> Result<Cost> {
        let mut command = Command::new(example("cluster_client")?);
        let cluster = &self.cluster;
        command.arg("--aeron-dir").arg(cluster.aeron_dir(self.leader)).args(["--timeout", "30"]);
        match load.path {
            Path::Udp => command
                .args(["--ingress-endpoints", &cluster.ingress_endpoints()])
                .args(["--egress-channel", cluster.egress_channel()]),
            Path::Ipc => command.args(["--ingress-channel", "aeron:ipc", "--egress-channel", "aeron:ipc"]),
        };
        command.args(["--messages", &load.messages.to_string(), "--length", &load.length.to_string()]);
        command.args(["--window", &load.window.to_string()]);
        let patience = PATIENCE + SLOWEST * u32::try_from(load.messages)?;
        let before = process::cpu(self.service())?;
        let mut client = Process::spawn("cluster_client", &command)?;
        client.wait_for_success(patience)?;
        let used = process::cpu(self.service())? - before;
        let report = client.wait_for_line("{\"sent\"", PATIENCE)?;
        let (_, rate) = report.split_once("\"per_s\":").context("the client reports no rate")?;
        let rate: f64 = rate.split([',', '}']).next().unwrap_or_default().parse()?;
        Ok(Cost { cpu: used.as_secs_f64() * 1e6 / load.messages as f64, time: 1e6 / rate })
    }

    /// Sends at a fixed rate, and measures every echo from the time when its message was due, so that a stall counts for all messages that
    /// it delays. Does not run on the last core, which the container uses.
    pub fn round_trips(&self, rate: u64, seconds: u64, length: usize) -> Result<RoundTrips> {
        cores::without_last(|| self.time_round_trips(rate, seconds, length))
    }

    fn time_round_trips(&self, rate: u64, seconds: u64, length: usize) -> Result<RoundTrips> {
        let mut context = Context::new().aeron_dir(self.cluster.aeron_dir(self.leader)).ingress_channel("aeron:udp");
        context = context.ingress_endpoints(self.cluster.ingress_endpoints());
        context = context.egress_channel(self.cluster.egress_channel());
        let mut client = AeronCluster::connect(context.message_timeout(PATIENCE))?;
        let mut message = vec![0; length.max(8)];
        let first = first_echo(&mut client, &message)?;
        let mut pace = Pace::begin(rate, seconds)?;
        let mut last_echo = Instant::now();
        while !pace.is_over() {
            let now = pace.now();
            // Sends all that are due: a thread that waits for a core after each of them would never catch up.
            while let Some(due) = pace.due(now) {
                message[..8].copy_from_slice(&due.to_le_bytes());
                match client.offer(&message) {
                    Ok(_) => pace.sent(),
                    Err(reason) if reason.is_retryable() => break,
                    Err(reason) => bail!("the cluster takes no message: {reason}"),
                }
            }
            let polled = client.poll_egress(&mut on_message(|_, _, message, _| {
                pace.echoed(message.first_chunk().map_or(u64::MAX, |due| u64::from_le_bytes(*due)));
            }))?;
            if polled > 0 {
                last_echo = Instant::now();
            } else {
                // On a machine with two cores, driver, archive and consensus module share this one.
                std::thread::yield_now();
            }
            ensure!(last_echo.elapsed() < PATIENCE, "no echo: {pace} came");
        }
        Ok(RoundTrips { first, latencies: pace.into_latencies() })
    }
}

/// How long the echo of the first message of a session takes, for which the container has to add a publication.
fn first_echo(client: &mut AeronCluster, message: &[u8]) -> Result<Duration> {
    let begin = Instant::now();
    let (mut is_sent, mut is_echoed) = (false, false);
    while !is_echoed {
        is_sent = is_sent || client.offer(message).is_ok();
        client.poll_egress(&mut on_message(|_, _, _, _| is_echoed = true))?;
        ensure!(begin.elapsed() < PATIENCE, "no echo of the first message, which was sent: {is_sent}");
        std::thread::yield_now();
    }
    Ok(begin.elapsed())
}
