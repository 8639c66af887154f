//! Shared by the service programs: their flags, and hosting a service until the program is stopped.

use std::path::PathBuf;

use aeron_cluster::aeron::OfferError;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ClusteredServiceContainer, Context, Termination,
};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::idle::Idle;

/// The flags of a service program.
#[derive(Args, Debug)]
pub struct ServiceArgs {
    /// The media driver's directory.
    #[arg(long, value_name = "D")]
    aeron_dir: PathBuf,

    /// The cluster directory of the member, the same as its consensus module's.
    #[arg(long, value_name = "D")]
    cluster_dir: PathBuf,

    /// The service's id within the member.
    #[arg(long, value_name = "N", default_value_t = 0)]
    service_id: i32,

    /// The cluster's id.
    #[arg(long, value_name = "N", default_value_t = 0)]
    cluster_id: i32,

    /// The idle strategy of the service.
    #[arg(long, value_enum, default_value_t = Idle::Backoff)]
    idle: Idle,
}

/// Hosts `service` until it ends or the program is asked to stop by SIGTERM or SIGINT.
pub fn run<S: ClusteredService + Send + 'static>(args: ServiceArgs, service: S) -> Result<()> {
    let idle = args.idle;
    let context = Context::new()
        .aeron_directory_name(args.aeron_dir)
        .cluster_directory_name(args.cluster_dir)
        .service_id(args.service_id)
        .cluster_id(args.cluster_id)
        .idle_strategy_supplier(move || idle.strategy());
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot handle signals")?;
    let container = ClusteredServiceContainer::launch(context, service).context("cannot start the service")?;
    let closer = container.closer();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            closer.close();
        }
    });
    match container.wait().context("the service failed")? {
        Termination::Closed | Termination::Expected => Ok(()),
        _ => bail!("the service was terminated unexpectedly: see the errors of the consensus module"),
    }
}

/// Sends `message` to a client, and waits while the client is slow. Gives up if the client is gone.
pub fn answer(cluster: &Cluster, session: &ClientSession, message: &[u8]) {
    while session.offer(message).is_err_and(OfferError::is_retryable) {
        if cluster.idle(0).is_err() {
            return;
        }
    }
}
