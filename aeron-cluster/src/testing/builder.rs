//! The builder of a test cluster.

use std::process::Command;
use std::sync::Arc;

use super::cluster::TestCluster;
use super::hosted::{Configure, Place, Source};
use super::java::Java;
use super::network::Network;
use super::node::{Node, Settings};
use super::parts::{ChangeCommand, DriverKind, Part, Properties};
use crate::service::{ClusteredService, Context};
use crate::{Error, ErrorKind, Result};

/// The most services that a member can have (`ClusteredServiceContainer.Configuration.MAX_SERVICE_COUNT`).
const MAX_SERVICE_COUNT: usize = 10;
/// More would overload any machine: each is three processes.
const MAX_MEMBERS: usize = 9;

/// The builder of a [`TestCluster`].
///
/// Each call of [`service`](Self::service) or [`program`](Self::program) adds one service to every member; service ids
/// count from 0 in the order of the calls.
#[derive(Debug, Clone)]
pub struct Builder {
    members: usize,
    service_count: Option<usize>,
    driver: DriverKind,
    properties: Properties,
    java: Option<Java>,
    sources: Vec<Source>,
    configure: Option<Configure>,
    change_command: Option<ChangeCommand>,
    host_names: Vec<String>,
    is_partitionable: bool,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            members: 1,
            service_count: None,
            driver: DriverKind::C,
            properties: Vec::new(),
            java: None,
            sources: Vec::new(),
            configure: None,
            change_command: None,
            host_names: Vec::new(),
            is_partitionable: false,
        }
    }

    /// Number of members; 1 by default.
    #[must_use]
    pub fn members(mut self, members: usize) -> Self {
        self.members = members;
        self
    }

    /// Adds a service that runs in this process: `make` is called on the thread of each container, at each start.
    ///
    /// Such a service cannot be killed, only closed. For tests with SIGKILL use [`program`](Self::program).
    #[must_use]
    pub fn service<S: ClusteredService + 'static>(
        mut self,
        make: impl Fn(&Place) -> S + Send + Sync + 'static,
    ) -> Self {
        self.sources.push(Source::container(make));
        self
    }

    /// Adds a service that runs as a process of its own. The command must pass the values of [`Place`] to the
    /// program.
    #[must_use]
    pub fn program(mut self, command: impl Fn(&Place) -> Command + Send + Sync + 'static) -> Self {
        self.sources.push(Source::Program(Arc::new(command)));
        self
    }

    /// Changes the settings of the containers in this process. Directories and service id are already set
    /// when it is called.
    #[must_use]
    pub fn container(mut self, configure: impl Fn(&Place, Context) -> Context + Send + Sync + 'static) -> Self {
        self.configure = Some(Configure(Arc::new(configure)));
        self
    }

    /// Number of services on each member, if the test starts some itself. Default: as many as were added here, or 1.
    #[must_use]
    pub fn service_count(mut self, service_count: usize) -> Self {
        self.service_count = Some(service_count);
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

    /// A system property for the servers (drivers, archives and consensus modules), such as `aeron.client.liveness.timeout` or
    /// `aeron.cluster.session.timeout`. The last one with the same name counts, and overrides the harness's own.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes the command of a server each time that one is started, for example to set an environment variable or to run it under another
    /// program. The process of the returned command must become the server (`exec`), since it gets the signals.
    #[must_use]
    pub fn server_command(mut self, change: impl Fn(usize, Part, Command) -> Command + Send + Sync + 'static) -> Self {
        self.change_command = Some(ChangeCommand(Arc::new(change)));
        self
    }

    /// The host names of the members' endpoints, one per member, instead of `localhost`. The test must make the drivers resolve
    /// them, for example with a table of names ([`server_command`](Self::server_command)). That way a relay can be put
    /// between any two members.
    #[must_use]
    pub fn host_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.host_names = names.into_iter().collect();
        self
    }

    /// Gives each member's driver its own network namespace, so that [`TestCluster::partition`] can cut a member
    /// off. Linux only; needs root or user namespaces, and iproute2.
    ///
    /// Clients must then use a driver of the cluster, through [`TestCluster::client_context`] or
    /// [`TestCluster::remote_client_context`]: a driver of the test itself cannot reach the members.
    #[must_use]
    pub fn partitionable(mut self) -> Self {
        self.is_partitionable = true;
        self
    }

    /// Makes directories and reserves ports, and starts nothing yet; see [`TestCluster::start`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] for numbers out of range, [`ErrorKind::State`] if Java or the jar is missing, no
    /// port is free, or the machine allows no network namespaces, [`ErrorKind::Io`].
    pub fn create(self) -> Result<TestCluster> {
        let service_count = self.check()?;
        let network = self.is_partitionable.then(Network::new).transpose()?;
        let settings = Arc::new(Settings {
            service_count,
            driver: self.driver,
            properties: self.properties,
            java: self.java.map_or_else(Java::aeron_all, Ok)?,
            sources: self.sources,
            configure: self.configure,
            change_command: self.change_command,
            host_names: self.host_names,
        });
        let make = |id| {
            let host = network.as_ref().map(|network| network.host(id)).transpose()?;
            Node::new(id, Arc::clone(&settings), host)
        };
        let nodes = (0..self.members).map(make).collect::<Result<Vec<_>>>()?;
        Ok(TestCluster::new(settings, nodes, network))
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

    /// The number of services of each member.
    fn check(&self) -> Result<usize> {
        let invalid = |message| Err(Error::new(ErrorKind::InvalidArgument, message));
        let (made, members) = (self.sources.len(), self.members);
        let service_count = self.service_count.unwrap_or(made.max(1));
        if !(1..=MAX_MEMBERS).contains(&members) {
            return invalid(format!("a test cluster has 1 to {MAX_MEMBERS} members, not {members}"));
        }
        if !(1..=MAX_SERVICE_COUNT).contains(&service_count) {
            return invalid(format!("a member has 1 to {MAX_SERVICE_COUNT} services, not {service_count}"));
        }
        if service_count < made {
            return invalid(format!("the service count is {service_count}, but {made} services are given"));
        }
        if !self.host_names.is_empty() && self.host_names.len() != members {
            return invalid(format!("{} host names are given for {members} members", self.host_names.len()));
        }
        if self.is_partitionable && self.driver == DriverKind::External {
            return invalid("drivers that the test runs cannot be partitioned: use those of the cluster".to_owned());
        }
        Ok(service_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: Builder) -> String {
        let error = builder.create().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.message().to_owned()
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        assert!(refused(TestCluster::builder().members(0)).contains("not 0"));
        assert!(refused(TestCluster::builder().members(10)).contains("not 10"));
        assert!(refused(TestCluster::builder().service_count(0)).contains("not 0"));
        assert!(refused(TestCluster::builder().service_count(11)).contains("not 11"));
        let program = |_: &Place| Command::new("true");
        let two = TestCluster::builder().program(program).program(program);
        assert_eq!(two.check().unwrap(), 2);
        assert_eq!(two.clone().service_count(3).check().unwrap(), 3);
        assert!(refused(two.service_count(1)).contains("2 services are given"));
        assert!(refused(TestCluster::builder().host_names(["a".to_owned(), "b".to_owned()])).contains("2 host names"));
        assert!(refused(TestCluster::builder().driver(DriverKind::External).partitionable()).contains("partitioned"));
    }
}
