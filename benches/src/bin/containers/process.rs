//! CPU time and memory of a process, from the kernel.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The CPU time of all threads of a process, including ended ones, such as compiler threads of a JVM. In nanoseconds: `/proc` has it in hundredths
/// of a second, which is a tenth of what some runs take.
#[cfg(target_os = "linux")]
pub fn cpu(pid: u32) -> Result<Duration> {
    use std::io::Error;

    use anyhow::ensure;

    let no_such = || format!("no CPU time of process {pid}");
    let mut clock = 0;
    // SAFETY: the id of the clock is written to a variable of that type, which outlives the call.
    let code = unsafe { libc::clock_getcpuclockid(libc::pid_t::try_from(pid)?, &mut clock) };
    ensure!(code == 0, "{}: {}", no_such(), Error::from_raw_os_error(code));
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a variable of that type, which outlives the call.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    ensure!(result == 0, "{}: {}", no_such(), Error::last_os_error());
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}

/// Other systems have no clock of another process; this still compiles there.
#[cfg(not(target_os = "linux"))]
pub fn cpu(pid: u32) -> Result<Duration> {
    anyhow::bail!("no CPU time of process {pid}: it is read on Linux only")
}

/// The anonymous resident memory of a process, in bytes.
pub fn anonymous_memory(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).context("no Anonymous in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
