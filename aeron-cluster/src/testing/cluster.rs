//! A test cluster as a whole: how it starts and ends, and where its parts are.

use std::path::PathBuf;
use std::sync::Arc;

use super::builder::Builder;
use super::network::Network;
use super::node::{Node, Settings};
use super::parts::Part;
use super::patience::PATIENCE;
use super::remote::RemoteDriver;
use crate::{Error, ErrorKind, Result};

/// Where clients of a test receive: any free port on loopback.
const EGRESS_CHANNEL: &str = "aeron:udp?endpoint=localhost:0";

/// A running cluster of real members.
///
/// Members are numbered from 0. Dropping it ends all of its services and processes and removes its directories; clients may
/// go before or after it. Methods that take a number of a member panic if there is no such member, unless they can
/// return an error.
#[derive(Debug)]
pub struct TestCluster {
    pub(super) settings: Arc<Settings>,
    pub(super) nodes: Vec<Node>,
    /// The driver of clients that are on no member's machine.
    pub(super) remote: Option<RemoteDriver>,
    pub(super) network: Option<Arc<Network>>,
}

impl TestCluster {
    /// A cluster of one member with the C driver and one service, unless told otherwise.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn new(settings: Arc<Settings>, nodes: Vec<Node>, network: Option<Arc<Network>>) -> TestCluster {
        TestCluster { settings, nodes, remote: None, network }
    }

    /// Starts whatever is not running: all drivers, then all archives, all consensus modules and all services. Blocks until they
    /// are up and there is a leader that all members follow.
    ///
    /// A cluster that was stopped, terminated or killed continues from its saved state. If the test starts services itself,
    /// there is no leader until it has done so, and this does not wait for one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] with the output of a part that ended, [`ErrorKind::Timeout`] naming a part that does not come
    /// up, and any error of starting a service.
    pub fn start(&mut self) -> Result<()> {
        let members = self.members();
        for part in Part::ALL {
            self.nodes.iter_mut().try_for_each(|node| node.launch(part, &members))?;
            self.nodes.iter_mut().try_for_each(|node| node.wait_until_ready(part))?;
        }
        self.nodes.iter_mut().try_for_each(Node::start_services)?;
        if self.settings.sources.len() == self.settings.service_count {
            self.wait_for_leader()?;
            self.wait_for_members()?;
        }
        Ok(())
    }

    /// Sets a system property for servers started from now on; [`Builder::property`]
    /// sets one from the beginning. For tests of a cluster that restarts with other settings.
    pub fn set_property(&mut self, name: &str, value: &str) {
        let mut settings = Settings::clone(&self.settings);
        settings.properties.push((name.to_owned(), value.to_owned()));
        self.settings = Arc::new(settings);
        for node in &mut self.nodes {
            node.settings = Arc::clone(&self.settings);
        }
    }

    /// Takes a snapshot, terminates the cluster cleanly, services included, and stops archives and drivers.
    ///
    /// # Errors
    ///
    /// When a part does not end, or a service of the cluster ends with an error.
    pub fn shutdown(&mut self) -> Result<()> {
        self.terminate("shutdown")
    }

    /// Terminates the cluster cleanly without a snapshot, services included, and stops archives and drivers.
    ///
    /// # Errors
    ///
    /// As [`shutdown`](Self::shutdown).
    pub fn abort(&mut self) -> Result<()> {
        self.terminate("abort")
    }

    /// Stops consensus modules with SIGTERM, then services, then archives and drivers.
    ///
    /// # Errors
    ///
    /// When a part does not end, or a service of the cluster ends with an error.
    pub fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.stop_part(Part::ConsensusModule))?;
        self.nodes.iter_mut().try_for_each(Node::stop)
    }

    /// Takes a snapshot on every member and returns when the consensus module and the services of the leader have it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] with ClusterTool's output.
    pub fn snapshot(&mut self) -> Result<()> {
        let leader = self.wait_for_leader()?;
        self.cluster_tool(leader, &["snapshot"]).map(drop)
    }

    fn terminate(&mut self, how: &str) -> Result<()> {
        let leader = self.wait_for_leader()?;
        self.cluster_tool(leader, &[how])?;
        for node in &mut self.nodes {
            if let Some(process) = node.process(Part::ConsensusModule) {
                process.wait(PATIENCE)?;
            }
            node.services().iter_mut().try_for_each(|service| service.wait_for_end())?;
        }
        self.stop()
    }

    /// The list that clients connect with: `0=localhost:10000,1=…`.
    pub fn ingress_endpoints(&self) -> String {
        let endpoint = |(id, node): (usize, &Node)| format!("{id}={}", node.ingress_endpoint());
        self.nodes.iter().enumerate().map(endpoint).collect::<Vec<_>>().join(",")
    }

    /// A channel on which a client of this cluster can receive, if the cluster is not
    /// [partitionable](Builder::partitionable).
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

    pub(super) fn members(&self) -> String {
        self.nodes.iter().map(Node::member).collect::<Vec<_>>().join("|")
    }

    pub(super) fn node(&mut self, member: usize) -> Result<&mut Node> {
        let count = self.nodes.len();
        self.nodes.get_mut(member).ok_or_else(|| {
            let message = format!("the cluster has {count} members, there is no member {member}");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}
