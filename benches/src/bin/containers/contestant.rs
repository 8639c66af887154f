//! The containers that are measured, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use aeron_cluster::testing::{Java, Process};
use anyhow::{Context as _, Result, ensure};

use crate::example;

pub const RUST: &str = "Rust";
pub const JAVA: &str = "Java";
/// Not a container, but loops that do a part of its work.
pub const C: &str = "C";

/// A container with an echo service, as a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Rust,
    Java,
    Program(PathBuf),
}

/// The idle strategy of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    Backoff,
    Spin,
}

/// The node that a service belongs to.
#[derive(Debug, Clone)]
pub struct Place {
    pub aeron_dir: PathBuf,
    pub cluster_dir: PathBuf,
}

impl Contestant {
    pub fn rust() -> Self {
        Contestant { name: RUST.to_owned(), kind: Kind::Rust }
    }

    pub fn java() -> Self {
        Contestant { name: JAVA.to_owned(), kind: Kind::Java }
    }

    /// Whether it is neither the Rust container nor Java's.
    pub fn is_other(&self) -> bool {
        matches!(self.kind, Kind::Program(_))
    }

    /// Starts it as the only service of a node.
    pub fn start(&self, place: &Place, idle: Idle, java: &Java) -> Result<Process> {
        // The mark file of the container before: another one may not see that it is outdated, and wait.
        let mark_file = place.cluster_dir.join("cluster-mark-service-0.dat");
        if mark_file.exists() {
            std::fs::remove_file(&mark_file).with_context(|| mark_file.display().to_string())?;
        }
        Ok(Process::spawn(&self.name, &self.command(place, idle, java)?)?)
    }

    fn command(&self, place: &Place, idle: Idle, java: &Java) -> Result<Command> {
        let Place { aeron_dir, cluster_dir } = place;
        let is_spinning = idle == Idle::Spin;
        let idle = if is_spinning { "spin" } else { "backoff" };
        Ok(match &self.kind {
            Kind::Rust => {
                let mut command = Command::new(example("echo_service")?);
                command.arg("--aeron-dir").arg(aeron_dir).arg("--cluster-dir").arg(cluster_dir).args(["--idle", idle]);
                command
            }
            Kind::Java => {
                let idle = if is_spinning { "BusySpinIdleStrategy" } else { "BackoffIdleStrategy" };
                let properties = [
                    ("aeron.dir", aeron_dir.into()),
                    ("aeron.cluster.dir", cluster_dir.into()),
                    ("aeron.cluster.idle.strategy", format!("org.agrona.concurrent.{idle}").into()),
                ];
                java.command::<_, std::ffi::OsString>("EchoService", properties)
            }
            Kind::Program(program) => {
                let mut command = Command::new(program);
                command.env("AERON_DIR", aeron_dir).env("CLUSTER_DIR", cluster_dir).env("IDLE", idle);
                command
            }
        })
    }
}

impl FromStr for Contestant {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, program) = text.split_once('=').context("write NAME=PROGRAM")?;
        let is_taken = [RUST, JAVA, C, ""].contains(&name);
        ensure!(!is_taken, "{name:?} is no name for a container here: choose another");
        let program = Path::new(program);
        ensure!(program.is_file(), "there is no program {}", program.display());
        let program = program.canonicalize()?;
        Ok(Contestant { name: name.to_owned(), kind: Kind::Program(program) })
    }
}
