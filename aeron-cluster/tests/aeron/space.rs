//! A driver whose directory has no room for a log.

use std::path::Path;

use aeron_cluster::ErrorKind;
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::{PATIENCE, Process, WorkDir};

use crate::mounts::with_own_mounts;
use crate::rig::{client, driver_context, until};

/// Tells the test program that it is within a mount namespace of its own, and where the small file system is.
const SMALL: &str = "AERON_CLUSTER_TEST_SMALL";
const STREAM: i32 = 28;
const DONE: &str = "all of it was as it should be";

/// Not a test: what the next one runs where there is little room.
#[test]
fn where_there_is_little_room() {
    let Some(dir) = std::env::var_os(SMALL) else { return };
    let dir = Path::new(&dir).join("aeron");
    let _driver = MediaDriver::launch(driver_context(&dir)).unwrap();
    let aeron = client(&dir);
    let channel = "aeron:ipc?term-length=64m";
    let error = aeron.add_publication(channel, STREAM).expect_err("three terms of it are more than there is");
    assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
    assert!(error.message().contains(channel), "{error}");
    assert_eq!(aeron.add_exclusive_publication(channel, STREAM).unwrap_err().kind(), ErrorKind::StorageSpace);
    let subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    until("room for a small one", || publication.offer(b"fits").is_ok());
    drop(subscription);
    println!("{DONE}");
}

#[test]
fn a_log_for_which_there_is_no_room_is_refused() {
    let work = WorkDir::new().unwrap();
    let dir = work.path().join("small");
    std::fs::create_dir(&dir).unwrap();
    let script = "mount -t tmpfs -o size=96m none \"$0\" && exec \"$@\"";
    let mut command = with_own_mounts();
    command.args(["--", "sh", "-c", script]).arg(&dir).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "space::where_there_is_little_room", "--nocapture"]).env(SMALL, &dir);
    Process::spawn("where there is little room", &command)
        .unwrap()
        .wait_for_line(DONE, PATIENCE)
        .expect("run the test as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces");
}
