//! A media driver in a process of its own, which can be killed: the test program itself, started once more.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, Process};

/// Tells the test program that it is to be a driver, and where.
const SERVE: &str = "AERON_CLUSTER_TEST_SERVE";

/// How long a client may be silent, or not worked, and still be alive: longer than a test lasts, however little of the machine it has.
pub const LONG: Duration = Duration::from_secs(120);

/// Of clients whose driver is killed: they notice after this. On a loaded machine a living one stands still for seconds.
#[allow(dead_code, reason = "one test program has another")]
pub const DRIVER_TIMEOUT: Duration = Duration::from_secs(5);

pub fn driver_context(dir: &Path) -> DriverContext {
    DriverContext::new()
        .dir(dir)
        .threading_mode(ThreadingMode::Shared)
        .term_buffer_length(64 * 1024)
        .ipc_term_buffer_length(64 * 1024)
        .timer_interval(Duration::from_millis(20))
        .publication_linger_timeout(Duration::from_millis(100))
        .image_liveness_timeout(Duration::from_millis(500))
        .client_liveness_timeout(LONG)
        .publication_unblock_timeout(2 * LONG)
        .counters_free_to_reuse_timeout(Duration::ZERO)
        .dir_delete_on_start(true)
        .dir_delete_on_shutdown(true)
        .dir_warn_if_exists(false)
}

/// Not a test: the driver of the others.
#[test]
fn a_driver_to_be_killed() {
    let Some(dir) = std::env::var_os(SERVE) else { return };
    let _driver = MediaDriver::launch(driver_context(Path::new(&dir))).unwrap();
    println!("serving");
    loop {
        std::thread::park();
    }
}

/// Starts a driver as a process of its own, with settings from its environment.
pub fn start_driver(dir: &Path, settings: &[(&str, &str)]) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killable::a_driver_to_be_killed", "--nocapture"])
        .env(SERVE, dir)
        .envs(settings.iter().copied());
    let process = Process::spawn("driver", &command).unwrap();
    process.wait_for_line("serving", PATIENCE).unwrap();
    process
}
