//! Packets that come twice or out of order: a relay stands between any two drivers. Each driver has a table of names, in which its own name leads
//! to itself and every other to the relay; so log, catch-up, archives, ingress and egress all pass it.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use aeron_cluster::client::Context;
use aeron_cluster::testing::{Part, PortBlock, TestCluster};
use anyhow::{Context as _, Result, ensure};

use crate::fault::Disorder;
use crate::loaded::{MEMBERS, replicas};
use crate::losses::ClientDriver;
use crate::random::Random;
use crate::relay::{Rates, Relay, Route};
use crate::rig::{Extra, Rig, impatient};

/// The number of the clients' host, after the members.
const CLIENT: usize = MEMBERS;
/// Ports of a member that have a purpose; the driver chooses among the others where none is given.
const FIXED_PORTS: u16 = 5;

/// What stands between the drivers. Fields end in this order.
pub struct Wiring {
    driver: ClientDriver,
    relay: Relay,
    ports: PortBlock,
}

impl Wiring {
    pub fn client_context(&self, cluster: &TestCluster) -> Context {
        self.driver.context(cluster).egress_channel(format!(
            "aeron:udp?endpoint={}:{}",
            name(CLIENT),
            self.ports.port(0)
        ))
    }
}

fn name(host: usize) -> String {
    if host == CLIENT { "client".to_owned() } else { format!("member{host}") }
}

/// Where a host is.
fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, host as u8 + 1)
}

/// Where others reach it.
fn address_at_relay(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2, host as u8 + 1)
}

/// The table of names of a host's driver.
fn names(host: usize) -> [(&'static str, String); 2] {
    let row = |other: usize| {
        let address = if other == host { address(other) } else { address_at_relay(other) };
        format!("{},{address},{address}", name(other))
    };
    let table = (0..=CLIENT).map(row).collect::<Vec<_>>().join("|");
    [("AERON_NAME_RESOLVER_SUPPLIER", "csv_table".to_owned()), ("AERON_NAME_RESOLVER_INIT_ARGS", table)]
}

/// The first of the ports of each member, in the list that clients have.
fn first_ports(cluster: &TestCluster) -> Result<Vec<u16>> {
    let endpoints = cluster.ingress_endpoints();
    let port = |endpoint: &str| endpoint.rsplit_once(':')?.1.parse().ok();
    endpoints.split(',').map(|endpoint| port(endpoint).context("an endpoint without a port")).collect()
}

pub fn start(disorder: Disorder, seed: u64) -> Result<(TestCluster, Extra)> {
    let ports = PortBlock::reserve()?;
    let builder = impatient(replicas()?).host_names((0..MEMBERS).map(name));
    let chosen = std::sync::Arc::new(std::sync::OnceLock::<Vec<u16>>::new());
    let known = std::sync::Arc::clone(&chosen);
    let builder = builder.server_command(move |member, part, mut command| {
        if let (Part::Driver, Some(first)) = (part, known.get().map(|ports| ports[member])) {
            let range = format!("{} {}", first + FIXED_PORTS, first + PortBlock::SIZE - 1);
            command.envs(names(member)).env("AERON_RECEIVER_WILDCARD_PORT_RANGE", range);
        }
        command
    });
    let mut cluster = builder.create()?;
    let mut first = first_ports(&cluster)?;
    chosen.set(first.clone()).ok().context("the ports are known already")?;
    first.push(ports.port(0));
    let route = |(host, first): (usize, u16)| Route {
        relay: address_at_relay(host),
        behind: address(host),
        ports: first..first + if host == CLIENT { 1 } else { PortBlock::SIZE },
    };
    let (doubled, held_back) = match disorder {
        Disorder::Doubled => (200, 0),
        Disorder::Reordered => (0, 200),
        Disorder::Both => (100, 100),
    };
    let relay =
        Relay::start(first.into_iter().enumerate().map(route), Rates { doubled, held_back }, Random::new(seed))?;
    let driver = ClientDriver::start(&names(CLIENT))?;
    cluster.start()?;
    Ok((cluster, Extra::Wiring(Wiring { driver, relay, ports })))
}

pub fn run(rig: &mut Rig) -> Result<String> {
    let before = counts(rig);
    let seen = crate::losses::run(rig)?;
    let after = counts(rig);
    let [passed, doubled, held_back] = [0, 1, 2].map(|i| after[i] - before[i]);
    ensure!(passed > 1_000, "only {passed} packets went through the relay");
    Ok(format!("{seen}; {passed} packets, {doubled} doubled, {held_back} held back"))
}

fn counts(rig: &Rig) -> [u64; 3] {
    match &rig.extra {
        Extra::Wiring(wiring) => {
            let counts = &wiring.relay.counts;
            [&counts.passed, &counts.doubled, &counts.held_back].map(|count| count.load(Ordering::Relaxed))
        }
        _ => [0; 3],
    }
}
