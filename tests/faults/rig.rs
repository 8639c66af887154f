//! The cluster that faults happen to, and what users see of them.

use std::ops::ControlFlow;
use std::time::Duration;

use aeron_cluster::testing::{Builder, PATIENCE, Part, Process, TestCluster, wait_until};
use anyhow::{Context as _, Result, ensure};

use crate::clocks::Clocks;
use crate::disks::SmallDisk;
use crate::fault::{Fault, Setup, Victim};
use crate::loaded::{Loaded, MEMBERS};
use crate::random::Random;
use crate::relays::Wiring;
use crate::{clients, clocks, disks, kills, losses, pauses, relays, slowness};

/// Sessions of the load.
pub const CLIENTS: u64 = 2;

/// What a setup has besides the cluster. It ends after it.
pub enum Extra {
    None,
    Clocks(Clocks),
    Disk(SmallDisk),
    Wiring(Wiring),
    /// The driver of the clients.
    Driver(losses::ClientDriver),
}

/// Drivers miss a process after half of the usual time, for runs that are not mostly waiting.
pub fn impatient(builder: Builder) -> Builder {
    builder.property("aeron.client.liveness.timeout", "5s")
}

pub struct Rig {
    setup: Setup,
    pub loaded: Loaded,
    pub extra: Extra,
}

impl Rig {
    pub fn start(setup: Setup, seed: u64) -> Result<Rig> {
        let (cluster, extra) = match setup {
            Setup::Plain => (impatient(crate::loaded::replicas()?).start()?, Extra::None),
            Setup::Clocks => clocks::start(false)?,
            Setup::ClockOfMember => clocks::start(true)?,
            Setup::Loss(percent) => losses::start(percent, seed)?,
            Setup::Relay(disorder) => relays::start(disorder, seed)?,
            Setup::Clients => clients::start()?,
            Setup::SmallDisk => disks::start()?,
        };
        let mut cluster = cluster;
        let context = match &extra {
            Extra::Wiring(wiring) => wiring.client_context(&cluster),
            Extra::Driver(driver) => driver.context(&cluster),
            _ => cluster.remote_client_context()?,
        };
        Ok(Rig { setup, loaded: Loaded::start(cluster, context, CLIENTS, seed)?, extra })
    }

    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// Lets it happen, waits until all members are back and compares them. Returns what there was to see.
    pub fn run(&mut self, fault: Fault, random: &mut Random) -> Result<String> {
        self.loaded.settle().context("before the fault")?;
        self.loaded.loads.iter().for_each(|load| load.forget_silence());
        let before = self.told();
        let seen = match fault {
            Fault::Kill(victim, phase) => kills::run(self, victim, phase, random)?,
            Fault::Bounce => kills::bounce(self)?,
            Fault::Pause(victim, seconds) => pauses::run(self, victim, seconds, random)?,
            Fault::Clock(Some(victim), seconds) => clocks::run(self, &[victim], seconds, random)?,
            Fault::Clock(None, seconds) => clocks::run(self, &Victim::ALL, seconds, random)?,
            Fault::Loss(_) => losses::run(self)?,
            Fault::Relay(_) => relays::run(self)?,
            Fault::Client(halt) => clients::run(self, halt, random)?,
            Fault::Full(disk) => disks::run(self, disk)?,
            Fault::Slow { is_everywhere, ms } => slowness::run(self, is_everywhere, ms, random)?,
        };
        self.await_answers()?;
        std::thread::sleep(Duration::from_millis(random.below(500)));
        let others = self.settle()?;
        let (after, silence) = (self.told(), self.silence());
        Ok(format!(
            "{seen}{others}; clients: {} answers, {silence:.1} s without one at most, {} changes of leader",
            after.0 - before.0,
            after.1 - before.1,
        ))
    }

    /// Compares the members. Consensus modules that ended later, or of other members, are started again, as whoever watches over them
    /// would; what is returned tells of them.
    fn settle(&mut self) -> Result<String> {
        let Err(error) = self.loaded.settle() else { return Ok(String::new()) };
        let ended: Vec<_> = (0..MEMBERS).filter(|member| !self.loaded.has_module(*member)).collect();
        if ended.is_empty() {
            return Err(error.context("after the fault"));
        }
        let mut told = String::new();
        for member in ended {
            self.await_end(member, Victim::Service)?;
            let errors = self.cluster().cluster_tool(member, &["errors"]).unwrap_or_default();
            let reason = errors.lines().rfind(|line| line.contains("Exception: ")).unwrap_or("no error");
            told += &format!("; later the consensus module of member {member} ended, {}", reason.trim());
        }
        self.cluster().start()?;
        self.loaded.settle().context("after a second start")?;
        Ok(told)
    }

    /// Waits until every client is answered again.
    fn await_answers(&self) -> Result<()> {
        for load in &self.loaded.loads {
            let first = load.told().answers();
            wait_until("answers to a client", 2 * PATIENCE, || {
                let told = load.told();
                let is_answered = told.answers() > first;
                Ok(if is_answered { ControlFlow::Break(()) } else { ControlFlow::Continue(told.answers()) })
            })?;
        }
        Ok(())
    }

    /// Answers and changes of leader of all clients so far.
    fn told(&self) -> (u64, u64) {
        let told: Vec<_> = self.loaded.loads.iter().map(|load| load.told()).collect();
        let sum = |of: fn(&crate::load::Told) -> u64| told.iter().map(of).sum();
        (sum(|told| told.answers()), sum(|told| told.new_leaders))
    }

    fn silence(&self) -> f64 {
        self.loaded.loads.iter().map(|load| load.told().silence.as_secs_f64()).fold(0.0, f64::max)
    }

    pub fn cluster(&mut self) -> &mut TestCluster {
        &mut self.loaded.cluster
    }

    /// Any member, and what it is.
    pub fn choose(&mut self, random: &mut Random) -> Result<(usize, &'static str)> {
        let leader = self.cluster().wait_for_leader()?;
        let member = random.below(MEMBERS as u64) as usize;
        Ok((member, if member == leader { "leader" } else { "follower" }))
    }

    pub fn process(&mut self, member: usize, victim: Victim) -> Result<&mut Process> {
        let process = match victim {
            Victim::Server(part) => self.cluster().process(member, part),
            Victim::Service => self.cluster().service_process(member, 0)?,
        };
        process.with_context(|| format!("member {member} has no {victim}"))
    }

    pub fn is_running(&mut self, member: usize, victim: Victim) -> Result<bool> {
        Ok(self.process(member, victim)?.is_running())
    }

    /// Waits until a process has ended by itself.
    pub fn await_end(&mut self, member: usize, victim: Victim) -> Result<()> {
        self.process(member, victim)?.wait(PATIENCE).map(drop).with_context(|| format!("the end of the {victim}"))
    }

    /// Waits until all that stands on a process that is gone has ended too.
    pub fn await_ends_without(&mut self, member: usize, victim: Victim) -> Result<()> {
        if victim == Victim::Server(Part::Driver) {
            self.await_end(member, Victim::Server(Part::Archive))?;
        }
        self.await_end(member, Victim::Server(Part::ConsensusModule))?;
        self.await_end(member, Victim::Service)
    }

    /// How the service of a member ended, in its own words.
    pub fn last_words(&mut self, member: usize) -> Result<String> {
        let process = self.process(member, Victim::Service)?;
        let status = process.wait(PATIENCE)?;
        let lines = process.lines();
        let error = lines.iter().position(|line| line.starts_with("Error:"));
        let of_error = |at: usize| {
            lines[at..].iter().take_while(|line| !line.starts_with("Stack backtrace")).map(|line| line.trim())
        };
        let words = error.map(|at| of_error(at).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "));
        Ok(match (status.code(), words) {
            (None, _) => "service killed".to_owned(),
            (Some(code), None) => format!("service ended with {code}"),
            (Some(code), Some(words)) => format!("service ended with {code}: {words}"),
        })
    }

    /// Nothing of a member may have ended.
    pub fn check_running(&mut self, member: usize) -> Result<()> {
        for victim in Victim::ALL {
            ensure!(self.is_running(member, victim)?, "the {victim} of member {member} ended");
        }
        Ok(())
    }

    /// Lets a client send commands, and waits until the cluster has taken them.
    pub fn order(&mut self, commands: impl IntoIterator<Item = crate::replica::Command<'static>>) -> Result<()> {
        let load = &self.loaded.loads[0];
        commands.into_iter().for_each(|command| load.order(command));
        Ok(wait_until("orders to be sent", PATIENCE, || {
            let left = load.orders();
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(left) })
        })?)
    }

    pub fn end(self) -> Result<()> {
        self.loaded.end().map(drop)
    }
}
