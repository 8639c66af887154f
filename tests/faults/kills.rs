//! SIGKILL for one process of a member, in each phase of its life.

use std::ops::ControlFlow;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::testing::{PATIENCE, Part, Process, type_id, wait_until};
use anyhow::{Result, bail};

use crate::fault::{Phase, Victim};
use crate::loaded::MEMBERS;
use crate::random::Random;
use crate::replica::{Command, Targets};
use crate::rig::Rig;

/// States of an election, by the codes of `ElectionState`.
const ELECTION: [&str; 18] = [
    "INIT",
    "CANVASS",
    "NOMINATE",
    "CANDIDATE_BALLOT",
    "FOLLOWER_BALLOT",
    "LEADER_LOG_REPLICATION",
    "LEADER_REPLAY",
    "LEADER_INIT",
    "LEADER_READY",
    "FOLLOWER_LOG_REPLICATION",
    "FOLLOWER_REPLAY",
    "FOLLOWER_CATCHUP_INIT",
    "FOLLOWER_CATCHUP_AWAIT",
    "FOLLOWER_CATCHUP",
    "FOLLOWER_LOG_INIT",
    "FOLLOWER_LOG_AWAIT",
    "FOLLOWER_READY",
    "CLOSED",
];
/// A leader that is back soon may lead again.
const REPLAYS: [i64; 2] = [6, 10];
const FOLLOWER_CATCHUP: i64 = 13;
const CLOSED: i64 = 17;
/// States of a consensus module, by the codes of `ConsensusModule.State`.
const MODULE: [&str; 7] = ["INIT", "ACTIVE", "SUSPENDED", "SNAPSHOT", "QUITTING", "TERMINATING", "CLOSED"];
const ACTIVE: i64 = 1;
const SNAPSHOT: i64 = 3;
const TERMINATING: i64 = 5;

/// So long a replay takes, at least: there are so many messages of so many milliseconds. An end takes what is left of twice as long when the
/// tool has asked for it.
const SLOW_MESSAGES: usize = 8;
const SLOW_MS: u32 = 250;
/// State that takes a snapshot some time, unless the load has had less kept meanwhile.
const KEPT_BYTES: u32 = 2_000_000;
/// Longer than each time-out of those that are left.
const FOR_EVER: Duration = Duration::from_secs(12);
/// How often a phase may be over before its moment came, which is sooner each time.
const ATTEMPTS: u32 = 8;

pub fn run(rig: &mut Rig, victim: Victim, phase: Phase, random: &mut Random) -> Result<String> {
    let (member, role) = rig.choose(random)?;
    let mut moment = random.below(match phase {
        Phase::Load => 1_500,
        Phase::Recovery | Phase::Join | Phase::Termination => 600,
        Phase::Snapshot => 150,
    });
    for _ in 0..ATTEMPTS {
        let term = rig.cluster().counter(member, type_id::LEADERSHIP_TERM_ID)?;
        let tool = reach(rig, phase, member)?;
        std::thread::sleep(Duration::from_millis(moment));
        let state = state(rig, member)?;
        let is_met = state.is_in(phase) && rig.is_running(member, victim)?;
        if is_met {
            rig.process(member, victim)?.kill();
            let words = end(rig, victim, phase, member, term)?;
            drop(tool);
            rig.cluster().start()?;
            return Ok(format!("member {member} ({role}) in {}, {moment} ms: {words}", state.name(phase)));
        }
        let_pass(rig, phase, term, tool)?;
        moment /= 2;
    }
    bail!("member {member} was through with {phase:?} before its {victim} was killed, {ATTEMPTS} times");
}

/// What follows from a process that is gone. Returns what the others of its member said.
fn end(rig: &mut Rig, victim: Victim, phase: Phase, member: usize, term: Option<i64>) -> Result<String> {
    if phase == Phase::Termination {
        (0..MEMBERS).filter(|other| *other != member).try_for_each(|other| await_end_or_term(rig, other, term))?;
    }
    if victim != Victim::Service {
        rig.await_ends_without(member, victim)?;
        return rig.last_words(member);
    }
    let module = rig.process(member, Victim::Server(Part::ConsensusModule))?;
    match module.wait(if phase == Phase::Termination { FOR_EVER } else { PATIENCE }) {
        Ok(_) => Ok("consensus module ended".to_owned()),
        // In termination a consensus module does not look whether its services live, and only a leader has a time-out.
        Err(error) if phase == Phase::Termination && error.kind() == ErrorKind::Timeout => {
            module.kill();
            Ok(format!("consensus module still waited for it {FOR_EVER:?} after the others had ended, and was killed"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the counters of a member say it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    election: Option<i64>,
    module: Option<i64>,
}

impl State {
    fn is_in(self, phase: Phase) -> bool {
        let election = self.election.unwrap_or(-1);
        match phase {
            Phase::Load => election == CLOSED && self.module == Some(ACTIVE),
            Phase::Recovery => REPLAYS.contains(&election),
            Phase::Join => (FOLLOWER_CATCHUP..CLOSED).contains(&election),
            Phase::Snapshot => self.module == Some(SNAPSHOT),
            Phase::Termination => self.module == Some(TERMINATING),
        }
    }

    /// Of that in it which makes the phase.
    fn name(self, phase: Phase) -> &'static str {
        let (names, code) = match phase {
            Phase::Recovery | Phase::Join => (ELECTION.as_slice(), self.election),
            Phase::Load | Phase::Snapshot | Phase::Termination => (MODULE.as_slice(), self.module),
        };
        let name = code.and_then(|code| names.get(usize::try_from(code).ok()?));
        name.copied().unwrap_or("no state")
    }
}

fn state(rig: &mut Rig, member: usize) -> aeron_cluster::Result<State> {
    let counter = |type_id| rig.loaded.cluster.counter(member, type_id);
    Ok(State { election: counter(type_id::ELECTION_STATE)?, module: counter(type_id::CONSENSUS_MODULE_STATE)? })
}

/// A leader that is back before anybody has missed it.
pub fn bounce(rig: &mut Rig) -> Result<String> {
    let leader = rig.cluster().wait_for_leader()?;
    rig.cluster().kill_member(leader);
    rig.cluster().start()?;
    let next = rig.cluster().wait_for_leader()?;
    Ok(format!("member {leader} (leader) killed and back, member {next} leads"))
}

/// Brings a member into a phase. What is running for it goes on as long as what is returned.
fn reach(rig: &mut Rig, phase: Phase, member: usize) -> Result<Option<Process>> {
    let slow = std::iter::repeat_n(Command::Sleep { targets: Targets::member(member), ms: SLOW_MS }, SLOW_MESSAGES);
    let mut tool = None;
    match phase {
        Phase::Load => {}
        Phase::Recovery => {
            rig.order(slow)?;
            rig.loaded.settle()?;
            rig.cluster().kill_member(member);
            rig.cluster().start_member(member)?;
        }
        Phase::Join => {
            rig.cluster().kill_member(member);
            rig.cluster().wait_for_other_leader(member)?;
            rig.order(slow)?;
            rig.cluster().start_member(member)?;
        }
        Phase::Snapshot => {
            rig.order([Command::Keep { length: KEPT_BYTES }])?;
            tool = Some(start_tool(rig, "snapshot")?);
        }
        Phase::Termination => {
            rig.order(slow.clone().chain(slow))?;
            tool = Some(start_tool(rig, "abort")?);
        }
    }
    await_phase(rig, phase, member)?;
    Ok(tool)
}

fn start_tool(rig: &mut Rig, action: &str) -> Result<Process> {
    let leader = rig.cluster().wait_for_leader()?;
    Ok(rig.cluster().start_cluster_tool(leader, &[action])?)
}

/// Waits until a member is in a phase, or its consensus module has ended.
fn await_phase(rig: &mut Rig, phase: Phase, member: usize) -> Result<()> {
    Ok(wait_until(&format!("{phase:?} of member {member}"), PATIENCE, || {
        let state = state(rig, member)?;
        let is_over = state.is_in(phase) || !rig.loaded.has_module(member);
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(state) })
    })?)
}

/// Lets a phase end that was missed.
fn let_pass(rig: &mut Rig, phase: Phase, term: Option<i64>, tool: Option<Process>) -> Result<()> {
    if let Some(mut tool) = tool {
        tool.wait_for_success(PATIENCE)?;
    }
    if phase == Phase::Termination {
        (0..MEMBERS).try_for_each(|member| await_end_or_term(rig, member, term))?;
    }
    rig.cluster().start()?;
    rig.loaded.settle().map(drop)
}

/// A member that was to terminate has ended, or it went on without the one that was killed.
fn await_end_or_term(rig: &mut Rig, member: usize, before: Option<i64>) -> Result<()> {
    let cluster = rig.cluster();
    Ok(wait_until(&format!("the end of member {member}, or a new term"), PATIENCE, || {
        let is_running = cluster.process(member, Part::ConsensusModule).is_some_and(|process| process.is_running());
        if !is_running {
            cluster.wait_for_service_end(member, 0)?;
            return Ok(ControlFlow::Break(()));
        }
        let counter = |type_id| cluster.counter(member, type_id);
        let seen = (
            counter(type_id::LEADERSHIP_TERM_ID)?,
            counter(type_id::ELECTION_STATE)?,
            counter(type_id::CONSENSUS_MODULE_STATE)?,
        );
        let is_on = seen.0 > before && seen.1 == Some(CLOSED) && seen.2 == Some(ACTIVE);
        Ok(if is_on { ControlFlow::Break(()) } else { ControlFlow::Continue(seen) })
    })?)
}
