//! A directory of its own for each test, and the bytes of the mark file in it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aeron_cluster::service::mark_file::{ClusterMarkFile, Options, mark_file_name};

/// A fixed moment, in ms since the epoch.
pub const NOW: i64 = 1_700_000_000_000;

/// Removed with everything in it when dropped.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("mark-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        std::fs::create_dir_all(&path).expect("temporary directory");
        Dir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn mark_file(&self) -> PathBuf {
        self.0.join(mark_file_name(0))
    }

    pub fn options(&self) -> Options {
        Options::new(self.mark_file())
    }

    pub fn open_at(&self, now_ms: i64) -> aeron_cluster::Result<ClusterMarkFile> {
        ClusterMarkFile::open(&self.options(), || now_ms)
    }

    pub fn bytes<const N: usize>(&self, offset: u64) -> [u8; N] {
        let file = OpenOptions::new().read(true).open(self.mark_file()).expect("mark file");
        let mut bytes = [0; N];
        file.read_exact_at(&mut bytes, offset).expect("bytes of the mark file");
        bytes
    }

    pub fn i32(&self, offset: u64) -> i32 {
        i32::from_le_bytes(self.bytes(offset))
    }

    pub fn i64(&self, offset: u64) -> i64 {
        i64::from_le_bytes(self.bytes(offset))
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.mark_file());
        file.expect("mark file").write_all_at(bytes, offset).expect("bytes of the mark file");
    }

    /// The reports of earlier runs' errors.
    pub fn saved_errors(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("directory").map(|entry| entry.expect("entry"));
        let reports = entries.filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("CONTAINER-") && name.ends_with("-error.log")
        });
        reports.map(|entry| std::fs::read_to_string(entry.path()).expect("report")).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}
