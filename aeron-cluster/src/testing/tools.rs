//! The official programs on a test cluster.

use std::ffi::OsString;

use super::cluster::TestCluster;
use super::java::Java;
use super::patience::PATIENCE;
use super::processes::Process;
use crate::Result;

impl TestCluster {
    /// Runs `io.aeron.cluster.ClusterTool` on a member, such as `&["snapshot"]`, `&["describe"]`, `&["errors"]` or
    /// `&["recording-log"]`, blocks until it is done and returns what it printed.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::State`] with its output when it fails.
    pub fn cluster_tool(&self, member: usize, arguments: &[&str]) -> Result<String> {
        let mut tool = self.start_cluster_tool(member, arguments)?;
        tool.wait_for_success(PATIENCE)?;
        Ok(tool.lines().join("\n"))
    }

    /// [`cluster_tool`](Self::cluster_tool) without waiting for its end: for what is to be disturbed.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`].
    pub fn start_cluster_tool(&self, member: usize, arguments: &[&str]) -> Result<Process> {
        let properties = [("aeron.dir", self.aeron_dir(member))];
        let mut command = self.settings.java.command("io.aeron.cluster.ClusterTool", properties);
        command.arg(self.cluster_dir(member)).args(arguments);
        Process::spawn(format!("ClusterTool {}", arguments.join(" ")), &command)
    }

    /// Starts one of our Java services (`EchoService`, `CounterService`) as a service of a member.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`].
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
    /// [`crate::ErrorKind::Io`].
    pub fn start_java_client(&self, member: usize, java: &Java, properties: &[(&str, &str)]) -> Result<Process> {
        let mut all: Vec<(&str, OsString)> = vec![
            ("aeron.dir", self.aeron_dir(member).into_os_string()),
            ("aeron.cluster.ingress.channel", "aeron:udp".into()),
            ("aeron.cluster.ingress.endpoints", self.ingress_endpoints().into()),
            ("aeron.cluster.egress.channel", self.nodes[member].any_port().into()),
        ];
        all.extend(properties.iter().map(|(name, value)| (*name, value.into())));
        Process::spawn("EchoClient", &java.command("EchoClient", all))
    }
}
