//! What a test does to the members of its cluster, and to their parts and services.

use super::cluster::TestCluster;
use super::parts::Part;
use super::processes::Process;
use crate::{Error, ErrorKind, Result};

impl TestCluster {
    /// Starts a member, services included, and blocks until its servers are up. It continues from the state in its
    /// directories; [`wait_for_members`](Self::wait_for_members) waits until it has joined the others.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_member(&mut self, member: usize) -> Result<()> {
        for part in Part::ALL {
            self.start_part(member, part)?;
        }
        self.node(member)?.start_services()
    }

    /// Stops a member cleanly: the consensus module with SIGTERM, then its services, the archive and the driver.
    ///
    /// # Errors
    ///
    /// When a part does not end, or a service of the cluster ends with an error.
    pub fn stop_member(&mut self, member: usize) -> Result<()> {
        self.node(member)?.stop()
    }

    /// Kills all processes of a member with SIGKILL, as when its machine fails. Services in this process cannot be
    /// killed: they are closed after the other processes and before the driver. Services that the test started itself are left to it.
    ///
    /// A consensus module killed alone looks alive to clients for ten seconds more, until the driver gives up on it: a
    /// client may try to connect to it and time out.
    pub fn kill_member(&mut self, member: usize) {
        self.nodes[member].kill();
    }

    /// Removes the archive and the cluster directory of a member that is not running: it restarts empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] naming the part that still runs, [`ErrorKind::Io`].
    pub fn wipe_member(&mut self, member: usize) -> Result<()> {
        self.node(member)?.wipe()
    }

    /// Cuts a member off: nothing that its driver sends arrives anywhere, and nothing arrives at it. What is on the member
    /// itself goes on, also clients on its driver.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] for a cluster that is not [partitionable](super::Builder::partitionable).
    pub fn partition(&mut self, member: usize) -> Result<()> {
        self.set_partitioned(member, true)
    }

    /// Ends a member's partition.
    ///
    /// # Errors
    ///
    /// As [`partition`](Self::partition).
    pub fn heal(&mut self, member: usize) -> Result<()> {
        self.set_partitioned(member, false)
    }

    fn set_partitioned(&mut self, member: usize, partitioned: bool) -> Result<()> {
        let host = self.node(member)?.host.as_mut().ok_or_else(|| {
            Error::new(ErrorKind::State, "members cannot be cut off: build the cluster with partitionable()")
        })?;
        host.set_plugged(!partitioned)
    }

    /// Starts one server of a member that does not run, and blocks until it is up.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_part(&mut self, member: usize, part: Part) -> Result<()> {
        let members = self.members();
        let node = self.node(member)?;
        node.launch(part, &members)?;
        node.wait_until_ready(part)
    }

    /// Stops one server of a member with SIGTERM and blocks until it has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] when it does not end; it is killed then.
    pub fn stop_part(&mut self, member: usize, part: Part) -> Result<()> {
        self.node(member)?.stop_part(part)
    }

    /// Kills a server of a member with SIGKILL.
    pub fn kill(&mut self, member: usize, part: Part) {
        if let Some(process) = self.process(member, part) {
            process.kill();
        }
    }

    /// The process of a server, to look at its output, stop it or kill it; `None` before it was started, and for an
    /// external driver.
    pub fn process(&mut self, member: usize, part: Part) -> Option<&mut Process> {
        self.nodes[member].process(part)
    }

    /// Starts a service of the cluster that is not running.
    ///
    /// # Errors
    ///
    /// What its container says, or [`ErrorKind::Io`] for a program; [`ErrorKind::InvalidArgument`] if the cluster makes no
    /// such service.
    pub fn start_service(&mut self, member: usize, service_id: usize) -> Result<()> {
        self.node(member)?.start_service(service_id)
    }

    /// Stops a service of the cluster cleanly: closes its container, or sends SIGTERM to its program. Its consensus module
    /// ends with it.
    ///
    /// # Errors
    ///
    /// When it does not end; what went wrong in its container.
    pub fn stop_service(&mut self, member: usize, service_id: usize) -> Result<()> {
        self.node(member)?.service(service_id)?.stop()
    }

    /// Kills the program of a service with SIGKILL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] for a service in this process, which cannot be killed, and for one that was not started.
    pub fn kill_service(&mut self, member: usize, service_id: usize) -> Result<()> {
        let service = self.node(member)?.service(service_id)?;
        if service.process().is_none() {
            let message = format!(
                "service {service_id} of member {member} is no process that runs: only one made by \
                 Builder::program can be killed"
            );
            return Err(Error::new(ErrorKind::State, message));
        }
        service.kill();
        Ok(())
    }

    /// The process of a service; `None` for one in this process, and before it was started.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] if the cluster makes no such service.
    pub fn service_process(&mut self, member: usize, service_id: usize) -> Result<Option<&mut Process>> {
        Ok(self.node(member)?.service(service_id)?.process())
    }

    /// Blocks until a service of the cluster has ended by itself. One that is not running counts as ended.
    ///
    /// # Errors
    ///
    /// The error that ended it, unless it ended cleanly; [`ErrorKind::Timeout`] when it keeps running.
    pub fn wait_for_service_end(&mut self, member: usize, service_id: usize) -> Result<()> {
        self.node(member)?.service(service_id)?.wait_for_end()
    }
}
