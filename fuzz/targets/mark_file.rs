//! A mark file that another program left: a mark file that works, or an error that names it.
#![no_main]

use std::sync::OnceLock;

use aeron_cluster::ErrorKind;
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_000_000;

fn path() -> &'static std::path::Path {
    static PATH: OnceLock<std::path::PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // In memory: it is written some thousand times a second.
        let dir = std::path::Path::new("/dev/shm");
        let dir = if dir.is_dir() { dir.to_owned() } else { std::env::temp_dir() };
        dir.join(format!("aeron-cluster-fuzz-{}", std::process::id()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    // More is only more of the same.
    if bytes.len() > 16 * 1024 || std::fs::write(path(), bytes).is_err() {
        return;
    }
    let options = Options::new(path()).wait(std::time::Duration::ZERO);
    match ClusterMarkFile::open(&options, || NOW) {
        Ok(mark) => {
            // One that is full takes no more.
            let _ = mark.error_log().record(NOW, "works");
            assert!(mark.signal_ready(NOW).is_ok());
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::State, "{error}"),
    }
});
