//! Directories that are gone when the test is, and the place of things worth keeping between runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Result};

const PREFIX: &str = "aeron-cluster-test-";
const OWNER: &str = "owner";
const ROOM_KILOBYTES: u64 = 1 << 20;

/// A directory of one test, removed when dropped.
///
/// A killed test leaves its directory behind; the next one on this machine finds that nobody holds the lock in it and
/// removes it. With `AERON_CLUSTER_TEST_KEEP` set, nothing is removed by its owner.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    _owner: File,
}

impl WorkDir {
    /// Makes a directory: in memory (`/dev/shm`) if there is room for a cluster, else below Cargo's target directory.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Io`] naming the path.
    pub fn new() -> Result<WorkDir> {
        let memory = Path::new("/dev/shm");
        if has_room(memory) { WorkDir::create(memory) } else { WorkDir::create(&target_dir().join("tmp")) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create(root: &Path) -> Result<WorkDir> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{PREFIX}{}-{number}", std::process::id()));
        let made = (|| {
            fs::create_dir_all(root)?;
            // A directory has no owner for an instant; nobody may sweep then.
            let gate = File::create(lock_dir()?.join("directories"))?;
            gate.lock()?;
            sweep(root);
            fs::create_dir(&path)?;
            let owner = File::create(path.join(OWNER))?;
            owner.lock()?;
            Ok(owner)
        })();
        let owner = made.map_err(|error: std::io::Error| Error::from(error).context(path.display()))?;
        Ok(WorkDir { path, _owner: owner })
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if std::env::var_os("AERON_CLUSTER_TEST_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Containers often give `/dev/shm` no more than 64 MB, which a driver and an archive fill.
fn has_room(dir: &Path) -> bool {
    let Ok(df) = Command::new("df").arg("-Pk").arg(dir).stderr(Stdio::null()).output() else { return false };
    let text = String::from_utf8_lossy(&df.stdout);
    let available = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    df.status.success() && available.is_some_and(|kilobytes| kilobytes > ROOM_KILOBYTES)
}

fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = File::open(entry.path().join(OWNER));
        if is_ours && owner.is_ok_and(|owner| owner.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Where the lock files of all tests on this machine are. They are empty and stay; the locks on them do not.
pub(crate) fn lock_dir() -> std::io::Result<PathBuf> {
    let dir = std::env::temp_dir().join("aeron-cluster-test-locks");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Cargo's target directory, which Cargo marks; the directory for temporary files for a program that is not in one.
pub(crate) fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let target = exe.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    target.map_or_else(std::env::temp_dir, Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_has_no_room() {
        assert!(!has_room(Path::new("/no/such/directory")));
    }

    #[test]
    fn a_dropped_directory_and_one_without_an_owner_are_removed() {
        let outer = WorkDir::new().unwrap();
        let dead = outer.path().join(format!("{PREFIX}0-0"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(OWNER), "").unwrap();

        let live = WorkDir::create(outer.path()).unwrap();
        let other = WorkDir::create(outer.path()).unwrap();
        assert!(!dead.exists());
        assert!(live.path().exists());

        let path = other.path().to_path_buf();
        drop(other);
        assert!(!path.exists());
    }
}
