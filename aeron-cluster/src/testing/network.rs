//! Networks of a test's own: each host is a network namespace, joined to the others by a cable that can be pulled.
//!
//! The namespaces belong to processes of the test and vanish with them. Nothing outside of them is touched: cables are made
//! within, and the addresses mean nothing elsewhere.

use std::process::Command;
use std::sync::Arc;

use super::patience::PATIENCE;
use super::processes::Process;
use crate::{Error, ErrorKind, Result};

/// The switch, in the namespace that all cables lead to.
const SWITCH: &str = "switch";
/// The end of the cable at a host.
const CARD: &str = "eth0";
const READY: &str = "ready";

/// A network of hosts on one switch.
#[derive(Debug)]
pub(super) struct Network {
    /// Holds the namespace of the switch, and above it one of users where the test may not make the other without.
    switch: Process,
    is_of_user: bool,
}

impl Network {
    /// # Errors
    ///
    /// [`ErrorKind::State`] with the remedy where the machine does not allow it.
    pub(super) fn new() -> Result<Arc<Network>> {
        if !cfg!(target_os = "linux") {
            return Err(refused("it has no network namespaces"));
        }
        let as_root = Self::with_user_namespace(false);
        as_root.or_else(|_| Self::with_user_namespace(true)).map(Arc::new).map_err(|error| refused(error.message()))
    }

    fn with_user_namespace(is_of_user: bool) -> Result<Network> {
        let mut command = Command::new("unshare");
        if is_of_user {
            command.args(["--user", "--map-root-user"]);
        }
        let script = format!("ip link add name {SWITCH} type bridge && ip link set dev {SWITCH} up");
        hold(command.arg("--net"), &script);
        let switch = Process::spawn("the namespace of a network", &command)?;
        switch.wait_for_line(READY, PATIENCE)?;
        Ok(Network { switch, is_of_user })
    }

    /// Adds a host, with number `id` below 250.
    pub(super) fn host(self: &Arc<Self>, id: usize) -> Result<Host> {
        let mut command = self.enter(None);
        hold(command.args(["--", "unshare", "--net"]), "ip link set dev lo up");
        let namespace = Process::spawn(format!("the namespace of host {id}"), &command)?;
        namespace.wait_for_line(READY, PATIENCE)?;
        let host = Host {
            address: format!("10.77.0.{}", id + 1),
            cable: format!("host{id}"),
            is_plugged: true,
            namespace,
            network: self.clone(),
        };
        let pid = host.namespace.id().to_string();
        let cable = host.cable.as_str();
        self.ip(
            self.switch.id(),
            &["link", "add", "name", cable, "type", "veth", "peer", "name", CARD, "netns", &pid],
        )?;
        self.ip(self.switch.id(), &["link", "set", "dev", cable, "master", SWITCH, "up"])?;
        let address = format!("{}/24", host.address);
        self.ip(host.namespace.id(), &["address", "add", &address, "dev", CARD])?;
        self.ip(host.namespace.id(), &["link", "set", "dev", CARD, "up"])?;
        Ok(host)
    }

    /// A command that enters the user namespace, and the network namespace of a process; a program is to be added.
    fn enter(&self, network_of: Option<u32>) -> Command {
        let mut command = Command::new("nsenter");
        if self.is_of_user {
            command.arg(format!("--user=/proc/{}/ns/user", self.switch.id())).arg("--preserve-credentials");
        }
        if let Some(pid) = network_of {
            command.arg(format!("--net=/proc/{pid}/ns/net"));
        }
        command
    }

    fn ip(&self, network_of: u32, arguments: &[&str]) -> Result<()> {
        let output = self.enter(Some(network_of)).args(["--", "ip"]).args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(refused(&format!("ip {}: {}", arguments.join(" "), words.trim())))
    }
}

/// Lets a command run `script`, say that it is ready, and stay. Entering a namespace may undo what ties a process to its
/// parent, so it is tied again.
fn hold(command: &mut Command, script: &str) {
    command.args(["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c"]);
    command.arg(format!("{script} && echo {READY} && exec sleep infinity"));
}

fn refused(why: &str) -> Error {
    let remedy = "run the test as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces \
                  (in a container: --privileged), and have iproute2 installed (./ci/setup tests does)";
    Error::new(ErrorKind::State, format!("this machine allows no network namespaces; {remedy}: {why}"))
}

/// A host of a [`Network`]; it is gone when dropped.
#[derive(Debug)]
pub(super) struct Host {
    address: String,
    cable: String,
    is_plugged: bool,
    namespace: Process,
    network: Arc<Network>,
}

impl Host {
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The same program, on this host.
    pub(super) fn enter(&self, command: &Command) -> Command {
        let mut inside = self.network.enter(Some(self.namespace.id()));
        inside.args(["--", "setpriv", "--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        inside
    }

    /// Pulls the cable, so that what is sent is lost in both directions, or puts it back.
    pub(super) fn set_plugged(&mut self, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        self.network.ip(self.network.switch.id(), &["link", "set", "dev", &self.cable, state])?;
        self.is_plugged = plugged;
        Ok(())
    }

    pub(super) fn is_plugged(&self) -> bool {
        self.is_plugged
    }
}
