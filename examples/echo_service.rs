//! A clustered service that sends every message back to its sender.

use aeron_cluster::aeron::Header;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Role, ServiceError, SnapshotImage, SnapshotPublication,
};
use clap::Parser;

#[path = "support/service.rs"]
mod hosting;
#[path = "support/idle.rs"]
mod idle;

/// Sends every message back to its sender.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    service: hosting::ServiceArgs,
}

struct EchoService;

impl ClusteredService for EchoService {
    fn on_start(&mut self, cluster: &Cluster, _snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        println!("start log_position={}", cluster.log_position());
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _timestamp: i64,
        message: &[u8],
        _header: &Header<'_>,
    ) {
        if let Some(session) = session {
            hosting::answer(cluster, session, message);
        }
    }

    fn on_take_snapshot(
        &mut self,
        _cluster: &Cluster,
        _snapshot: &mut SnapshotPublication,
    ) -> Result<(), ServiceError> {
        Ok(()) // There is no state.
    }

    fn on_role_change(&mut self, _cluster: &Cluster, role: Role) {
        println!("role={role}");
    }

    fn on_terminate(&mut self, cluster: &Cluster) {
        println!("terminate log_position={}", cluster.log_position());
    }
}

fn main() -> anyhow::Result<()> {
    hosting::run(Args::parse().service, EchoService)
}
