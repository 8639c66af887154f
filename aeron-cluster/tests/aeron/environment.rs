//! Settings that a client takes from the environment.

use std::process::Command;
use std::time::Duration;

use aeron_cluster::aeron::{Aeron, Context};
use aeron_cluster::testing::{PATIENCE, Process};

use crate::rig::{Rig, awaited};

/// Tells the test program that its environment has the settings.
const INSIDE: &str = "AERON_CLUSTER_TEST_ENVIRONMENT";
const HEARTBEAT: i32 = 11;

/// Not a test: what the next one runs with an environment of its own.
#[test]
fn with_an_environment() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let aeron = Aeron::connect(Context::new()).unwrap();
    assert_eq!(aeron.driver_timeout(), Duration::from_millis(4321));
    let settings = aeron.settings();
    assert_eq!((settings.client_name.as_str(), settings.pre_touch_mapped_memory), ("from the environment", true));
    let durations = (settings.resource_linger_duration, settings.idle_sleep_duration, settings.keepalive_interval);
    let ms = Duration::from_millis;
    assert_eq!(durations, (ms(1234), ms(5), ms(500)));
    aeron.add_counter(1030, &[], "the driver hears of the client").unwrap();
    println!("{} is {}", aeron.client_id(), aeron.dir().display());
    let other = Aeron::connect(Context::new().driver_timeout(Duration::from_secs(7))).unwrap();
    assert_eq!(other.driver_timeout(), Duration::from_secs(7), "what the program sets comes first");
    loop {
        std::thread::park();
    }
}

#[test]
fn what_is_not_set_is_taken_from_the_environment() {
    let rig = Rig::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "environment::with_an_environment", "--nocapture"])
        .env(INSIDE, "1")
        .env("AERON_DIR", &rig.dir)
        .env("AERON_DRIVER_TIMEOUT", "4321")
        .env("AERON_CLIENT_RESOURCE_LINGER_DURATION", "1234ms")
        .env("AERON_CLIENT_IDLE_SLEEP_DURATION", "5ms")
        .env("AERON_CLIENT_PRE_TOUCH_MAPPED_MEMORY", "true")
        .env("AERON_CLIENT_NAME", "from the environment");
    let process = Process::spawn("client", &command).unwrap();
    let line = process.wait_for_line(" is ", PATIENCE).unwrap();
    let (id, dir) = line.split_once(" is ").unwrap();
    assert_eq!(dir, rig.dir.to_str().unwrap());
    let id = id.rsplit(' ').next().unwrap().parse().unwrap();
    awaited("its name", || {
        let counter = rig.aeron.counters().find_by_registration_id(HEARTBEAT, id)?;
        rig.aeron.counters().label(counter)?.contains("name=from the environment").then_some(())
    });
}
