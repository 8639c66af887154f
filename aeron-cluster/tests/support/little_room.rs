//! Tests on a file system with little room.

use std::path::{Path, PathBuf};

use aeron_cluster::testing::{PATIENCE, Process, WorkDir};

use crate::mounts::with_own_mounts;

/// Tells the test program that it is within a mount namespace of its own, and where the small file system is.
const SMALL: &str = "AERON_CLUSTER_TEST_SMALL";
const DONE: &str = "all of it was as it should be";

/// Runs `test` of this test program, which does nothing but [`body`], in a process of its own with a file system of this size.
pub fn run(test: &str, size: &str) {
    let work = WorkDir::new().unwrap();
    let dir = work.path().join("small");
    std::fs::create_dir(&dir).unwrap();
    let script = format!("mount -t tmpfs -o size={size} none \"$0\" && exec \"$@\"");
    let mut command = with_own_mounts();
    command.args(["--", "sh", "-c", &script]).arg(&dir).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(SMALL, &dir);
    Process::spawn("where there is little room", &command)
        .unwrap()
        .wait_for_line(DONE, PATIENCE)
        .expect("run the test as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces");
}

/// In the process that [`run`] started, calls `test` with the directory of the small file system; elsewhere does nothing.
pub fn body(test: impl FnOnce(&Path)) {
    let Some(dir) = std::env::var_os(SMALL).map(PathBuf::from) else { return };
    test(&dir);
    println!("{DONE}");
}
