//! Heap allocations on the message path: the tests that count them, which fail if there is one.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::contestant::RUST;
use crate::results::{Figure, ITSELF, Results};
use crate::root;

/// Runs the tests of container and client.
pub fn run(results: &mut Results) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(root()).args(["test", "--quiet", "--package", "aeron-cluster", "--features", "testing"]);
    cargo.args(["--test", "service_allocations", "--test", "client_allocations"]);
    let output = cargo.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stderr), text(&output.stdout));
    let figure = Figure::new("heap allocations a message, container and client", &[(ITSELF, 0.)]);
    results.add(&figure, RUST, 0.);
    Ok(())
}
