//! What CI has time for of the faults; `ci/faults` lets all of them happen. Seeds are fixed, so that a failure comes again.

use std::process::Command;

use aeron_cluster::testing::{PATIENCE, Process};

mod support;
use support::program;

/// Lets faults happen by their names, and checks that as many as wanted did.
fn faults(only: &str, count: usize) {
    let mut command = Command::new(program("faults"));
    command.args(["--seed", "7", "--only", only]);
    let mut faults = Process::spawn("faults", &command).unwrap();
    faults.wait_for_success(3 * PATIENCE).unwrap();
    let told: Vec<_> = faults.lines().into_iter().filter(|line| line.starts_with("faults: ")).collect();
    println!("{}", told.join("\n"));
    assert_eq!(told.iter().filter(|line| line.ends_with("lost 0, doubled 0")).count(), count, "{told:#?}");
}

#[test]
fn processes_killed_in_recovery_join_and_snapshot_and_a_service_that_stands_still() {
    faults("kill-archive-recovery,kill-service-join,kill-driver-snapshot,pause-service-3s", 4);
}

#[test]
fn a_clock_that_is_set_back() {
    faults("clock-member-3600s", 1);
}

#[test]
fn packets_that_are_lost() {
    faults("loss-10", 1);
}

#[test]
fn packets_that_come_twice_and_out_of_order() {
    faults("relay-both", 1);
}

#[test]
fn no_room_for_the_mark_file_for_more_in_its_directory_and_for_a_snapshot() {
    faults("full-mark-file,full-cluster,full-snapshot", 3);
}

#[test]
fn a_client_that_is_killed_and_one_that_stands_still() {
    faults("kill-client,pause-client-12s", 2);
}

/// The names of all faults, or of those that are asked for.
fn listed(arguments: &[&str]) -> String {
    let list = Command::new(program("faults")).arg("--list").args(arguments).output().unwrap();
    String::from_utf8([list.stdout, list.stderr].concat()).unwrap()
}

#[test]
fn a_name_means_itself_before_it_means_all_that_begin_so() {
    assert_eq!(listed(&["--only", "loss-1"]), "loss-1\n");
    assert_eq!(listed(&["--only", "relay-both@4,loss-"]), "relay-both\nloss-1\nloss-10\n");
    assert!(listed(&["--only", "loss-1,nothing"]).contains("no fault has the name nothing"));
    assert!(listed(&["--only", "loss-1@one"]).contains("no seed in loss-1@one"));
}

#[test]
fn the_table_has_every_fault() {
    let names = listed(&[]);
    let table = include_str!("../docs/faults.md");
    let missing: Vec<_> = names.lines().filter(|name| !table.contains(&format!("`{name}`"))).collect();
    assert!(names.lines().count() > 40 && missing.is_empty(), "not in docs/faults.md: {missing:?}");
}
