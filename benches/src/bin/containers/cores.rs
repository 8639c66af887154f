//! Reserves a core for a spinning thread: everything else stays off it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Runs `work`, and what it starts, on all cores but the last. If there is only one core, on that.
pub fn without_last<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = allowed()?;
    // A list such as `0,2-3`.
    let at = all.rfind([',', '-']).unwrap_or(0);
    let rest = match all[at..].strip_prefix('-') {
        Some(last) => format!("{}-{}", &all[..at], last.parse::<u32>()?.saturating_sub(1)),
        None => all[..at].to_owned(),
    };
    if !rest.is_empty() {
        allow(&rest)?;
    }
    let outcome = work();
    allow(&all)?;
    outcome
}

/// The cores that this program may use.
fn allowed() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(line.context("no Cpus_allowed_list in /proc/self/status")?.trim().to_owned())
}

/// Restricts all threads of this process, and what they start from now on, to these cores.
fn allow(cores: &str) -> Result<()> {
    let pid = std::process::id().to_string();
    let output = Command::new("taskset")
        .args(["--all-tasks", "--pid", "--cpu-list", cores, &pid])
        .output()
        .context("taskset")?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
