//! The service under test as a program. See `tests/replica/mod.rs`.

use clap::Parser;

#[path = "../../examples/support/service.rs"]
#[allow(dead_code, reason = "the replica has an answer of its own")]
mod hosting;
#[path = "../../examples/support/idle.rs"]
mod idle;
#[path = "mod.rs"]
mod replica;

use replica::Replica;

/// The service that the tests run: it shows what it applied, and does what clients tell it.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    #[command(flatten)]
    service: hosting::ServiceArgs,

    /// Fail the start.
    #[arg(long)]
    fail_start: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let replica = if args.fail_start { Replica::new().failing_to_start() } else { Replica::new() };
    hosting::run(args.service, replica)
}
