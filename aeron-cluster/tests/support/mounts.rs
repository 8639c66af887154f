//! File systems that only the processes of a test see.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// `unshare`, for a command that is to follow and has mounts of its own: as root, or else as root of a namespace of users.
pub fn with_own_mounts() -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    // In a chroot nothing is mounted at `/`, and what is not a mount cannot be made private.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let has_root = mounts.lines().any(|mount| mount.split(' ').nth(4) == Some("/"));
    command.args(["--mount", "--propagation", if has_root { "private" } else { "unchanged" }]);
    command
}

/// Whether the test runs as root, who needs no namespace of users, and may not make one in a chroot.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
