//! All targets.

use super::{seeds, targets};

/// A target of this name, in `fuzz/targets` too.
pub struct Target {
    pub name: &'static str,
    /// Has a decoder read these bytes, and looks at what comes of it.
    pub run: fn(&[u8]),
    /// Inputs made by hand.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many changes of each of these the short run tries.
    pub changes: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>, changes: usize) -> Target {
    Target { name, run, seeds, changes }
}

/// The only list of them: `ci/fuzz` and the short run in `aeron-cluster/tests/fuzzing.rs` go by it.
pub const ALL: [Target; 15] = [
    target("log", targets::log, seeds::log, 2_000),
    target("control", targets::control, seeds::control, 2_000),
    target("clients", targets::clients, seeds::clients, 2_000),
    target("snapshot", targets::snapshot, seeds::snapshot, 2_000),
    target("snapshot_load", targets::snapshot_load, seeds::snapshot_load, 2_000),
    target("framed", targets::framed, seeds::framed, 5_000),
    target("recovery_state", targets::recovery_state, seeds::recovery_state, 2_000),
    target("archive", targets::archive, seeds::archive, 1_000),
    // Each is a log.
    target("term", targets::term, seeds::term, 500),
    target("uri", targets::uri, seeds::uri, 2_000),
    target("endpoints", targets::endpoints, seeds::endpoints, 2_000),
    target("settings", targets::settings, seeds::settings, 2_000),
    // Each is a file.
    target("mark_file", targets::mark_file, seeds::mark_file, 300),
    target("cnc", targets::cnc, seeds::cnc, 3_000),
    target("loss_report", targets::loss_report, seeds::loss_report, 1_000),
];
