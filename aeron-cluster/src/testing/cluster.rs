//! A cluster of one or three members on loopback.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::counters::type_id;
use super::java::Java;
use super::node::{DriverKind, Node, Part, Settings};
use super::patience::{PATIENCE, wait_until};
use super::processes::Process;
use crate::{Error, ErrorKind, Result};

const ROLE_LEADER: i64 = 2;
const ELECTION_CLOSED: i64 = 17;
const MODULE_ACTIVE: i64 = 1;

/// Where clients of a test receive: any free port on loopback.
const EGRESS_CHANNEL: &str = "aeron:udp?endpoint=localhost:0";

/// What a [`TestCluster`] consists of.
#[derive(Debug, Clone)]
pub struct Builder {
    members: usize,
    service_count: usize,
    driver: DriverKind,
    properties: Vec<(String, String)>,
    java: Option<Java>,
}

impl Builder {
    /// Number of members; 1 by default.
    #[must_use]
    pub fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// Number of services on each member; 1 by default.
    #[must_use]
    pub fn service_count(mut self, service_count: usize) -> Self {
        self.service_count = service_count;
        self
    }

    /// The media driver of each member; the C driver by default.
    #[must_use]
    pub fn driver(mut self, driver: DriverKind) -> Self {
        self.driver = driver;
        self
    }

    /// The archive, the consensus module and the tools; [`Java::aeron_all`] by default.
    #[must_use]
    pub fn java(mut self, java: Java) -> Self {
        self.java = Some(java);
        self
    }

    /// A system property for archives and consensus modules, such as `aeron.cluster.session.timeout`.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes directories and reserves ports, and starts nothing yet; see [`TestCluster::start`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] when Java or the jar is missing or no port is free, [`ErrorKind::Io`].
    pub fn create(self) -> Result<TestCluster> {
        let settings = Arc::new(Settings {
            service_count: self.service_count,
            driver: self.driver,
            properties: self.properties,
            java: self.java.map_or_else(Java::aeron_all, Ok)?,
        });
        let nodes = (0..self.members).map(|id| Node::new(id, Arc::clone(&settings))).collect::<Result<Vec<_>>>()?;
        Ok(TestCluster { settings, nodes })
    }

    /// [`create`](Self::create) and [`TestCluster::start`] in one.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn start(self) -> Result<TestCluster> {
        let mut cluster = self.create()?;
        cluster.start()?;
        Ok(cluster)
    }
}

/// A running cluster, without its services: those are the test's.
///
/// Members are numbered from 0. Dropping it kills all of its processes and removes its directories; stop what uses them
/// before that, such as services in this process.
#[derive(Debug)]
pub struct TestCluster {
    settings: Arc<Settings>,
    nodes: Vec<Node>,
}

impl TestCluster {
    /// A cluster of one member with the C driver and one service, unless told otherwise.
    pub fn builder() -> Builder {
        Builder { members: 1, service_count: 1, driver: DriverKind::C, properties: Vec::new(), java: None }
    }

    /// Starts what does not run: all drivers, then all archives, then all consensus modules, and blocks until they are up.
    ///
    /// A cluster that was stopped, terminated or killed goes on with its state. There is no leader before the services
    /// have started too; [`wait_for_leader`](Self::wait_for_leader) comes after them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] with the output of a part that ended, [`ErrorKind::Timeout`] naming a part that does not come up.
    pub fn start(&mut self) -> Result<()> {
        let members = self.members();
        for part in Part::ALL {
            self.nodes.iter_mut().try_for_each(|node| node.launch(part, &members))?;
            self.nodes.iter_mut().try_for_each(|node| node.wait_until_ready(part))?;
        }
        Ok(())
    }

    /// Starts one part of a member that does not run, and blocks until it is up.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_part(&mut self, member: usize, part: Part) -> Result<()> {
        let members = self.members();
        self.nodes[member].launch(part, &members)?;
        self.nodes[member].wait_until_ready(part)
    }

    /// The process of a part, to look at its output, stop it or kill it; `None` before it was started, and for an external
    /// driver.
    pub fn process(&mut self, member: usize, part: Part) -> Option<&mut Process> {
        self.nodes[member].process(part)
    }

    /// Kills a part of a member with SIGKILL.
    pub fn kill(&mut self, member: usize, part: Part) {
        if let Some(process) = self.process(member, part) {
            process.kill();
        }
    }

    /// Kills all parts of a member with SIGKILL, as when its machine fails. Its services are the caller's to kill.
    ///
    /// A consensus module killed alone looks alive to clients for five seconds more, until the driver gives up on it: a
    /// client may try to connect to it and time out.
    pub fn kill_member(&mut self, member: usize) {
        for part in Part::ALL.into_iter().rev() {
            self.kill(member, part);
        }
    }

    /// Blocks until a member leads, its election over and its services with it, and returns its number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] with the output of a consensus module that ended when too few are left for a leader;
    /// [`ErrorKind::Timeout`] when no state moves for [`PATIENCE`].
    pub fn wait_for_leader(&mut self) -> Result<usize> {
        wait_until("a leader", PATIENCE, || {
            self.check_quorum()?;
            let states = self.states()?;
            let leader = [Some(ROLE_LEADER), Some(ELECTION_CLOSED), Some(MODULE_ACTIVE)];
            let found = states.iter().position(|state| state[..3] == leader);
            Ok(found.map_or(ControlFlow::Continue(states), ControlFlow::Break))
        })
    }

    /// Blocks until the election is over on every member whose consensus module runs: followers have joined the log.
    ///
    /// # Errors
    ///
    /// As [`wait_for_leader`](Self::wait_for_leader).
    pub fn wait_for_members(&mut self) -> Result<()> {
        wait_until("all members", PATIENCE, || {
            self.check_quorum()?;
            let states = self.states()?;
            let joined = |state: &State| state[1..3] == [Some(ELECTION_CLOSED), Some(MODULE_ACTIVE)];
            let running = self.running();
            let is_done = running.into_iter().all(|member| joined(&states[member]));
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(states) })
        })
    }

    /// The value of a counter of a member's consensus module or service, by its [`type_id`]; of the newest if there are several,
    /// `None` if there is none. The driver keeps those of a killed process for five seconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`], [`ErrorKind::Protocol`].
    pub fn counter(&self, member: usize, type_id: i32) -> Result<Option<i64>> {
        self.nodes[member].counter(type_id)
    }

    /// The list that clients connect with: `0=localhost:10000,1=…`.
    pub fn ingress_endpoints(&self) -> String {
        let endpoint = |(id, node): (usize, &Node)| format!("{id}={}", node.ingress_endpoint());
        self.nodes.iter().enumerate().map(endpoint).collect::<Vec<_>>().join(",")
    }

    /// A channel on which a client of this cluster can receive.
    pub fn egress_channel(&self) -> &'static str {
        EGRESS_CHANNEL
    }

    /// The directory of a member's media driver.
    pub fn aeron_dir(&self, member: usize) -> PathBuf {
        self.nodes[member].aeron_dir()
    }

    /// The cluster directory of a member, which its services use too.
    pub fn cluster_dir(&self, member: usize) -> PathBuf {
        self.nodes[member].cluster_dir()
    }

    /// The directory of a member's archive.
    pub fn archive_dir(&self, member: usize) -> PathBuf {
        self.nodes[member].archive_dir()
    }

    /// Runs `io.aeron.cluster.ClusterTool` on a member, such as `&["snapshot"]`, `&["describe"]`, `&["errors"]` or
    /// `&["recording-log"]`, blocks until it is done and returns what it printed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] with its output when it fails.
    pub fn cluster_tool(&self, member: usize, arguments: &[&str]) -> Result<String> {
        let properties = [("aeron.dir", self.aeron_dir(member))];
        let mut command = self.settings.java.command("io.aeron.cluster.ClusterTool", properties);
        command.arg(self.cluster_dir(member)).args(arguments);
        let mut tool = Process::spawn(format!("ClusterTool {}", arguments.join(" ")), &command)?;
        tool.wait_for_success(PATIENCE)?;
        Ok(tool.lines().join("\n"))
    }

    /// Takes a snapshot, terminates the cluster in order, services included, and stops archives and drivers.
    ///
    /// # Errors
    ///
    /// When a part does not end.
    pub fn shutdown(&mut self) -> Result<()> {
        self.terminate("shutdown")
    }

    /// Terminates the cluster in order without a snapshot, services included, and stops archives and drivers.
    ///
    /// # Errors
    ///
    /// When a part does not end.
    pub fn abort(&mut self) -> Result<()> {
        self.terminate("abort")
    }

    /// Stops consensus modules, archives and drivers with SIGTERM, in this order.
    ///
    /// # Errors
    ///
    /// When a part does not end.
    pub fn stop(&mut self) -> Result<()> {
        for part in Part::ALL.into_iter().rev() {
            for node in &mut self.nodes {
                if let Some(process) = node.process(part) {
                    process.stop()?;
                }
            }
        }
        Ok(())
    }

    /// Starts one of our Java services (`EchoService`, `CounterService`) as a service of a member.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn start_java_service(
        &self,
        member: usize,
        service_id: usize,
        java: &Java,
        main_class: &str,
    ) -> Result<Process> {
        let properties = [
            ("aeron.dir", self.aeron_dir(member).into_os_string()),
            ("aeron.cluster.dir", self.cluster_dir(member).into_os_string()),
            ("aeron.cluster.service.id", service_id.to_string().into()),
        ];
        let name = format!("{main_class} {service_id} of member {member}");
        Process::spawn(name, &java.command(main_class, properties))
    }

    /// Starts our Java client `EchoClient` on a member's driver, with more properties such as `echo.messages`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn start_java_client(&self, member: usize, java: &Java, properties: &[(&str, &str)]) -> Result<Process> {
        let mut all: Vec<(&str, OsString)> = vec![
            ("aeron.dir", self.aeron_dir(member).into_os_string()),
            ("aeron.cluster.ingress.channel", "aeron:udp".into()),
            ("aeron.cluster.ingress.endpoints", self.ingress_endpoints().into()),
            ("aeron.cluster.egress.channel", EGRESS_CHANNEL.into()),
        ];
        all.extend(properties.iter().map(|(name, value)| (*name, value.into())));
        Process::spawn("EchoClient", &java.command("EchoClient", all))
    }

    fn members(&self) -> String {
        self.nodes.iter().map(Node::member).collect::<Vec<_>>().join("|")
    }

    fn terminate(&mut self, how: &str) -> Result<()> {
        let leader = self.wait_for_leader()?;
        self.cluster_tool(leader, &[how])?;
        for node in &mut self.nodes {
            if let Some(process) = node.process(Part::ConsensusModule) {
                process.wait(PATIENCE)?;
            }
        }
        self.stop()
    }

    fn running(&mut self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&member| self.nodes[member].is_running(Part::ConsensusModule)).collect()
    }

    fn check_quorum(&mut self) -> Result<()> {
        let running = self.running();
        if running.len() > self.nodes.len() / 2 {
            return Ok(());
        }
        let ended = (0..self.nodes.len()).find(|member| !running.contains(member)).unwrap_or(0);
        match self.process(ended, Part::ConsensusModule) {
            Some(process) => Err(process.failure(ErrorKind::State, "ended, and too few are left for a leader")),
            None => Err(Error::new(ErrorKind::State, "the cluster was not started")),
        }
    }

    /// By member: role, state of the election, state of the consensus module, commit position; all `None` for one that does
    /// not run.
    fn states(&mut self) -> Result<Vec<State>> {
        let types =
            [type_id::NODE_ROLE, type_id::ELECTION_STATE, type_id::CONSENSUS_MODULE_STATE, type_id::COMMIT_POSITION];
        let mut states = vec![[None; 4]; self.nodes.len()];
        for member in self.running() {
            for (state, type_id) in states[member].iter_mut().zip(types) {
                *state = self.nodes[member].counter(type_id)?;
            }
        }
        Ok(states)
    }
}

type State = [Option<i64>; 4];
