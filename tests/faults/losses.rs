//! Packets that are lost: the drivers' own interceptor throws away what arrives, at members and at clients, messages and
//! what drivers say to each other alike.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use aeron_cluster::client::Context;
use aeron_cluster::testing::{DriverCounters, PATIENCE, Part, Process, TestCluster, WorkDir, wait_until};
use anyhow::Result;

use crate::loaded::replicas;
use crate::rig::{Extra, Rig, impatient};

/// All types of frames: one bit each.
const FRAME_TYPES: &str = "7F";
/// Under load, before and after a change of leader.
const UNDER_LOAD: Duration = Duration::from_secs(3);

/// The driver of the clients, in a directory of its own.
pub struct ClientDriver {
    /// Ended by its drop.
    _process: Process,
    dir: WorkDir,
}

impl ClientDriver {
    /// Starts it with variables of the environment.
    pub fn start(environment: &[(&str, String)]) -> Result<ClientDriver> {
        let dir = WorkDir::new()?;
        let aeron_dir = dir.path().join("aeron");
        let mut command = Command::new(aeron_sys::AERONMD_PATH);
        command.arg(format!("-Daeron.dir={}", aeron_dir.display()));
        command.args(["-Daeron.threading.mode=SHARED", "-Daeron.term.buffer.sparse.file=true"]);
        command.args(["-Daeron.term.buffer.length=1m", "-Daeron.shared.idle.strategy=backoff"]);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn("driver of the clients", &command)?;
        wait_until("the driver of the clients", PATIENCE, || {
            let is_up = DriverCounters::open(&aeron_dir)?.is_some();
            Ok(if is_up { ControlFlow::Break(()) } else { ControlFlow::Continue(process.line_count()) })
        })?;
        Ok(ClientDriver { _process: process, dir })
    }

    pub fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("aeron")
    }

    /// Of a client on it.
    pub fn context(&self, cluster: &TestCluster) -> Context {
        Context::new()
            .aeron_dir(self.aeron_dir())
            .ingress_channel("aeron:udp?term-length=64k")
            .ingress_endpoints(cluster.ingress_endpoints())
            .egress_channel(cluster.egress_channel())
            .message_timeout(PATIENCE)
    }
}

fn interceptor(percent: u32, seed: u64) -> [(&'static str, String); 2] {
    let rate = f64::from(percent) / 100.0;
    [
        ("AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS", "loss".to_owned()),
        (
            "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS",
            format!("rate={rate}|seed={seed}|recv-msg-mask={FRAME_TYPES}"),
        ),
    ]
}

pub fn start(percent: u32, seed: u64) -> Result<(TestCluster, Extra)> {
    let builder = impatient(replicas()?).server_command(move |member, part, mut command| {
        if part == Part::Driver {
            command.envs(interceptor(percent, seed + member as u64));
        }
        command
    });
    Ok((builder.start()?, Extra::Driver(ClientDriver::start(&interceptor(percent, seed + 100))?)))
}

pub fn run(rig: &mut Rig) -> Result<String> {
    std::thread::sleep(UNDER_LOAD);
    change_leader(rig)
}

/// A leader is killed and comes back: it catches up through the same network.
fn change_leader(rig: &mut Rig) -> Result<String> {
    let leader = rig.cluster().wait_for_leader()?;
    rig.cluster().snapshot()?;
    rig.cluster().kill_member(leader);
    rig.cluster().wait_for_other_leader(leader)?;
    std::thread::sleep(UNDER_LOAD);
    rig.cluster().start()?;
    Ok(format!("snapshot, leader {leader} killed and back"))
}
