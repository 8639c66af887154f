//! A disk that is full while a container runs: there is nothing for which it needs more of it.

use std::io::{ErrorKind as Failure, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::codec::RequestServiceAck;
use aeron_cluster::service::mark_file::mark_file_name;
use aeron_cluster::service::{ClusteredServiceContainer, Context, Role, Termination};

use crate::little_room;
use crate::messages::{close, message};
use crate::probe::{Fail, Probe, context};
use crate::script::{Recovery, Script, Stage};

/// Errors of more text than a mark file's log has room for.
const ERRORS: i64 = 8_000;
const BALLAST: &str = "ballast";

/// Leaves no room at all.
fn fill(dir: &Path) {
    let mut ballast = std::fs::File::options().create(true).append(true).open(dir.join(BALLAST)).unwrap();
    let full = (0..).find_map(|_| ballast.write_all(&[0; 4096]).err()).unwrap();
    assert_eq!(full.kind(), Failure::StorageFull);
}

/// Runs a container into errors until its log of them is full too.
fn run_into_errors(mut script: Script, mark_file: &Path) {
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    for session in 0..ERRORS {
        script.append(&mut log, &close(session));
    }
    let position = script.append(&mut log, &message(3, 9, "after them"));
    assert_eq!(script.events.text(), "after them");
    script.tell(&RequestServiceAck { log_position: position }.encode());
    assert_eq!(script.ack().log_position, position);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    let told: Vec<_> = script.errors.try_iter().collect();
    assert_eq!(told.len(), ERRORS as usize);
    let logged = String::from_utf8_lossy(&std::fs::read(mark_file).unwrap()).into_owned();
    let (first, last) = (&told[0], &told[told.len() - 1]);
    assert!(logged.contains(first) && !logged.contains(last), "its log should be full: {first}, {last}");
}

/// On a small file system `dir`.
fn fill_up_under_a_container(dir: &Path) {
    let mark_file = dir.join(mark_file_name(0));
    let stage = Stage::with_driver();
    let small = |context: Context| context.cluster_directory_name(dir).mark_file_wait(Duration::ZERO);
    let start = |cluster_id| {
        let recovery = Recovery { cluster_id, ..Recovery::NOTHING };
        let mut script = stage.launch(&recovery, Fail::Never, small);
        script.started(&recovery);
        script
    };

    let script = start(0);
    fill(dir);
    run_into_errors(script, &mark_file);

    // It starts as well, though these errors cannot be saved in a file of their own.
    assert_eq!(start(1).container.close().unwrap(), Termination::Closed);

    // What a file has no room for is seen before it is written: to a hole, which is the end of the process.
    let mut punch = Command::new("fallocate");
    punch.args(["--punch-hole", "--offset", "65536", "--length", "65536"]).arg(&mark_file);
    assert!(punch.status().unwrap().success());
    fill(dir);
    let error = ClusteredServiceContainer::launch(small(context(&stage.cluster)), Probe::new().0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
    assert!(error.message().contains(&*mark_file.to_string_lossy()), "{error}");
    std::fs::remove_file(dir.join(BALLAST)).unwrap();
    assert_eq!(start(2).container.close().unwrap(), Termination::Closed);
}

/// Not a test: what the next one runs where there is little room.
#[test]
fn where_there_is_little_room() {
    little_room::body(fill_up_under_a_container);
}

#[test]
fn a_disk_that_fills_up_under_a_container_changes_nothing_for_it() {
    little_room::run("full_disk::where_there_is_little_room", "4m");
}
