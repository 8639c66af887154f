//! What the kernel knows of a process.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The CPU time that all threads of a process have had.
pub fn cpu(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// The memory of a process that is no file's, in bytes.
pub fn anonymous_memory(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).context("no Anonymous in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
