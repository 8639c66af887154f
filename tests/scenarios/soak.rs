//! The soak, as CI has time for it. `ci/soak` is the long one.

use std::process::Command;

use aeron_cluster::testing::{PATIENCE, Process};

use crate::support::program;

fn soak(minutes: &str, seed: &str) -> Process {
    let mut command = Command::new(program("soak"));
    command.args(["--minutes", minutes, "--seed", seed]);
    Process::spawn("soak", &command).unwrap()
}

#[test]
fn a_short_soak() {
    let mut soak = soak("0.4", "3");
    soak.wait_for_success(3 * PATIENCE).unwrap();
    println!("{}", soak.lines().join("\n"));
    soak.wait_for_line("nothing lost or doubled", PATIENCE).unwrap();
}

/// Asked to stop, it ends all that it started, after the step that runs.
#[test]
fn a_soak_stops_in_order() {
    let mut soak = soak("15", "2");
    soak.wait_for_line("step   1", 3 * PATIENCE).unwrap();
    assert!(Command::new("kill").arg(soak.id().to_string()).status().unwrap().success());
    soak.wait_for_success(3 * PATIENCE).unwrap();
    soak.wait_for_line("soak: stopped after", PATIENCE).unwrap();
}
