//! SIGKILL for one process of a member, in each phase of its life.

use std::ops::ControlFlow;
use std::time::Duration;

use aeron_cluster::testing::{PATIENCE, Part, Process, type_id, wait_until};
use anyhow::Result;

use crate::fault::{Phase, Victim};
use crate::loaded::MEMBERS;
use crate::random::Random;
use crate::replica::{Command, Targets};
use crate::rig::Rig;

/// States of an election, of `ElectionState`.
/// A leader that is back soon may lead again.
const REPLAYS: [i64; 2] = [6, 10];
const FOLLOWER_CATCHUP: i64 = 13;
const CLOSED: i64 = 17;
/// States of a consensus module, of `ConsensusModule.State`.
const ACTIVE: i64 = 1;
const SNAPSHOT: i64 = 3;

/// So long a replay takes, at least: it has so many messages of so many milliseconds.
const SLOW_MESSAGES: u32 = 8;
const SLOW_MS: u32 = 250;
/// State that takes a snapshot some time.
const KEPT_BYTES: u32 = 2_000_000;

pub fn run(rig: &mut Rig, victim: Victim, phase: Phase, random: &mut Random) -> Result<String> {
    let (member, role) = rig.choose(random)?;
    let term = rig.cluster().counter(member, type_id::LEADERSHIP_TERM_ID)?;
    let tool = reach(rig, phase, member, random)?;
    rig.process(member, victim)?.kill();
    rig.await_ends_without(member, victim)?;
    let words = if victim == Victim::Service { "consensus module ended".to_owned() } else { rig.last_words(member)? };
    if phase == Phase::Termination {
        (0..MEMBERS).filter(|other| *other != member).try_for_each(|other| await_end_or_term(rig, other, term))?;
    }
    drop(tool);
    rig.cluster().start()?;
    Ok(format!("member {member} ({role}): {words}"))
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
fn reach(rig: &mut Rig, phase: Phase, member: usize, random: &mut Random) -> Result<Option<Process>> {
    let slow = Command::Sleep { targets: Targets::member(member), ms: SLOW_MS };
    let mut tool = None;
    match phase {
        Phase::Load => {}
        Phase::Recovery => {
            rig.order((0..SLOW_MESSAGES).map(|_| slow))?;
            rig.loaded.settle()?;
            rig.cluster().kill_member(member);
            rig.cluster().start_member(member)?;
            rig.await_counter(member, type_id::ELECTION_STATE, |state| REPLAYS.contains(&state))?;
        }
        Phase::Join => {
            rig.cluster().kill_member(member);
            rig.cluster().wait_for_other_leader(member)?;
            rig.order((0..SLOW_MESSAGES).map(|_| slow))?;
            rig.cluster().start_member(member)?;
            rig.await_counter(member, type_id::ELECTION_STATE, |state| (FOLLOWER_CATCHUP..CLOSED).contains(&state))?;
        }
        Phase::Snapshot | Phase::Termination => {
            rig.order([Command::Keep { length: KEPT_BYTES }, slow])?;
            let leader = rig.cluster().wait_for_leader()?;
            let action = if phase == Phase::Snapshot { "snapshot" } else { "shutdown" };
            tool = Some(rig.cluster().start_cluster_tool(leader, &[action])?);
            rig.await_counter(member, type_id::CONSENSUS_MODULE_STATE, |state| state >= SNAPSHOT)?;
        }
    }
    let moment = if phase == Phase::Load { 1_500 } else { 600 };
    std::thread::sleep(Duration::from_millis(random.below(moment)));
    Ok(tool)
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
