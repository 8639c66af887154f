//! A clustered service that counts messages, and answers each with the count: 8 bytes, little endian.

use aeron_cluster::aeron::Header;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Role, ServiceError, SnapshotImage, SnapshotPublication,
};
use clap::Parser;

#[path = "support/service.rs"]
mod hosting;
#[path = "support/idle.rs"]
mod idle;

/// Counts messages, and answers each with the count: 8 bytes, little endian.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    service: hosting::ServiceArgs,
}

/// The state is one number; its snapshot is one message of these 8 bytes.
#[derive(Default)]
struct CounterService {
    count: u64,
}

impl ClusteredService for CounterService {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        if let Some(snapshot) = snapshot {
            let message = snapshot.read_message(cluster)?.ok_or("the snapshot holds no count")?;
            let bytes = message.as_slice().try_into().map_err(|_| {
                format!("the snapshot's count must have 8 bytes, but it has {}: {message:?}", message.len())
            })?;
            self.count = u64::from_le_bytes(bytes);
        }
        println!("start count={}", self.count);
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _timestamp: i64,
        _message: &[u8],
        _header: &Header<'_>,
    ) {
        self.count += 1;
        if let Some(session) = session {
            hosting::answer(cluster, session, &self.count.to_le_bytes());
        }
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        snapshot.write_message(cluster, &self.count.to_le_bytes())
    }

    fn on_role_change(&mut self, _cluster: &Cluster, role: Role) {
        println!("role={role} count={}", self.count);
    }

    fn on_terminate(&mut self, _cluster: &Cluster) {
        println!("terminate count={}", self.count);
    }
}

fn main() -> anyhow::Result<()> {
    hosting::run(Args::parse().service, CounterService::default())
}
