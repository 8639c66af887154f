//! The server processes of a member, and the commands that run them.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::node::{Node, Settings};
use crate::{Error, Result};

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

pub(super) type Properties = Vec<(String, String)>;

type Change = dyn Fn(usize, Part, Command) -> Command + Send + Sync;

/// Changes the command of a server of a member.
#[derive(Clone)]
pub(super) struct ChangeCommand(pub(super) Arc<Change>);

impl fmt::Debug for ChangeCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeCommand")
    }
}

/// Where both kinds of mark files keep the time of the last activity, and what an orderly end writes there.
const MARK_FILE_ACTIVITY_OFFSET: u64 = 16;
const MARK_FILE_INACTIVE: i64 = -1;

/// Holds for all drivers and clients here: small and sparse buffers.
const DRIVER_PROPERTIES: [(&str, &str); 7] = [
    ("aeron.threading.mode", "SHARED"),
    ("aeron.term.buffer.sparse.file", "true"),
    ("aeron.term.buffer.length", "1m"),
    ("aeron.ipc.term.buffer.length", "1m"),
    ("aeron.dir.delete.on.start", "true"),
    ("aeron.shared.idle.strategy", "backoff"),
    ("aeron.sharedIdleStrategy", "org.agrona.concurrent.BackoffIdleStrategy"),
];

/// The C driver, as a child process.
pub(super) fn c_driver(aeron_dir: &Path, settings: &Settings) -> Command {
    let mut command = Command::new(aeron_sys::AERONMD_PATH);
    command.args(driver_properties(aeron_dir, settings).iter().map(|(name, value)| format!("-D{name}={value}")));
    command
}

fn driver_properties(aeron_dir: &Path, settings: &Settings) -> Properties {
    let mut properties = pairs(&DRIVER_PROPERTIES);
    properties.push(pair("aeron.dir", aeron_dir.display()));
    properties.extend(settings.properties.iter().cloned());
    properties
}

impl Node {
    pub(super) fn driver(&self) -> Command {
        let command = match self.settings.driver {
            DriverKind::Java => {
                let properties = driver_properties(&self.aeron_dir(), &self.settings);
                self.settings.java.command("io.aeron.driver.MediaDriver", properties)
            }
            DriverKind::C | DriverKind::External => c_driver(&self.aeron_dir(), &self.settings),
        };
        match &self.host {
            // The only process of a member that opens sockets.
            Some(host) => host.enter(&command),
            None => command,
        }
    }

    pub(super) fn archive(&self) -> Command {
        let mut properties = pairs(&[
            ("aeron.archive.threading.mode", "SHARED"),
            ("aeron.archive.segment.file.length", "1m"),
            ("aeron.archive.recording.events.enabled", "false"),
            ("aeron.archive.idle.strategy", "org.agrona.concurrent.BackoffIdleStrategy"),
        ]);
        properties.push(pair("aeron.dir", self.aeron_dir().display()));
        properties.push(pair("aeron.archive.dir", self.archive_dir().display()));
        properties.push(pair("aeron.archive.replication.channel", self.any_port()));
        let control = format!("aeron:udp?endpoint={}", self.archive_endpoint());
        properties.push(pair("aeron.archive.control.channel", control));
        properties.extend(self.settings.properties.iter().cloned());
        self.settings.java.command("io.aeron.archive.Archive", properties)
    }

    pub(super) fn consensus_module(&self, members: &str) -> Command {
        let mut properties = pairs(&[
            ("aeron.cluster.ingress.channel", "aeron:udp?term-length=64k"),
            ("aeron.cluster.log.channel", "aeron:udp?term-length=512k"),
            ("aeron.cluster.startup.canvass.timeout", "8s"),
            ("aeron.cluster.leader.heartbeat.timeout", "4s"),
            // A client on a loaded machine may be silent for longer than the default of ten seconds.
            ("aeron.cluster.session.timeout", "30s"),
            ("aeron.archive.control.channel", "aeron:ipc"),
        ]);
        properties.push(pair("aeron.dir", self.aeron_dir().display()));
        properties.push(pair("aeron.cluster.dir", self.cluster_dir().display()));
        properties.push(pair("aeron.cluster.member.id", self.id));
        properties.push(pair("aeron.cluster.members", members));
        properties.push(pair("aeron.cluster.replication.channel", self.any_port()));
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
pub(super) fn release_mark_file(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path);
    let written = file.and_then(|file| file.write_all_at(&MARK_FILE_INACTIVE.to_le_bytes(), MARK_FILE_ACTIVITY_OFFSET));
    written.map_err(|error| Error::from(error).context(path.display()))
}
