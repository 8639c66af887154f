//! Files: a container's, and a media driver's.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{CncFile, request_driver_termination};
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};
use aeron_cluster::testing::fuzzing;

use super::super::driver_files;

/// What is longer is only more of the same.
pub const LONGEST_FILE: usize = 16 * 1024;

/// A mark file that another program left: a mark file that works, or an error that names it.
pub fn mark_file(bytes: &[u8]) {
    const NOW: i64 = 1_000_000;
    let dir = Dir::new();
    if !dir.has("mark", bytes) {
        return;
    }
    let options = Options::new(dir.0.join("mark")).wait(Duration::ZERO);
    match ClusterMarkFile::open(&options, || NOW) {
        Ok(mark) => {
            // One that is full takes no more.
            let _ = mark.error_log().record(NOW, "works");
            assert!(mark.signal_ready(NOW).is_ok());
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::State, "{error}"),
    }
}

/// A driver's file: one that is read within its bounds, or an error that names it.
pub fn cnc(bytes: &[u8]) {
    let dir = Dir::new();
    if !dir.has("cnc.dat", bytes) {
        return;
    }
    let _refused = fuzzing::check_leftover(&dir.0);
    let file = match CncFile::open(&dir.0, Duration::ZERO) {
        Ok(file) => file,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::DriverDead | ErrorKind::Protocol), "{error}");
            return assert!(error.message().contains("cnc.dat"), "{error}");
        }
    };
    assert!(file.constants().error_log_buffer_length < bytes.len());
    let counters = file.counters();
    counters.for_each(|counter| {
        assert!(counter.key.len() == 112 && counter.label.len() <= 3 * 380);
        let found =
            counters.registration_id(counter.id).and_then(|of| counters.find_by_registration_id(counter.type_id, of));
        assert!(found.is_some_and(|id| id <= counter.id));
        assert_eq!(counters.readable_counter(counter.id).and_then(|readable| readable.value()), Some(counter.value));
    });
    assert_eq!(counters.state(counters.max_counter_id() + 1), None);
    // What is not text becomes three bytes for each of its own.
    assert!(file.errors(0).iter().map(|error| error.message.len()).sum::<usize>() <= 3 * bytes.len());
    assert!(!format!("{file:?}").is_empty());
    let _asked = request_driver_termination(&dir.0, b"token");
}

/// A driver's report of losses.
pub fn loss_report(bytes: &[u8]) {
    let dir = Dir::new();
    if dir.has("cnc.dat", &driver_files::cnc()) && dir.has("loss-report.dat", bytes) {
        let file = CncFile::open(&dir.0, Duration::ZERO).expect("a driver's file");
        let losses = file.losses().expect("a file that is there");
        assert!(losses.iter().map(|loss| loss.channel.len() + loss.source.len()).sum::<usize>() <= 3 * bytes.len());
    }
}

/// A directory, for a moment.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        let _exists = std::fs::create_dir(path());
        Dir(path().to_owned())
    }

    fn has(&self, name: &str, bytes: &[u8]) -> bool {
        bytes.len() <= LONGEST_FILE && std::fs::write(self.0.join(name), bytes).is_ok()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // In memory: it is written some thousand times a second.
        let dir = Path::new("/dev/shm");
        let dir = if dir.is_dir() { dir.to_owned() } else { std::env::temp_dir() };
        dir.join(format!("aeron-cluster-fuzz-{}", std::process::id()))
    })
}
