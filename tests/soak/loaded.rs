//! A cluster of three replicas under load, and whether all members have the same state, with all that clients were told of.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::Command;

use aeron_cluster::client::{AeronCluster, Context};
use aeron_cluster::testing::{Builder, PATIENCE, Part, Place, TestCluster, wait_until};
use aeron_cluster::{Error, ErrorKind};
use anyhow::{Context as _, Result, ensure};

use crate::load::{Address, Load, Told};
use crate::random::Random;
use crate::replica::Numbers;

pub const MEMBERS: usize = 3;

/// A builder of three members whose service is the program of the replica, which is beside this one.
pub fn replicas() -> Result<Builder> {
    replicas_with(|_, command| command)
}

/// The same, with their commands changed.
pub fn replicas_with(change: impl Fn(&Place, Command) -> Command + Send + Sync + 'static) -> Result<Builder> {
    let replica = std::env::current_exe()?.with_file_name("replica");
    ensure!(replica.exists(), "{} is missing: cargo build --example replica", replica.display());
    Ok(TestCluster::builder().members(MEMBERS).program(move |place| {
        let mut command = Command::new(&replica);
        command.arg("--aeron-dir").arg(place.aeron_dir()).arg("--cluster-dir").arg(place.cluster_dir());
        change(place, command)
    }))
}

/// Fields end in this order: the clients before the cluster.
pub struct Loaded {
    pub loads: Vec<Load>,
    pub cluster: TestCluster,
}

impl Loaded {
    /// Puts load on a cluster that runs. The sessions share an Aeron client, on the driver of `context`, which no fault may end.
    pub fn start(cluster: TestCluster, context: Context, clients: u64, seed: u64) -> Result<Loaded> {
        let address = Address::new(&AeronCluster::connect(context.clone())?, context);
        let start = |client: u64| Load::start(address.clone(), Random::new(seed ^ (client << 32)));
        Ok(Loaded { loads: (1..=clients).map(start).collect(), cluster })
    }

    /// Waits until all members have the same state with all that clients know of, under no load, and goes on. Returns the state.
    pub fn settle(&mut self) -> Result<String> {
        self.loads.iter().for_each(Load::pause);
        let state = self.state();
        self.loads.iter().for_each(Load::go_on);
        state
    }

    /// Waits until the replicas of all members have told the same state, with all that clients know of. There must be no load.
    pub fn state(&mut self) -> Result<String> {
        Ok(wait_until("the same state of all members", PATIENCE, || {
            let mut lines = Vec::new();
            for member in 0..MEMBERS {
                if !self.has_module(member) {
                    let message = format!("the consensus module of member {member} ended");
                    return Err(Error::new(ErrorKind::State, message));
                }
                let process = self.cluster.service_process(member, 0)?;
                let told = process.map(|process| process.lines()).unwrap_or_default();
                lines.push(told.into_iter().rfind(|line| line.contains(" hash=")).unwrap_or_default());
            }
            let state = |line: &String| line.split_once(" hash=").map(|(_, state)| state.to_owned());
            let is_same = state(&lines[0]).is_some() && lines.iter().all(|line| state(line) == state(&lines[0]));
            let wrong = if is_same { self.check(&lines[0]).err() } else { None };
            let is_done = is_same && wrong.is_none();
            let wrong = wrong.map(|error| error.to_string());
            Ok(if is_done { ControlFlow::Break(lines.swap_remove(0)) } else { ControlFlow::Continue((wrong, lines)) })
        })?)
    }

    /// Whether the consensus module of a member runs.
    pub fn has_module(&mut self, member: usize) -> bool {
        self.cluster.process(member, Part::ConsensusModule).is_some_and(|process| process.is_running())
    }

    /// Nothing came twice, and whatever a client was told of as done is there.
    fn check(&self, state: &str) -> Result<()> {
        ensure!(field(state, "doubled") == Some("0"), "something was applied twice: {state}");
        self.loads.iter().try_for_each(|load| check_answered(&load.told().answered, state))
    }

    /// Ends the clients, then the cluster in order. Returns what each client was told.
    pub fn end(mut self) -> Result<Vec<Told>> {
        let told = self.loads.iter().map(Load::told).collect();
        self.loads.clear();
        self.cluster.stop().context("the end of the cluster")?;
        Ok(told)
    }
}

/// The value of a field in a line of a replica.
pub fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// All that was answered, by session, is in a state.
pub fn check_answered(answered: &BTreeMap<i64, Numbers>, state: &str) -> Result<()> {
    let applied = numbers(state);
    for (session, answered) in answered {
        let applied = applied.get(session).map_or(&[][..], Vec::as_slice);
        for (first, last) in &answered.ranges {
            let is_there = applied.iter().any(|range| range.0 <= *first && *last <= range.1);
            ensure!(is_there, "answered, but not applied: {first} to {last} of session {session} in {state}");
        }
    }
    Ok(())
}

/// The numbers of each session's messages in a state, as ranges.
fn numbers(state: &str) -> BTreeMap<i64, Vec<(u64, u64)>> {
    let sessions = field(state, "numbers").unwrap_or_default().split(',');
    let range = |range: &str| range.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    sessions
        .filter_map(|session| {
            let (id, ranges) = session.split_once(':')?;
            Some((id.parse().ok()?, ranges.split('+').filter_map(range).collect()))
        })
        .collect()
}
