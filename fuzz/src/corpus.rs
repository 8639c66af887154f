//! What real clusters wrote, for the targets to start from: the files of `fuzz/corpus`, which `./ci/fuzz record` makes.

use std::path::{Path, PathBuf};

/// Where the files of a target are.
pub fn dir(target: &str) -> PathBuf {
    // The package of whoever includes this stands beside fuzz/, or is it.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// The files of a target, by their names.
pub fn of(target: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let mut paths = match std::fs::read_dir(dir(target)) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?,
        // Not of every target was anything recorded.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    paths.sort();
    paths.iter().map(std::fs::read).collect()
}
