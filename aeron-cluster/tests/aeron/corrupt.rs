//! Files of a driver that were damaged: each reader refuses them, or reads what makes sense.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Aeron, CncFile, Context, CounterState, DistinctError, request_driver_termination};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, WorkDir};
use aeron_cluster::{Error, ErrorKind};

use crate::driver_files::{self, CHANNEL_LENGTH, ERROR_LOG, METADATA, SECOND_ERROR, SECOND_LOSS, VALUES, put};

// Fields of the description.
const VERSION: usize = 0;
const TO_DRIVER: usize = 4;
const TO_CLIENTS: usize = 8;
const COUNTERS_METADATA: usize = 12;
const COUNTERS_VALUES: usize = 16;
const ERRORS: usize = 20;

/// The directory of a driver that is gone.
struct Left {
    memory: WorkDir,
}

impl Left {
    fn new(cnc: &[u8]) -> Left {
        let left = Left { memory: WorkDir::new().unwrap() };
        std::fs::create_dir(left.dir()).unwrap();
        std::fs::write(left.cnc(), cnc).unwrap();
        left
    }

    fn with(offset: usize, value: i32) -> Left {
        let mut bytes = driver_files::cnc();
        put(&mut bytes, offset, value);
        Left::new(&bytes)
    }

    fn dir(&self) -> PathBuf {
        self.memory.path().join("aeron")
    }

    fn cnc(&self) -> PathBuf {
        self.dir().join("cnc.dat")
    }

    fn open(&self) -> Result<CncFile, Error> {
        CncFile::open(self.dir(), Duration::ZERO)
    }

    fn launch(&self) -> Result<MediaDriver, Error> {
        launch(&self.dir())
    }
}

fn launch(dir: &Path) -> Result<MediaDriver, Error> {
    let settings = DriverContext::new().dir(dir).threading_mode(ThreadingMode::Invoker).dir_warn_if_exists(false);
    MediaDriver::launch(settings.driver_timeout(Duration::from_millis(50)))
}

fn refused<T>(by: &str, result: Result<T, Error>, words: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{by} took {words}"));
    let named = error.message().contains("cnc.dat") && error.message().contains(words);
    assert!(error.kind() == ErrorKind::Protocol && named, "{by}, {words}: {:?}, {error}", error.kind());
}

#[test]
fn a_description_that_is_none_is_refused_by_all_who_read_it() {
    const MAX: i32 = i32::MAX;
    const WHOLE: usize = 8_192;
    let damages = [
        (TO_DRIVER, [-1, i32::MIN, 0, 768, 772, 1_000, 768 + (1 << 30), MAX].as_slice()),
        (TO_CLIENTS, &[-1, i32::MIN, 0, 128, 132, 200, 128 + (1 << 30), MAX]),
        (COUNTERS_METADATA, &[-1, -512, 0, 1_024, 1_537, 2_048, 1 << 30, MAX]),
        (COUNTERS_VALUES, &[-1, -128, 0, 256, 385, 512, 1 << 30, MAX]),
        (ERRORS, &[-1, i32::MIN, (WHOLE - ERROR_LOG + 1) as i32, MAX]),
    ];
    // As long as that no part of another length leaves it: files end with a page.
    let mut whole = driver_files::cnc();
    whole.resize(WHOLE, 0);
    for (offset, values) in damages {
        for value in values {
            let mut damaged = whole.clone();
            put(&mut damaged, offset, *value);
            let left = Left::new(&damaged);
            let words = format!("{value} ");
            refused("open", left.open(), &words);
            refused("connect", Aeron::connect(Context::new().dir(left.dir())), &words);
            refused("request", request_driver_termination(left.dir(), b"token"), &words);
            refused("launch", left.launch(), &words);
            assert_eq!(std::fs::read(left.cnc()).unwrap(), damaged, "somebody wrote to it");
        }
    }
}

#[test]
fn what_counters_may_be_is_said_where_they_are_not() {
    for (values, descriptions) in [(385, 1_540), (386, 1_536)] {
        let mut damaged = driver_files::cnc();
        put(&mut damaged, COUNTERS_VALUES, values);
        put(&mut damaged, COUNTERS_METADATA, descriptions);
        refused("open", Left::new(&damaged).open(), "must be a multiple of 2, and those 4 times as many");
    }
}

#[test]
fn a_driver_may_have_room_for_a_part_of_a_counter() {
    const LEAST: usize = 1 << 20;
    for more in [64, 102] {
        let memory = WorkDir::new().unwrap();
        let dir = memory.path().join("aeron");
        let settings = DriverContext::new().dir(&dir).counters_values_buffer_length(LEAST + more);
        let driver = MediaDriver::launch(settings).unwrap();
        let file = CncFile::open(&dir, PATIENCE).unwrap();
        let aeron = Aeron::connect(Context::new().dir(&dir)).unwrap();
        let counts = [file.counters().max_counter_id(), aeron.counters().max_counter_id()];
        assert_eq!(counts, [(LEAST / 128) as i32 - 1; 2], "{more}");
        read_errors_while_they_are_written(&file, &aeron);
        drop(aeron);
        driver.close().unwrap();
    }
}

/// The error log of a driver in this process, wherever it begins.
fn read_errors_while_they_are_written(file: &CncFile, aeron: &Aeron) {
    const ERRORS: usize = 20;
    let is_written = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !is_written.load(Ordering::Relaxed) {
                assert!(file.errors(0).iter().all(|error| !error.message.contains('\0')));
            }
        });
        for port in 0..ERRORS {
            let channel = format!("aeron:udp?endpoint=localhost:{}", 70_000 + port);
            aeron.add_publication(&channel, 1).expect_err("no such port");
        }
        is_written.store(true, Ordering::Relaxed);
        reading.join().unwrap();
    });
    let errors = file.errors(0);
    let is_whole = |error: &DistinctError| error.observation_count == 1 && error.message.contains("70");
    assert_eq!(errors.iter().filter(|error| is_whole(error)).count(), ERRORS, "{errors:#?}");
}

#[test]
fn a_file_of_another_version_is_refused_by_all_but_a_new_driver() {
    for (version, words) in [(0x0001_0203, "1.2.3"), (-1, "255.255.255")] {
        let left = Left::with(VERSION, version);
        refused("open", left.open(), words);
        refused("connect", Aeron::connect(Context::new().dir(left.dir())), words);
        refused("request", request_driver_termination(left.dir(), b"token"), words);
        left.launch().expect("the directory of a driver that is gone").close().unwrap();
    }
    Left::with(VERSION, 0x00ff).open().expect("another patch");
}

#[test]
fn a_file_that_is_not_finished_is_waited_for() {
    let whole = driver_files::cnc();
    for length in [0, 1, 24, 127, 128] {
        let left = Left::new(&whole[..length]);
        let error = left.open().expect_err("cut short");
        let words = format!("cnc.dat has only {length} bytes");
        assert!(error.kind() == ErrorKind::DriverDead && error.message().contains(&words), "{error}");
        refused("launch", left.launch(), &format!("only {length} bytes"));
    }
    refused("open", Left::new(&whole[..129]).open(), "of 129");
    let left = Left::with(VERSION, 0);
    let error = left.open().expect_err("not finished");
    assert!(error.kind() == ErrorKind::DriverDead && error.message().contains("not finished"), "{error}");

    let (begun, patience) = (Instant::now(), Duration::from_millis(20));
    let context = Context::new().dir(left.dir()).driver_timeout(patience);
    assert_eq!(Aeron::connect(context).expect_err("no driver").kind(), ErrorKind::DriverDead);
    CncFile::open(left.dir(), patience).unwrap_err();
    assert!(begun.elapsed() >= 2 * patience);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| CncFile::open(left.dir(), PATIENCE));
        let finished = left.dir().join("finished");
        std::fs::write(&finished, &whole).unwrap();
        std::fs::rename(finished, left.cnc()).unwrap();
        waiting.join().unwrap().expect("finished");
    });
}

/// A new driver reads it all the same, once it has waited for it.
#[test]
fn a_file_that_was_never_finished_is_left_to_a_new_driver_if_its_lengths_make_sense() {
    for (offset, value) in [(ERRORS, -1), (ERRORS, i32::MAX), (TO_DRIVER, i32::MAX), (ERROR_LOG, -8)] {
        let mut bytes = driver_files::cnc();
        put(&mut bytes, VERSION, 0);
        put(&mut bytes, offset, value);
        refused("launch", Left::new(&bytes).launch(), &value.to_string());
    }
    let mut created = driver_files::cnc();
    created.fill(0);
    Left::new(&created).launch().expect("a driver that died at once").close().unwrap();
}

#[test]
fn what_is_no_file_is_refused() {
    let left = Left::new(&[]);
    for make in ["mkdir", "mkfifo"] {
        std::fs::remove_file(left.cnc()).unwrap();
        assert!(std::process::Command::new(make).arg(left.cnc()).status().unwrap().success(), "{make}");
        refused("open", left.open(), "no regular file");
        refused("connect", Aeron::connect(Context::new().dir(left.dir())), "no regular file");
        refused("request", request_driver_termination(left.dir(), b"token"), "no regular file");
        refused("launch", left.launch(), "no regular file");
        if make == "mkdir" {
            std::fs::remove_dir(left.cnc()).unwrap();
            std::fs::write(left.cnc(), []).unwrap();
        }
    }
}

#[test]
fn errors_are_read_up_to_the_first_that_makes_no_sense() {
    let messages = |left: &Left| {
        let errors = left.open().unwrap().errors(0);
        errors.into_iter().map(|error| error.message).collect::<Vec<_>>()
    };
    for length in [-1, i32::MIN, -40, 1, 23] {
        assert_eq!(messages(&Left::with(SECOND_ERROR, length)), ["first error"], "{length}");
        let left = Left::with(ERROR_LOG, length);
        assert_eq!(messages(&left), [""; 0], "{length}");
        refused("launch", left.launch(), &format!("a record of {length} bytes at 0"));
    }
    for length in [153, i32::MAX] {
        let left = Left::with(SECOND_ERROR, length);
        assert_eq!(messages(&left), ["first error", "second error"], "cut where the log ends");
        refused("launch", left.launch(), &format!("a record of {length} bytes at 40"));
    }
    // What the file says of its own errors is in order: they are saved beside the directory.
    let left = Left::new(&driver_files::cnc());
    assert_eq!(messages(&left), ["first error", "second error"]);
    left.launch().unwrap().close().unwrap();
    let names = std::fs::read_dir(left.memory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let saved = names.filter(|name| name.to_string_lossy().ends_with("error.log")).count();
    assert_eq!(saved, 1);
}

#[test]
fn losses_are_read_up_to_the_first_that_makes_no_sense() {
    let left = Left::new(&driver_files::cnc());
    let file = left.open().unwrap();
    let channels = |report: &[u8]| {
        std::fs::write(left.dir().join("loss-report.dat"), report).unwrap();
        let losses = file.losses().unwrap().into_iter().map(|loss| (loss.channel, loss.source));
        losses.collect::<Vec<_>>()
    };
    let whole = driver_files::loss_report();
    let loss = |channel: &str| (format!("aeron:udp?endpoint={channel}:1"), "127.0.0.1:9".to_owned());
    assert_eq!(channels(&whole), [loss("a"), loss("b")]);
    let channel = SECOND_LOSS + CHANNEL_LENGTH;
    let source = channel + 28;
    for (offset, length) in
        [channel, source].into_iter().flat_map(|at| [-1, i32::MIN, 1_000, i32::MAX].map(|to| (at, to)))
    {
        let mut report = whole.clone();
        put(&mut report, offset, length);
        assert_eq!(channels(&report), [loss("a")], "{length} at {offset}");
    }
    for length in [SECOND_LOSS + 1, SECOND_LOSS + 39, channel + 2, source + 3, source + 14] {
        assert_eq!(channels(&whole[..length]), [loss("a")], "{length}");
    }
    assert_eq!(channels(&[]), []);
    std::fs::remove_file(left.dir().join("loss-report.dat")).unwrap();
    assert_eq!(file.losses().expect_err("none").kind(), ErrorKind::Io);
}

#[test]
fn counters_are_read_within_their_records() {
    let labels = |left: &Left| {
        let mut labels = Vec::new();
        left.open()
            .unwrap()
            .counters()
            .for_each(|counter| labels.push((counter.id, counter.value, counter.label.len())));
        labels
    };
    assert_eq!(labels(&Left::new(&driver_files::cnc())), [(0, 41, 5), (2, 43, 5)]);
    for (length, expected) in [(-1, 0), (i32::MIN, 0), (381, 380), (i32::MAX, 380)] {
        let left = Left::with(METADATA + 2 * 512 + 128, length);
        assert_eq!(labels(&left), [(0, 41, 5), (2, 43, expected)], "{length}");
        assert_eq!(left.open().unwrap().counters().label(2).map(|label| label.len()), Some(expected), "{length}");
    }
    // A state that there is none, and no end of counters.
    let left = Left::with(METADATA + 512, 1);
    assert_eq!(labels(&left), [(0, 41, 5), (1, 42, 4), (2, 43, 5)]);
    assert_eq!(labels(&Left::with(METADATA, 7)), [(2, 43, 5)]);
    let file = left.open().unwrap();
    let counters = file.counters();
    assert_eq!(counters.find_by_registration_id(1_000, 999), None);
    assert_eq!((counters.max_counter_id(), counters.state(2)), (2, Some(CounterState::Allocated)));
    assert!(counters.state(3).is_none() && counters.value(3).is_none() && counters.readable_counter(-1).is_none());
}

#[test]
fn what_is_written_over_a_description_later_changes_nothing() {
    let left = Left::new(&driver_files::cnc());
    let file = left.open().unwrap();
    let readable = file.counters().readable_counter(2).unwrap();
    let constants = file.constants();
    let mut bytes = driver_files::cnc();
    for offset in [VERSION, TO_DRIVER, TO_CLIENTS, COUNTERS_METADATA, COUNTERS_VALUES, ERRORS] {
        put(&mut bytes, offset, i32::MAX);
    }
    put(&mut bytes, VALUES + 2 * 128, 7);
    // In its place, without cutting it short.
    std::os::unix::fs::FileExt::write_all_at(
        &std::fs::File::options().write(true).open(left.cnc()).unwrap(),
        &bytes,
        0,
    )
    .unwrap();
    assert_eq!((readable.value(), file.counters().value(2)), (Some(7), Some(7)));
    assert_eq!((file.constants(), file.errors(0).len(), file.heartbeat_age().is_some()), (constants, 2, true));
}
