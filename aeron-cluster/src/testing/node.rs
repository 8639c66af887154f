//! One member of a test cluster: its directories and ports, its processes and services, and how they start.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::counters::{CounterReading, DriverCounters, type_id};
use super::dirs::WorkDir;
use super::hosted::{Configure, Hosted, Place, Source};
use super::java::Java;
use super::network::Host;
use super::parts::{ChangeCommand, DriverKind, Part, Properties, release_mark_file};
use super::patience::{PATIENCE, wait_until};
use super::ports::PortBlock;
use super::processes::Process;
use crate::{Error, ErrorKind, Result};

const INGRESS: u16 = 0;
const CONSENSUS: u16 = 1;
const LOG: u16 = 2;
const CATCHUP: u16 = 3;
const ARCHIVE: u16 = 4;

/// What all members have in common.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) service_count: usize,
    pub(super) driver: DriverKind,
    pub(super) properties: Properties,
    pub(super) java: Java,
    /// By service id. If there are fewer than services, the others are the test's.
    pub(super) sources: Vec<Source>,
    pub(super) configure: Option<Configure>,
    pub(super) change_command: Option<ChangeCommand>,
    /// By member; none for all on `localhost`.
    pub(super) host_names: Vec<String>,
}

/// Its fields are dropped in this order: services before the driver that they use.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: usize,
    pub(super) settings: Arc<Settings>,
    services: Vec<Hosted>,
    /// By [`Part`].
    processes: [Option<Process>; 3],
    /// Where the driver runs, if it has a network of its own.
    pub(super) host: Option<Host>,
    ports: PortBlock,
    dir: WorkDir,
}

impl Node {
    pub(super) fn new(id: usize, settings: Arc<Settings>, host: Option<Host>) -> Result<Node> {
        let (dir, ports) = (WorkDir::new()?, PortBlock::reserve()?);
        let mut node = Node { id, settings, services: Vec::new(), processes: [None, None, None], host, ports, dir };
        node.services = (0..node.settings.sources.len()).map(|id| Hosted::new(node.place(id))).collect();
        Ok(node)
    }

    pub(super) fn place(&self, service_id: usize) -> Place {
        Place { member: self.id, service_id, aeron_dir: self.aeron_dir(), cluster_dir: self.cluster_dir() }
    }

    pub(super) fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("aeron")
    }

    pub(super) fn archive_dir(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    pub(super) fn cluster_dir(&self) -> PathBuf {
        self.dir.path().join("cluster")
    }

    pub(super) fn ingress_endpoint(&self) -> String {
        self.endpoint(INGRESS)
    }

    pub(super) fn archive_endpoint(&self) -> String {
        self.endpoint(ARCHIVE)
    }

    /// A channel with a port that the driver chooses.
    pub(super) fn any_port(&self) -> String {
        format!("aeron:udp?endpoint={}:0", self.address())
    }

    /// The member's entry in the list that all consensus modules share.
    pub(super) fn member(&self) -> String {
        let endpoints = [INGRESS, CONSENSUS, LOG, CATCHUP, ARCHIVE].map(|port| self.endpoint(port));
        format!("{},{}", self.id, endpoints.join(","))
    }

    pub(super) fn process(&mut self, part: Part) -> Option<&mut Process> {
        self.processes[part as usize].as_mut()
    }

    pub(super) fn is_running(&mut self, part: Part) -> bool {
        self.process(part).is_some_and(Process::is_running)
    }

    pub(super) fn services(&mut self) -> &mut [Hosted] {
        &mut self.services
    }

    pub(super) fn service(&mut self, service_id: usize) -> Result<&mut Hosted> {
        let count = self.services.len();
        self.services.get_mut(service_id).ok_or_else(|| {
            let message =
                format!("the cluster makes {count} services on each member, there is no service {service_id}");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }

    pub(super) fn start_service(&mut self, service_id: usize) -> Result<()> {
        let settings = Arc::clone(&self.settings);
        let service = self.service(service_id)?;
        service.start(&settings.sources[service_id], settings.configure.as_ref())
    }

    pub(super) fn start_services(&mut self) -> Result<()> {
        (0..self.services.len()).try_for_each(|service_id| self.start_service(service_id))
    }

    /// Stops all parts cleanly, each before those it depends on.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.stop_part(Part::ConsensusModule)?;
        self.services.iter().for_each(Hosted::request_stop);
        self.services.iter_mut().try_for_each(Hosted::stop)?;
        self.stop_part(Part::Archive)?;
        self.stop_part(Part::Driver)
    }

    pub(super) fn stop_part(&mut self, part: Part) -> Result<()> {
        match self.process(part) {
            Some(process) => process.stop().map(drop),
            None => Ok(()),
        }
    }

    /// The driver goes last: a container in this process could not be closed at once without it.
    pub(super) fn kill(&mut self) {
        for part in [Part::ConsensusModule, Part::Archive] {
            if let Some(process) = self.process(part) {
                process.kill();
            }
        }
        self.services.iter().for_each(Hosted::request_stop);
        self.services.iter_mut().for_each(Hosted::kill);
        if let Some(driver) = self.process(Part::Driver) {
            driver.kill();
        }
    }

    /// Removes all its state, as when its disk is lost.
    pub(super) fn wipe(&mut self) -> Result<()> {
        let part = Part::ALL.into_iter().find(|part| self.is_running(*part)).map(|part| format!("{part:?}"));
        let service = self.services.iter_mut().position(|service| service.is_running());
        if let Some(name) = part.or(service.map(|service_id| format!("service {service_id}"))) {
            let message = format!("member {} cannot be emptied while its {name} runs: stop or kill it first", self.id);
            return Err(Error::new(ErrorKind::State, message));
        }
        for dir in [self.archive_dir(), self.cluster_dir()] {
            if dir.exists() {
                fs::remove_dir_all(&dir).map_err(|error| Error::from(error).context(dir.display()))?;
            }
        }
        Ok(())
    }

    /// Starts a part without waiting for it; one that runs already stays.
    pub(super) fn launch(&mut self, part: Part, members: &str) -> Result<()> {
        if self.is_running(part) || part == Part::Driver && self.settings.driver == DriverKind::External {
            return Ok(());
        }
        let command = match part {
            Part::Driver => {
                // What a killed driver left must not be taken for the new one's.
                let _ = fs::remove_dir_all(self.aeron_dir());
                self.driver()
            }
            Part::Archive => {
                release_mark_file(&self.archive_dir().join("archive-mark.dat"))?;
                self.archive()
            }
            Part::ConsensusModule => {
                release_mark_file(&self.cluster_dir().join("cluster-mark.dat"))?;
                self.wait_for_removal()?;
                self.consensus_module(members)
            }
        };
        let command = match &self.settings.change_command {
            Some(ChangeCommand(change)) => change(self.id, part, command),
            None => command,
        };
        let name = format!("{part:?} of member {}", self.id);
        self.processes[part as usize] = Some(Process::spawn(name, &command)?);
        Ok(())
    }

    /// Waits until a launched part can be used by the next one.
    pub(super) fn wait_until_ready(&mut self, part: Part) -> Result<()> {
        let what = format!("{part:?} of member {}", self.id);
        wait_until(&what, PATIENCE, || {
            if let Some(process) = self.process(part)
                && !process.is_running()
            {
                return Err(process.failure(ErrorKind::State, "ended while it started"));
            }
            let printed = self.process(part).map_or(0, |process| process.line_count());
            Ok(if self.is_ready(part)? { ControlFlow::Break(()) } else { ControlFlow::Continue(printed) })
        })
    }

    fn is_ready(&self, part: Part) -> Result<bool> {
        let Some(counters) = DriverCounters::open(&self.aeron_dir())? else { return Ok(false) };
        match part {
            Part::Driver => Ok(true),
            Part::Archive => {
                let endpoint = self.endpoint(ARCHIVE);
                let is_control = |counter: &CounterReading| {
                    counter.type_id == type_id::RECEIVE_CHANNEL_STATUS && counter.label.contains(&endpoint)
                };
                Ok(counters.all()?.iter().any(is_control))
            }
            Part::ConsensusModule => Ok(self.counter(type_id::CONSENSUS_MODULE_STATE)?.is_some()),
        }
    }

    /// All counters of the member's driver; none before it has started.
    pub(super) fn counters(&self) -> Result<Vec<CounterReading>> {
        DriverCounters::open(&self.aeron_dir())?.map_or_else(|| Ok(Vec::new()), |counters| counters.all())
    }

    /// The value of the newest counter of a type.
    pub(super) fn counter(&self, type_id: i32) -> Result<Option<i64>> {
        Ok(newest(&self.counters()?, type_id))
    }

    /// A consensus module refuses to start while counters of a killed one are there, which the driver removes in time.
    fn wait_for_removal(&self) -> Result<()> {
        wait_until("the removal of an earlier consensus module's counters", PATIENCE, || {
            let counter = self.counter(type_id::CONSENSUS_MODULE_STATE)?;
            Ok(counter.map_or(ControlFlow::Break(()), ControlFlow::Continue))
        })
    }

    fn address(&self) -> &str {
        let name = self.settings.host_names.get(self.id).map_or("localhost", String::as_str);
        self.host.as_ref().map_or(name, Host::address)
    }

    fn endpoint(&self, port: u16) -> String {
        format!("{}:{}", self.address(), self.ports.port(port))
    }
}

/// The value of the newest counter of a type.
pub(super) fn newest(counters: &[CounterReading], type_id: i32) -> Option<i64> {
    let of_type = counters.iter().filter(|counter| counter.type_id == type_id);
    of_type.max_by_key(|counter| counter.registration_id).map(|counter| counter.value)
}
