//! Waiting for states of a test cluster, as the counters of its members show them.

use std::ops::ControlFlow;

use super::cluster::TestCluster;
use super::counters::{CounterReading, type_id};
use super::node::{Node, newest};
use super::parts::Part;
use super::patience::{PATIENCE, wait_until};
use crate::{Error, ErrorKind, Result};

const ROLE_LEADER: i64 = 2;
const ELECTION_CLOSED: i64 = 17;
const MODULE_ACTIVE: i64 = 1;

/// The stream of the log, unless a property says otherwise.
const LOG_STREAM_ID: i32 = 100;

/// What the counters of a member say; all `None` for one that does not run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    role: Option<i64>,
    election: Option<i64>,
    module: Option<i64>,
    term: Option<i64>,
    commit_position: Option<i64>,
    /// How far each service has read the log.
    services: Vec<Option<i64>>,
}

impl State {
    fn has_joined(&self) -> bool {
        self.election == Some(ELECTION_CLOSED) && self.module == Some(MODULE_ACTIVE)
    }

    fn has_applied(&self, position: i64) -> bool {
        let is_there = |reached: &Option<i64>| reached.is_some_and(|reached| reached >= position);
        is_there(&self.commit_position) && self.services.iter().all(is_there)
    }
}

impl TestCluster {
    /// Blocks until a member leads, its election over and its services with it, and returns its number.
    ///
    /// # Errors
    ///
    /// What a service of the cluster failed with; [`ErrorKind::State`] with the output of a consensus module that ended when
    /// too few are left for a leader;
    /// [`ErrorKind::Timeout`] with the [last words](Self::last_words) of all processes when no state moves for [`PATIENCE`].
    pub fn wait_for_leader(&mut self) -> Result<usize> {
        self.wait_for_leader_among(|_| true)
    }

    /// [`wait_for_leader`](Self::wait_for_leader), another than `member`: one that was killed or cut off, and may not know
    /// yet.
    ///
    /// # Errors
    ///
    /// As `wait_for_leader`.
    pub fn wait_for_other_leader(&mut self, member: usize) -> Result<usize> {
        self.wait_for_leader_among(|candidate| candidate != member)
    }

    fn wait_for_leader_among(&mut self, is_candidate: impl Fn(usize) -> bool) -> Result<usize> {
        wait_until("a leader", PATIENCE, || {
            self.check_quorum()?;
            let states = self.states()?;
            let leads = |(member, state): &(usize, &State)| {
                is_candidate(*member) && state.role == Some(ROLE_LEADER) && state.has_joined()
            };
            // One that was cut off leads on for a while, in an older term.
            let leader = states.iter().enumerate().filter(leads).max_by_key(|(_, state)| state.term);
            let leader = leader.map(|(member, _)| member);
            Ok(leader.map_or(ControlFlow::Continue(states), ControlFlow::Break))
        })
        .map_err(|error| self.with_last_words(error))
    }

    /// A time-out alone does not tell which process is to blame.
    fn with_last_words(&mut self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Timeout => Error::new(error.kind(), format!("{}\n{}", error.message(), self.last_words(3))),
            _ => error,
        }
    }

    /// Blocks until the election is over on every member whose consensus module runs and that is not cut off: followers
    /// have joined the log.
    ///
    /// # Errors
    ///
    /// As [`wait_for_leader`](Self::wait_for_leader).
    pub fn wait_for_members(&mut self) -> Result<()> {
        self.wait_for_all("all members", State::has_joined)
    }

    /// Blocks until everything that is committed now has been applied by every service of every member whose consensus module
    /// runs and that is not cut off. Returns the position in the log.
    ///
    /// # Errors
    ///
    /// As [`wait_for_leader`](Self::wait_for_leader).
    pub fn wait_until_applied(&mut self) -> Result<i64> {
        self.wait_for_leader()?;
        let position = self.states()?.iter().filter_map(|state| state.commit_position).max().unwrap_or(0);
        self.wait_for_position(position)?;
        Ok(position)
    }

    /// Blocks until the log is committed and applied up to a position, as [`wait_until_applied`](Self::wait_until_applied).
    ///
    /// # Errors
    ///
    /// As [`wait_for_leader`](Self::wait_for_leader).
    pub fn wait_for_position(&mut self, position: i64) -> Result<()> {
        self.wait_for_all(&format!("log position {position}"), |state| state.has_applied(position))
    }

    /// Blocks until a counter of a member (see [`counter`](Self::counter)) is as wanted, and returns its value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] with the last value when it does not move for [`PATIENCE`].
    pub fn wait_for_counter(&mut self, member: usize, type_id: i32, is_wanted: impl Fn(i64) -> bool) -> Result<i64> {
        let node = self.node(member)?;
        wait_until(&format!("counter {type_id} of member {member}"), PATIENCE, || {
            let value = node.counter(type_id)?;
            let wanted = value.filter(|value| is_wanted(*value));
            Ok(wanted.map_or(ControlFlow::Continue(value), ControlFlow::Break))
        })
    }

    /// The value of a counter of a member's consensus module or service, by its [`type_id`]; of the newest if there are several,
    /// `None` if there is none. The driver keeps those of a killed process for ten seconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`], [`ErrorKind::Protocol`].
    pub fn counter(&self, member: usize, type_id: i32) -> Result<Option<i64>> {
        self.nodes[member].counter(type_id)
    }

    /// How far a service of a member has read the log, in bytes from its beginning; `None` while it has not joined the log.
    /// Services of any kind count, also those that the test itself started.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`], [`ErrorKind::Protocol`].
    pub fn service_position(&self, member: usize, service_id: usize) -> Result<Option<i64>> {
        Ok(service_position(&self.nodes[member].counters()?, service_id))
    }

    fn wait_for_all(&mut self, what: &str, is_done: impl Fn(&State) -> bool) -> Result<()> {
        wait_until(what, PATIENCE, || {
            self.check_quorum()?;
            if let Some(failure) = self.failures().into_iter().next() {
                return Err(failure);
            }
            let states = self.states()?;
            let reachable = self.reachable();
            let is_done = reachable.into_iter().all(|member| is_done(&states[member]));
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(states) })
        })
        .map_err(|error| self.with_last_words(error))
    }

    fn running(&mut self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&member| self.nodes[member].is_running(Part::ConsensusModule)).collect()
    }

    fn reachable(&mut self) -> Vec<usize> {
        let mut members = self.running();
        members.retain(|&member| self.nodes[member].host.as_ref().is_none_or(|host| host.is_plugged()));
        members
    }

    /// What services of members that run failed with, one of each member. Without its driver or consensus module a service must end,
    /// one way or another.
    fn failures(&mut self) -> Vec<Error> {
        let running = self.running();
        let failure = |node: &mut Node| {
            let should_run = running.contains(&node.id) && node.is_running(Part::Driver);
            let failure = node.services().iter_mut().find_map(|service| service.failure());
            failure.filter(|_| should_run)
        };
        self.nodes.iter_mut().filter_map(failure).collect()
    }

    /// A leader cannot be waited for if too few members are left that could follow it.
    fn check_quorum(&mut self) -> Result<()> {
        let (running, failures) = (self.running(), self.failures());
        if running.len() - failures.len() > self.nodes.len() / 2 {
            return Ok(());
        }
        if let Some(failure) = failures.into_iter().next() {
            return Err(failure);
        }
        let ended = (0..self.nodes.len()).find(|member| !running.contains(member)).unwrap_or(0);
        match self.process(ended, Part::ConsensusModule) {
            Some(process) => Err(process.failure(ErrorKind::State, "ended, and too few are left for a leader")),
            None => Err(Error::new(ErrorKind::State, "too few members were started for a leader")),
        }
    }

    fn states(&mut self) -> Result<Vec<State>> {
        let mut states = vec![State::default(); self.nodes.len()];
        for member in self.running() {
            let counters = self.nodes[member].counters()?;
            states[member] = State {
                role: newest(&counters, type_id::NODE_ROLE),
                election: newest(&counters, type_id::ELECTION_STATE),
                module: newest(&counters, type_id::CONSENSUS_MODULE_STATE),
                term: newest(&counters, type_id::LEADERSHIP_TERM_ID),
                commit_position: newest(&counters, type_id::COMMIT_POSITION),
                services: (0..self.settings.service_count).map(|id| service_position(&counters, id)).collect(),
            };
        }
        Ok(states)
    }
}

/// The position of the log subscription whose client is the one that counts the service's errors.
fn service_position(counters: &[CounterReading], service_id: usize) -> Option<i64> {
    let of_service = |counter: &&CounterReading| {
        counter.type_id == type_id::SERVICE_ERRORS && usize::try_from(counter.key_i32(4)) == Ok(service_id)
    };
    let service = counters.iter().filter(of_service).max_by_key(|counter| counter.registration_id)?;
    let of_log = |counter: &&CounterReading| {
        counter.type_id == type_id::SUBSCRIBER_POSITION
            && counter.key_i32(12) == LOG_STREAM_ID
            && counter.owner_id == service.owner_id
    };
    let log = counters.iter().filter(of_log).max_by_key(|counter| counter.registration_id)?;
    Some(log.value)
}
