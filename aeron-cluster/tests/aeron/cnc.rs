//! A driver's file, read without being its client; and the settings of a client.

use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{
    Aeron, CncFile, ConductorIdleStrategy, Context, Settings, default_dir, request_driver_termination,
};
use aeron_cluster::testing::WorkDir;

use crate::rig::{LONG, Rig, until};

const STREAM: i32 = 19;

#[test]
fn a_driver_is_described_by_its_file() {
    let mut rig = Rig::new();
    let file = CncFile::open(&rig.dir, Duration::ZERO).unwrap();
    assert_eq!(file.path(), rig.dir.join("cnc.dat"));
    let constants = file.constants();
    assert_eq!(constants.pid, i64::from(std::process::id()));
    assert_eq!(constants.client_liveness_timeout, LONG);
    assert_eq!(constants.counters_metadata_buffer_length, constants.counters_values_buffer_length * 4);
    assert!(constants.error_log_buffer_length > 0 && constants.start_timestamp_ms > 0, "{constants:?}");
    assert!(file.is_driver_active(Duration::from_secs(10)));

    let counter = rig.aeron.add_counter(1019, b"key", "seen from outside").unwrap();
    counter.set(7);
    let id = file.counters().find_by_registration_id(1019, counter.registration_id()).unwrap();
    assert_eq!(file.counters().label(id).as_deref(), Some("seen from outside"));
    let readable = file.counters().readable_counter(id).unwrap();

    assert_eq!(file.losses().unwrap(), []);
    rig.aeron.add_publication("aeron:udp?endpoint=nowhere.invalid:1", STREAM).unwrap_err();
    until("the error", || !file.errors(0).is_empty());
    let error = file.errors(0).remove(0);
    assert!(error.message.contains("nowhere.invalid"), "{error:?}");
    assert!(error.observation_count >= 1 && error.first_observation_ms <= error.last_observation_ms);
    assert_eq!(file.errors(error.last_observation_ms + 1), []);

    rig.kill_driver();
    assert_eq!(file.heartbeat_age(), None);
    assert!(!file.is_driver_active(Duration::MAX));
    // What was mapped stays.
    drop(file);
    assert_eq!(readable.get(), 7);
}

#[test]
fn a_driver_that_is_not_there_is_named() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("none");
    let error = CncFile::open(&dir, Duration::from_millis(20)).expect_err("no driver");
    assert!(error.kind() == ErrorKind::DriverDead && error.message().contains("none"), "{error}");
    let long = memory.path().join("x".repeat(4096));
    assert_eq!(CncFile::open(&long, Duration::ZERO).expect_err("too long").kind(), ErrorKind::InvalidArgument);
    assert!(request_driver_termination(&dir, b"token").is_err());
    assert!(default_dir().to_string_lossy().contains("aeron-"));
}

#[test]
fn a_driver_is_asked_to_end_and_may_decline() {
    let rig = Rig::new();
    assert!(request_driver_termination(&rig.dir, b"please").unwrap());
    assert!(request_driver_termination(&rig.dir, &[0; 5000]).is_err());
    // Its validator refuses everybody.
    rig.aeron.add_counter(1019, &[], "still there").unwrap();
}

#[test]
fn a_client_has_its_settings() {
    let rig = Rig::new();
    let ms = Duration::from_millis;
    for (strategy, name, args) in [
        (ConductorIdleStrategy::Sleeping(ms(1)), "sleep-ns", Some("1000000ns")),
        (ConductorIdleStrategy::Yielding, "yield", None),
        (ConductorIdleStrategy::Backoff, "backoff", None),
        (
            ConductorIdleStrategy::BackoffUpTo {
                max_spins: 1,
                max_yields: u32::MAX,
                min_park: ms(3),
                max_park: Duration::MAX,
            },
            "backoff",
            Some("1-4294967295-3000000-9999999999999999"),
        ),
        (ConductorIdleStrategy::NoOp, "noop", None),
        (ConductorIdleStrategy::Spinning, "spin", None),
    ] {
        let context = Context::new()
            .dir(&rig.dir)
            .keepalive_interval(Duration::from_millis(100))
            .resource_linger_duration(Duration::from_secs(1))
            .idle_sleep_duration(Duration::from_millis(5))
            .pre_touch_mapped_memory(true)
            .conductor_idle_strategy(strategy);
        assert!(format!("{context:?}").contains(&format!("{strategy:?}")));
        let aeron = Aeron::connect(context).unwrap();
        aeron.add_publication("aeron:ipc", STREAM).unwrap();
        let expected = Settings {
            client_name: String::new(),
            keepalive_interval: ms(100),
            resource_linger_duration: ms(1000),
            idle_sleep_duration: ms(5),
            pre_touch_mapped_memory: true,
            conductor_idle_strategy: name.to_owned(),
            conductor_idle_strategy_args: args.map(str::to_owned),
        };
        assert_eq!(aeron.settings(), expected);
    }
    for context in [
        Context::new().keepalive_interval(Duration::ZERO),
        Context::new().resource_linger_duration(Duration::MAX),
        Context::new().idle_sleep_duration(Duration::from_secs(u64::MAX)),
    ] {
        let error = Aeron::connect(context.dir(&rig.dir)).expect_err("out of range");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}
