//! The media driver in this process: it starts, serves clients, ends, and says what it refuses.
#![cfg(feature = "driver")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Aeron, Context};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};

const PATIENCE: Duration = Duration::from_secs(20);

/// A name in shared memory that nothing else has; the driver makes the directory and deletes it.
fn unique_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("/dev/shm/aeron-driver-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

fn small(mode: ThreadingMode) -> DriverContext {
    DriverContext::new()
        .dir(unique_dir())
        .threading_mode(mode)
        .term_buffer_length(64 * 1024)
        .ipc_term_buffer_length(64 * 1024)
        .term_buffer_sparse_file(true)
        .dir_delete_on_shutdown(true)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::yield_now();
    }
}

/// Sends messages there and back over two channels, and checks each.
fn echo(aeron: &Aeron, there: &str, back: &str) {
    let mut at_service = aeron.add_subscription(there, 1).expect("subscription");
    let mut at_client = aeron.add_subscription(back, 2).expect("subscription");
    let to_service = aeron.add_publication(there, 1).expect("publication");
    let to_client = aeron.add_publication(back, 2).expect("publication");
    until("connections", || to_service.is_connected() && to_client.is_connected());
    for number in 0..1000u32 {
        until("room to send", || to_service.offer(&number.to_le_bytes()).is_ok());
        let mut echoed = None;
        until("the echo", || {
            let mut pending = Vec::new();
            at_service.poll(1, |message, _| pending.push(message.to_vec())).expect("poll");
            for message in pending {
                until("room to answer", || to_client.offer(&message).is_ok());
            }
            at_client.poll(1, |message, _| echoed = Some(message.to_vec())).expect("poll");
            echoed.is_some()
        });
        assert_eq!(echoed, Some(number.to_le_bytes().to_vec()));
    }
}

#[test]
fn every_threading_mode_serves_clients() {
    let modes = [ThreadingMode::Dedicated, ThreadingMode::SharedNetwork, ThreadingMode::Shared];
    for (mode, port) in modes.into_iter().zip(22010u16..) {
        let driver = MediaDriver::launch(small(mode)).expect("driver");
        assert!(driver.dir().join("cnc.dat").exists());
        let aeron = Aeron::connect(Context::new().dir(driver.dir())).expect("client");
        echo(&aeron, "aeron:ipc", "aeron:ipc");
        echo(
            &aeron,
            &format!("aeron:udp?endpoint=localhost:{port}"),
            &format!("aeron:udp?endpoint=localhost:{}", port + 10),
        );
        drop(aeron);
        let dir = driver.dir().to_path_buf();
        driver.close().expect("closed");
        assert!(!dir.exists(), "{mode:?} left {}", dir.display());
    }
}

#[test]
fn several_drivers_in_one_process_are_strangers() {
    let drivers: Vec<_> = (0..3).map(|_| MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver")).collect();
    let clients: Vec<_> =
        drivers.iter().map(|driver| Aeron::connect(Context::new().dir(driver.dir())).expect("client")).collect();
    let publication = clients[0].add_publication("aeron:ipc", 7).expect("publication");
    let strangers = clients[1].add_subscription("aeron:ipc", 7).expect("subscription");
    let own = clients[0].add_subscription("aeron:ipc", 7).expect("subscription");
    until("its own subscriber", || publication.is_connected() && own.is_connected());
    assert!(!strangers.is_connected());
}

#[test]
fn a_client_outlives_its_driver_and_finds_it_dead() {
    let driver = MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver");
    let timeout = Duration::from_millis(500);
    let aeron = Aeron::connect(Context::new().dir(driver.dir()).driver_timeout(timeout)).expect("client");
    let publication = aeron.add_publication("aeron:ipc", 7).expect("publication");
    drop(driver);
    until("the client to notice", || aeron.is_closed());
    assert!(publication.offer(b"too late").is_err());
}

#[test]
fn a_refused_setting_is_named() {
    let error =
        MediaDriver::launch(small(ThreadingMode::Shared).term_buffer_length(12_345)).expect_err("no power of two");
    assert!(error.message().contains("12345"), "{error}");
    let error = MediaDriver::launch(DriverContext::new().dir("a\0b")).expect_err("not for C");
    assert!(error.message().contains("NUL"), "{error}");
    let error = MediaDriver::launch(DriverContext::new().dir("/proc/no/such/place")).expect_err("no place for files");
    assert!(error.message().contains("/proc/no/such/place"), "{error}");
}

#[test]
fn a_directory_has_one_living_driver() {
    let driver = MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver");
    let second = DriverContext::new().dir(driver.dir()).dir_warn_if_exists(false);
    let error = MediaDriver::launch(second).expect_err("the first one lives");
    assert!(error.message().contains("Active media driver detected"), "{error}");
    let aeron = Aeron::connect(Context::new().dir(driver.dir())).expect("the first one still serves");
    echo(&aeron, "aeron:ipc", "aeron:ipc");
}

#[test]
fn launching_and_closing_leaves_no_thread_and_no_mapping() {
    let count = |path: &str| std::fs::read_dir(path).expect("procfs").count();
    let ours = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
        maps.lines().filter(|line| line.contains("aeron-driver-test-alone")).count()
    };
    let context =
        || small(ThreadingMode::Dedicated).dir(format!("/dev/shm/aeron-driver-test-alone-{}", std::process::id()));
    drop(MediaDriver::launch(context()).expect("driver"));
    assert_eq!(ours(), 0);
    let driver = MediaDriver::launch(context()).expect("driver");
    assert!(ours() > 0 && count("/proc/self/task") > 3);
    drop(driver);
    assert_eq!(ours(), 0);
}
