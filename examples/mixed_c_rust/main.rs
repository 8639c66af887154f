//! A clustered service whose engine is C: an auction. The engine, `engine.c`, is compiled by the build script of this package against the
//! headers that `aeron-sys` names (`DEP_AERON_INCLUDE`), and publishes the best bid on its own, through the container's Aeron client
//! and the one libaeron that both halves are linked to.
//!
//! A bid is a little-endian number of 64 bits. The answer, what the engine publishes, and the snapshot are the best bid and the count of
//! bids.

use aeron_cluster::aeron::Header;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Role, ServiceError, SnapshotImage, SnapshotPublication,
};
use clap::Parser;

mod engine;
#[path = "../support/service.rs"]
mod hosting;
#[path = "../support/idle.rs"]
mod idle;

use engine::{Engine, State};

/// Hosts an auction that is written in C.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    service: hosting::ServiceArgs,

    /// The stream of aeron:ipc on which the C engine publishes the best bid.
    #[arg(long, value_name = "N", default_value_t = 2001)]
    stream: i32,
}

struct Auction {
    stream: i32,
    /// `None` before `on_start`.
    engine: Option<Engine>,
}

impl ClusteredService for Auction {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        let mut engine = Engine::new(cluster.aeron(), c"aeron:ipc?alias=best-bid", self.stream)?;
        if let Some(snapshot) = snapshot {
            let state = snapshot.read_message(cluster)?.ok_or("the snapshot is empty")?;
            engine.load(State::from_bytes(&state)?);
        }
        println!("start {:?}", engine.state());
        self.engine = Some(engine);
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
        // A message that is not a bid is ignored, on every member.
        let (Some(engine), Ok(amount)) = (&mut self.engine, message.try_into()) else { return };
        let state = engine.bid(i64::from_le_bytes(amount));
        if let Some(session) = session {
            hosting::answer(cluster, session, &state.to_bytes());
        }
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        let engine = self.engine.as_ref().ok_or("there is no engine")?;
        snapshot.write_message(cluster, &engine.state().to_bytes())
    }

    fn on_role_change(&mut self, _cluster: &Cluster, role: Role) {
        println!("role={role}");
    }

    fn do_background_work(&mut self, _cluster: &Cluster, _now_ns: i64) -> usize {
        let Some(engine) = &mut self.engine else { return 0 };
        engine.poll().unwrap_or_else(|error| {
            eprintln!("{error}");
            0
        })
    }

    fn on_terminate(&mut self, _cluster: &Cluster) {
        // The C side must release its publication before the client closes.
        self.engine = None;
        println!("terminate");
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    hosting::run(args.service, Auction { stream: args.stream, engine: None })
}
