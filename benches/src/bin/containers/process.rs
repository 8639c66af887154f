//! CPU time and memory of a process, from the kernel.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The kernel reports CPU time in hundredths of a second on every machine (`USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// The CPU time of all threads of a process, including ended ones, such as compiler threads of a JVM.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Skips the name of the program, which may contain any character. State is the third field, utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(") ").context("no program in /proc/PID/stat")?;
    let ticks: Vec<u32> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_secs(1) * ticks.iter().sum() / TICKS_PER_SECOND)
}

/// The anonymous resident memory of a process, in bytes.
pub fn anonymous_memory(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).context("no Anonymous in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
