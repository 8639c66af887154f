//! SIGKILL and SIGSTOP for a client, which is a process of its own. It is this program again, and tells what it is told.

use std::collections::BTreeMap;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::Header;
use aeron_cluster::client::{AeronCluster, Context, EgressListener, Reconnect, StateChange};
use aeron_cluster::testing::{PATIENCE, Process, TestCluster};
use anyhow::{Context as _, Result, bail, ensure};

use crate::fault::Halt;
use crate::loaded::{check_answered, field, replicas};
use crate::losses::ClientDriver;
use crate::random::Random;
use crate::replica::{Command, Numbers, Reply};
use crate::rig::{CLIENTS, Extra, Rig, impatient};

/// Of sessions: shorter than a client stands still, longer than it is silent otherwise.
const SESSION_TIMEOUT: &str = "6s";
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two messages.
const INTERVAL: Duration = Duration::from_millis(8);
/// Between two looks at the sessions.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const CONTENT: &[u8] = &[7; 500];
// What a client prints.
const DONE: &str = "done ";
const CHANGE: &str = "client: ";

pub fn start() -> Result<(TestCluster, Extra)> {
    let cluster = impatient(replicas()?).property("aeron.cluster.session.timeout", SESSION_TIMEOUT).start()?;
    Ok((cluster, Extra::Driver(ClientDriver::start(&[])?)))
}

pub fn run(rig: &mut Rig, halt: Halt, random: &mut Random) -> Result<String> {
    let mut client = spawn(rig)?;
    client.wait_for_line(DONE, PATIENCE)?;
    std::thread::sleep(Duration::from_millis(random.below(1_500)));
    if let Halt::Stopped(seconds) = halt {
        client.pause()?;
        let before = client.line_count();
        std::thread::sleep(Duration::from_secs(seconds));
        client.resume();
        client.wait_for_line_from(before, "-> CONNECTED", PATIENCE)?;
        let before = client.line_count();
        client.wait_for_line_from(before, DONE, PATIENCE)?;
    }
    client.kill();
    await_end_of_session(rig)?;
    let lines = client.lines();
    let answered = answered(&lines);
    check_answered(&answered, &rig.loaded.settle()?)?;
    let answers: u64 =
        answered.values().flat_map(|numbers| &numbers.ranges).map(|(first, last)| last - first + 1).sum();
    let changes: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(CHANGE)).collect();
    let changes = if changes.is_empty() { "its session timed out".to_owned() } else { changes.join(", ") };
    Ok(format!("{answers} answers to it in {} sessions: {changes}", answered.len()))
}

fn spawn(rig: &mut Rig) -> Result<Process> {
    let Extra::Driver(driver) = &rig.extra else { bail!("no driver for a client") };
    let cluster = &rig.loaded.cluster;
    let mut command = Program::new(std::env::current_exe()?);
    command
        .arg("--client")
        .arg(driver.aeron_dir())
        .args([cluster.ingress_endpoints().as_str(), cluster.egress_channel()]);
    Ok(Process::spawn("a client", &command)?)
}

/// Waits until only the sessions of the load are open. It pauses for each look: a replica prints its state when it gets no messages.
fn await_end_of_session(rig: &mut Rig) -> Result<()> {
    let (open, start) = (format!("{CLIENTS}/"), Instant::now());
    loop {
        let state = rig.loaded.settle()?;
        let sessions = field(&state, "sessions").unwrap_or_default();
        if sessions.starts_with(&open) {
            return Ok(());
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "the session of the client is open after {PATIENCE:?}: sessions={sessions}"
        );
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// What a client has printed of answers, by session.
fn answered(lines: &[String]) -> BTreeMap<i64, Numbers> {
    let mut answered = BTreeMap::<i64, Numbers>::new();
    for line in lines {
        let numbers = line.strip_prefix(DONE).and_then(|line| line.split_once(' '));
        if let Some((Ok(session), Ok(number))) = numbers.map(|(session, number)| (session.parse(), number.parse())) {
            answered.entry(session).or_default().add(number);
        }
    }
    answered
}

/// What the client does, in its process: it sends until it is ended, and opens a new session when one is lost.
pub fn be_client(arguments: &[String]) -> Result<bool> {
    let [dir, endpoints, egress] = arguments else { bail!("a client needs three arguments, not {arguments:?}") };
    let context =
        Context::new().aeron_dir(dir).ingress_channel("aeron:udp?term-length=64k").ingress_endpoints(endpoints);
    let context = context.egress_channel(egress).message_timeout(PATIENCE).keep_alive_interval(KEEP_ALIVE_INTERVAL);
    let mut client = AeronCluster::connect(context.reconnect(Reconnect::new())).context("no session")?;
    let (mut session, mut number) = (client.cluster_session_id(), 0);
    loop {
        client.poll_egress(&mut Inbox)?;
        if session != client.cluster_session_id() {
            (session, number) = (client.cluster_session_id(), 0);
        }
        number += u64::from(client.offer(&Command::Note(CONTENT).encode(number + 1)).is_ok());
        std::thread::sleep(INTERVAL);
    }
}

struct Inbox;

impl EgressListener for Inbox {
    fn on_message(&mut self, session: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) {
        if let Some(Reply::Done { number, .. }) = Reply::decode(message) {
            println!("{DONE}{session} {number}");
        }
    }

    fn on_state_change(&mut self, change: &StateChange) {
        println!("{CHANGE}{} -> {} ({})", change.previous, change.current, change.reason);
    }
}
