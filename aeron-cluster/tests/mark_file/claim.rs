//! Who may claim a mark file, and when.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};

use crate::dir::{Dir, NOW};

const OWNER_MARK: u64 = 8192 - 32;
const DIR_OF_CHILD: &str = "MARK_FILE_TEST_DIR";

fn assert_active(dir: &Dir, now_ms: i64, why: &str) {
    let error = dir.open_at(now_ms).expect_err(why);
    let start = format!("active mark file detected: {}", dir.mark_file().display());
    assert!(error.kind() == ErrorKind::State && error.message().starts_with(&start), "{why}: {error}");
}

#[test]
fn a_living_owner_keeps_its_file_even_when_it_hangs() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    assert_active(&dir, NOW, "starting");
    mark.signal_ready(NOW).expect("forced");
    assert_active(&dir, NOW + 1, "running");
    assert_active(&dir, NOW + 60_000, "hanging");
    mark.signal_terminated().expect("forced");
    dir.open_at(NOW + 2).expect("it ended, though its value still lives");
}

#[test]
fn a_clock_that_panics_leaves_the_file_to_the_next() {
    let dir = Dir::new();
    for panics_at in 0.. {
        let asked = std::cell::Cell::new(0);
        let clock = || {
            if asked.replace(asked.get() + 1) == panics_at {
                std::panic::panic_any("clock");
            }
            NOW
        };
        let options = Options::new(dir.mark_file());
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ClusterMarkFile::open(&options, clock)));
        let Err(payload) = opened else {
            assert!(panics_at > 0, "it asks for the time");
            break;
        };
        assert_eq!(payload.downcast_ref(), Some(&"clock"));
        dir.open_at(NOW).expect("nobody has it").signal_ready(NOW).expect("forced");
    }
}

#[test]
fn without_our_mark_an_owner_is_dead_after_ten_seconds() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    mark.signal_ready(NOW).expect("forced");
    drop(mark);
    dir.write(OWNER_MARK, &[0; 8]);
    assert_active(&dir, NOW + 9_999, "alive by Java's rule");
    dir.open_at(NOW + 10_000).expect("dead by Java's rule");
}

#[test]
fn a_java_owner_that_took_our_file_over_is_not_taken_for_ours() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    mark.signal_ready(NOW).expect("forced");
    drop(mark);
    dir.write(24, &(NOW + 77).to_le_bytes());
    assert_active(&dir, NOW + 100, "another start timestamp than ours");
    dir.write(24, &NOW.to_le_bytes());
    dir.write(16, &i64::MAX.to_le_bytes());
    assert_active(&dir, NOW + 60_000, "Java claims it at this moment");
    dir.write(16, &(i64::MAX - 1).to_le_bytes());
    dir.write(OWNER_MARK, &[0; 8]);
    dir.open_at(NOW).expect("ours died while it claimed the file");
}

#[test]
fn one_of_many_gets_the_file() {
    for _ in 0..20 {
        let dir = Dir::new();
        let barrier = Barrier::new(8);
        let claim = || {
            barrier.wait();
            dir.open_at(NOW)
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| outcome.is_ok());
        assert_eq!((winners.len(), losers.len()), (1, 7));
        for loser in losers {
            let error = loser.expect_err("a loser");
            assert!(error.message().contains("mark file"), "{error}");
        }
    }
}

#[test]
fn waiting_ends_when_the_owner_does() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    mark.signal_ready(NOW).expect("forced");
    let waiting = dir.options().wait(Duration::from_secs(60));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| ClusterMarkFile::open(&waiting, || NOW + 1));
        mark.signal_terminated().expect("forced");
        waiter.join().expect("no panic").expect("the owner ended");
    });
}

#[test]
fn waiting_ends_in_time() {
    let dir = Dir::new();
    let _mark = dir.open_at(NOW).expect("new file");
    let started = Instant::now();
    let waiting = dir.options().wait(Duration::from_millis(50));
    let error = ClusterMarkFile::open(&waiting, || NOW).expect_err("its owner lives");
    assert!(error.message().starts_with("active mark file detected: "), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(50));
}

/// Not a test: the process that the next tests kill.
#[test]
fn child_that_owns_a_mark_file() {
    let Some(dir) = std::env::var_os(DIR_OF_CHILD) else {
        return;
    };
    let options = aeron_cluster::service::mark_file::Options::new(dir);
    let mark = ClusterMarkFile::open(&options, || NOW).expect("mark file");
    if std::env::var_os("MARK_FILE_TEST_READY").is_some() {
        mark.signal_ready(NOW).expect("forced");
    }
    println!("\nowned");
    loop {
        std::thread::park();
    }
}

/// Runs this test binary's [`child_that_owns_a_mark_file`] until it owns the file.
fn spawn_owner(dir: &Dir, ready: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "claim::child_that_owns_a_mark_file", "--nocapture"]);
    command.env(DIR_OF_CHILD, dir.mark_file()).stdout(Stdio::piped());
    if ready {
        command.env("MARK_FILE_TEST_READY", "1");
    }
    // SAFETY: prctl(2) is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let mut child = command.spawn().expect("child");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let owned = lines.map_while(Result::ok).any(|line| line == "owned");
    assert!(owned, "the child ended before it owned the file");
    child
}

#[test]
fn a_killed_container_is_replaced_at_once() {
    for ready in [true, false] {
        let dir = Dir::new();
        let mut child = spawn_owner(&dir, ready);
        assert_active(&dir, NOW + 1, "the child lives");
        child.kill().expect("killed");
        child.wait().expect("reaped");
        let mark = dir.open_at(NOW + 2).expect("its death is proven");
        assert_eq!(dir.i64(24), NOW + 2);
        drop(mark);
    }
}

/// A limit on file sizes stands for a full disk: the same call fails, for the same reason.
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_behind() {
    if let Some(dir) = std::env::var_os("MARK_FILE_TEST_FULL") {
        let options = aeron_cluster::service::mark_file::Options::new(dir);
        let error = ClusterMarkFile::open(&options, || NOW).expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
        assert!(error.message().contains("cannot allocate 1056768 bytes on the disk"), "{error}");
        return;
    }
    let dir = Dir::new();
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact claim::a_full_disk_is_an_error_and_leaves_nothing_behind",
        ])
        .arg(std::env::current_exe().expect("this binary"))
        .env("MARK_FILE_TEST_FULL", dir.mark_file())
        .output()
        .expect("sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert!(!dir.mark_file().exists());
}
