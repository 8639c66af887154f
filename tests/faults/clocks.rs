//! Wall clocks that are set, each for one process, by libfaketime. The clock that only goes forward stays as it is: nobody can set that.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aeron_cluster::testing::{PATIENCE, Part, TestCluster, WorkDir, wait_until};
use anyhow::{Context as _, Result};

use crate::fault::Victim;
use crate::loaded::{MEMBERS, replicas_with};
use crate::random::Random;
use crate::rig::{Extra, Rig, impatient};

/// So often, in seconds, a process looks whether its clock was set.
const CACHE_S: u64 = 1;
/// What the clocks bring about shows within this time: the longest of the time-outs, that of a dead driver.
const EFFECT: Duration = Duration::from_secs(11);
/// Where mark files have the time of the last activity.
const ACTIVITY_OFFSET: u64 = 16;

/// A file for each process, or for each member, which says how far the clock is off.
pub struct Clocks {
    dir: WorkDir,
    is_of_member: bool,
}

impl Clocks {
    fn set(&self, member: usize, victim: Victim, seconds: i64) -> Result<()> {
        let file = file(self.dir.path(), member, victim, self.is_of_member);
        // All who read it see it change at the same moment.
        let new = file.with_extension("new");
        fs::write(&new, format!("{seconds:+}"))?;
        Ok(fs::rename(new, file)?)
    }
}

/// A process that is killed leaves behind what libfaketime made for it in memory.
impl Drop for Clocks {
    fn drop(&mut self) {
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix("faketime_shm_").or_else(|| name.strip_prefix("sem.faketime_sem_"));
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn file(dir: &Path, member: usize, victim: Victim, is_of_member: bool) -> PathBuf {
    dir.join(if is_of_member { format!("clock-{member}") } else { format!("clock-{victim}-{member}") })
}

/// With `is_of_member`, the processes of a member have one clock, as those of a machine have. They look at it each time; else each second,
/// which is cheaper.
pub fn start(is_of_member: bool) -> Result<(TestCluster, Extra)> {
    let clocks = Clocks { dir: WorkDir::new()?, is_of_member };
    for member in 0..MEMBERS {
        Victim::ALL.iter().try_for_each(|victim| clocks.set(member, *victim, 0))?;
    }
    let (library, dir) = (library()?, clocks.dir.path().to_path_buf());
    let with_clock = move |member: usize, victim: Victim, mut command: Command| {
        command.env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", file(&dir, member, victim, is_of_member));
        match is_of_member {
            true => command.env("FAKETIME_NO_CACHE", "1"),
            false => command.env("FAKETIME_CACHE_DURATION", CACHE_S.to_string()),
        };
        // Without the second, threads of Java that wait for a time never wake up.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_FORCE_MONOTONIC_FIX", "0");
        command
    };
    let of_service = with_clock.clone();
    let builder = replicas_with(move |place, command| of_service(place.member(), Victim::Service, command))?;
    let cluster = impatient(builder)
        .server_command(move |member, part, command| with_clock(member, Victim::Server(part), command))
        .start()?;
    Ok((cluster, Extra::Clocks(clocks)))
}

fn library() -> Result<PathBuf> {
    let dirs = fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path());
    let found = dirs.map(|dir| dir.join("faketime/libfaketimeMT.so.1")).find(|file| file.is_file());
    found.context("no libfaketimeMT.so.1 below /usr/lib: install the package faketime (./ci/setup tests does)")
}

pub fn run(rig: &mut Rig, victims: &[Victim], seconds: i64, random: &mut Random) -> Result<String> {
    let (member, role) = rig.choose(random)?;
    set(rig, member, victims, seconds)?;
    let set_at = Instant::now();
    let ended = wait_until("what the clock brings about", PATIENCE, || {
        let is_over = |rig: &mut Rig, victim| rig.is_running(member, victim).unwrap_or(false);
        let running = Victim::ALL.map(|victim| is_over(rig, victim));
        if running.contains(&false) {
            return Ok(ControlFlow::Break(true));
        }
        let is_late = set_at.elapsed() > EFFECT + Duration::from_secs(CACHE_S);
        Ok(if is_late { ControlFlow::Break(false) } else { ControlFlow::Continue(set_at.elapsed().as_secs()) })
    })?;
    let seen = if ended {
        rig.await_end(member, Victim::Service)?;
        let words = rig.last_words(member)?;
        // A consensus module whose own clock stands in the past waits for it.
        let is_left = rig.await_end(member, Victim::Server(Part::ConsensusModule)).is_err();
        if is_left { format!("{words}; consensus module went on, and was killed") } else { words }
    } else {
        rig.loaded.settle()?;
        await_sign_of_life(rig, member)?;
        "everything went on".to_owned()
    };
    // A clock that is set right again is one more fault. So the member begins anew.
    rig.cluster().kill_member(member);
    set(rig, member, victims, 0)?;
    rig.cluster().start()?;
    Ok(format!("member {member} ({role}): {seen}"))
}

fn set(rig: &Rig, member: usize, victims: &[Victim], seconds: i64) -> Result<()> {
    match &rig.extra {
        Extra::Clocks(clocks) => victims.iter().try_for_each(|victim| clocks.set(member, *victim, seconds)),
        _ => Ok(()),
    }
}

/// The mark file of a service that runs says so every second, whatever its clock shows.
fn await_sign_of_life(rig: &mut Rig, member: usize) -> Result<()> {
    let path = rig.cluster().cluster_dir(member).join("cluster-mark-service-0.dat");
    let mut first = None;
    let mark_file = fs::File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(wait_until("a sign of life in the mark file of the service", PATIENCE, || {
        let mut activity = [0; 8];
        mark_file.read_exact_at(&mut activity, ACTIVITY_OFFSET)?;
        let is_new = *first.get_or_insert(activity) != activity;
        Ok(if is_new { ControlFlow::Break(()) } else { ControlFlow::Continue(activity) })
    })?)
}
