//! One member of a test cluster: its driver, archive and consensus module, their directories and ports.

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::counters::{CncFile, CounterView, type_id};
use super::dirs::WorkDir;
use super::java::Java;
use super::patience::{PATIENCE, wait_until};
use super::ports::PortBlock;
use super::processes::Process;
use crate::{Error, ErrorKind, Result};

/// Which media driver the members run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// The C driver `aeronmd`, a child process.
    C,
    /// The Java driver of the aeron-all jar, a child process.
    Java,
    /// None: the test runs one, such as an embedded one, on [`TestCluster::aeron_dir`](super::TestCluster::aeron_dir).
    External,
}

/// A server process of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The media driver.
    Driver,
    /// The archive server.
    Archive,
    /// The consensus module.
    ConsensusModule,
}

impl Part {
    pub(super) const ALL: [Part; 3] = [Part::Driver, Part::Archive, Part::ConsensusModule];
}

const INGRESS: u16 = 0;
const CONSENSUS: u16 = 1;
const LOG: u16 = 2;
const CATCHUP: u16 = 3;
const ARCHIVE: u16 = 4;

/// Where both kinds of mark files keep the time of the last activity, and what an orderly end writes there.
const MARK_FILE_ACTIVITY_OFFSET: u64 = 16;
const MARK_FILE_INACTIVE: i64 = -1;

/// Holds for all drivers and clients here: small and sparse buffers.
const DRIVER_PROPERTIES: [(&str, &str); 8] = [
    ("aeron.client.liveness.timeout", "5s"),
    ("aeron.threading.mode", "SHARED"),
    ("aeron.term.buffer.sparse.file", "true"),
    ("aeron.term.buffer.length", "1m"),
    ("aeron.ipc.term.buffer.length", "1m"),
    ("aeron.dir.delete.on.start", "true"),
    ("aeron.shared.idle.strategy", "backoff"),
    ("aeron.sharedIdleStrategy", "org.agrona.concurrent.BackoffIdleStrategy"),
];

type Properties = Vec<(String, String)>;

/// What all members have in common.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) service_count: usize,
    pub(super) driver: DriverKind,
    pub(super) properties: Properties,
    pub(super) java: Java,
}

#[derive(Debug)]
pub(super) struct Node {
    id: usize,
    settings: Arc<Settings>,
    ports: PortBlock,
    dir: WorkDir,
    /// By [`Part`].
    processes: [Option<Process>; 3],
}

impl Node {
    pub(super) fn new(id: usize, settings: Arc<Settings>) -> Result<Node> {
        let (dir, ports) = (WorkDir::new()?, PortBlock::reserve()?);
        Ok(Node { id, settings, ports, dir, processes: [None, None, None] })
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
        let Some(cnc) = CncFile::open(&self.aeron_dir())? else { return Ok(false) };
        match part {
            Part::Driver => Ok(true),
            Part::Archive => {
                let endpoint = self.endpoint(ARCHIVE);
                let is_control = |counter: &CounterView| {
                    counter.type_id == type_id::RECEIVE_CHANNEL_STATUS && counter.label.contains(&endpoint)
                };
                Ok(cnc.counters()?.iter().any(is_control))
            }
            Part::ConsensusModule => Ok(self.counter(type_id::CONSENSUS_MODULE_STATE)?.is_some()),
        }
    }

    /// The value of the newest counter of a type.
    pub(super) fn counter(&self, type_id: i32) -> Result<Option<i64>> {
        let Some(cnc) = CncFile::open(&self.aeron_dir())? else { return Ok(None) };
        let counters = cnc.counters()?.into_iter().filter(|counter| counter.type_id == type_id);
        Ok(counters.max_by_key(|counter| counter.registration_id).map(|counter| counter.value))
    }

    /// A consensus module refuses to start while counters of a killed one are there, which the driver removes in time.
    fn wait_for_removal(&self) -> Result<()> {
        wait_until("the removal of an earlier consensus module's counters", PATIENCE, || {
            let counter = self.counter(type_id::CONSENSUS_MODULE_STATE)?;
            Ok(counter.map_or(ControlFlow::Break(()), ControlFlow::Continue))
        })
    }

    fn endpoint(&self, port: u16) -> String {
        format!("localhost:{}", self.ports.port(port))
    }

    fn driver(&self) -> Command {
        let mut properties = pairs(&DRIVER_PROPERTIES);
        properties.push(pair("aeron.dir", self.aeron_dir().display()));
        if self.settings.driver == DriverKind::Java {
            return self.settings.java.command("io.aeron.driver.MediaDriver", properties);
        }
        let mut command = Command::new(aeron_sys::AERONMD_PATH);
        command.args(properties.iter().map(|(name, value)| format!("-D{name}={value}")));
        command
    }

    fn archive(&self) -> Command {
        let mut properties = pairs(&[
            ("aeron.archive.threading.mode", "SHARED"),
            ("aeron.archive.segment.file.length", "1m"),
            ("aeron.archive.recording.events.enabled", "false"),
            ("aeron.archive.replication.channel", "aeron:udp?endpoint=localhost:0"),
            ("aeron.archive.idle.strategy", "org.agrona.concurrent.BackoffIdleStrategy"),
        ]);
        properties.push(pair("aeron.dir", self.aeron_dir().display()));
        properties.push(pair("aeron.archive.dir", self.archive_dir().display()));
        let control = format!("aeron:udp?endpoint={}", self.endpoint(ARCHIVE));
        properties.push(pair("aeron.archive.control.channel", control));
        properties.extend(self.settings.properties.iter().cloned());
        self.settings.java.command("io.aeron.archive.Archive", properties)
    }

    fn consensus_module(&self, members: &str) -> Command {
        let mut properties = pairs(&[
            ("aeron.cluster.ingress.channel", "aeron:udp?term-length=64k"),
            ("aeron.cluster.log.channel", "aeron:udp?term-length=512k"),
            ("aeron.cluster.replication.channel", "aeron:udp?endpoint=localhost:0"),
            ("aeron.cluster.startup.canvass.timeout", "8s"),
            ("aeron.cluster.leader.heartbeat.timeout", "4s"),
            ("aeron.archive.control.channel", "aeron:ipc"),
        ]);
        properties.push(pair("aeron.dir", self.aeron_dir().display()));
        properties.push(pair("aeron.cluster.dir", self.cluster_dir().display()));
        properties.push(pair("aeron.cluster.member.id", self.id));
        properties.push(pair("aeron.cluster.members", members));
        properties.push(pair("aeron.cluster.service.count", self.settings.service_count));
        properties.extend(self.settings.properties.iter().cloned());
        self.settings.java.command("io.aeron.cluster.ConsensusModule", properties)
    }
}

fn pair(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn pairs(properties: &[(&str, &str)]) -> Properties {
    properties.iter().map(|(name, value)| pair(name, value)).collect()
}

/// The mark file of a killed process locks its successor out for ten seconds. The caller knows that the process is gone,
/// so it writes what the process would have written at its end.
fn release_mark_file(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path);
    let written = file.and_then(|file| file.write_all_at(&MARK_FILE_INACTIVE.to_le_bytes(), MARK_FILE_ACTIVITY_OFFSET));
    written.map_err(|error| Error::from(error).context(path.display()))
}
