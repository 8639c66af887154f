//! The driver of clients that are on no member's machine.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::cluster::TestCluster;
use super::counters::DriverCounters;
use super::dirs::WorkDir;
use super::network::Host;
use super::node::Settings;
use super::parts::c_driver;
use super::patience::{PATIENCE, wait_until};
use super::processes::Process;
use crate::client::Context;
use crate::{ErrorKind, Result};

/// A C driver without a member.
#[derive(Debug)]
pub(super) struct RemoteDriver {
    process: Option<Process>,
    host: Option<Host>,
    dir: WorkDir,
}

impl RemoteDriver {
    fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("aeron")
    }

    fn start(&mut self, settings: &Settings) -> Result<()> {
        if self.process.as_mut().is_some_and(Process::is_running) {
            return Ok(());
        }
        let aeron_dir = self.aeron_dir();
        // What a killed driver left must not be taken for the new one's.
        let _ = fs::remove_dir_all(&aeron_dir);
        let mut command = c_driver(&aeron_dir, settings);
        if let Some(host) = &self.host {
            command = host.enter(&command);
        }
        let process = self.process.insert(Process::spawn("Driver of the clients", &command)?);
        wait_until("the driver of the clients", PATIENCE, || {
            if !process.is_running() {
                return Err(process.failure(ErrorKind::State, "ended while it started"));
            }
            let is_up = DriverCounters::open(&aeron_dir)?.is_some();
            Ok(if is_up { ControlFlow::Break(()) } else { ControlFlow::Continue(process.line_count()) })
        })
    }
}

impl TestCluster {
    /// The settings of a client on a member's driver: it is lost with the member. Waits for connections and new leaders have
    /// [`PATIENCE`].
    pub fn client_context(&self, member: usize) -> Context {
        let node = &self.nodes[member];
        self.context().aeron_dir(node.aeron_dir()).egress_channel(node.any_port())
    }

    /// The settings of a client on a machine of its own, which no member's end takes with it. Starts its driver if it does
    /// not run.
    ///
    /// # Errors
    ///
    /// When the driver does not start.
    pub fn remote_client_context(&mut self) -> Result<Context> {
        let mut remote = match self.remote.take() {
            Some(remote) => remote,
            None => {
                let host = self.network.as_ref().map(|network| network.host(self.nodes.len())).transpose()?;
                RemoteDriver { process: None, host, dir: WorkDir::new()? }
            }
        };
        let started = remote.start(&self.settings);
        let address = remote.host.as_ref().map_or("localhost", Host::address);
        let egress = format!("aeron:udp?endpoint={address}:0");
        let context = self.context().aeron_dir(remote.aeron_dir()).egress_channel(egress);
        self.remote = Some(remote);
        started.map(|()| context)
    }

    /// Kills the driver of [`remote_client_context`](Self::remote_client_context) with SIGKILL; that starts it again, in the same
    /// directory.
    pub fn kill_remote_driver(&mut self) {
        if let Some(process) = self.remote.as_mut().and_then(|remote| remote.process.as_mut()) {
            process.kill();
        }
    }

    fn context(&self) -> Context {
        Context::new()
            .ingress_channel("aeron:udp?term-length=64k")
            .ingress_endpoints(self.ingress_endpoints())
            .message_timeout(PATIENCE)
            .new_leader_timeout(PATIENCE)
    }
}
