//! A driver's file that was looked at: one to read, or the reason why not.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::layout::Layout;
use super::unusable::Unusable;
use crate::aeron::shared_bytes::SharedBytes;
use crate::error::Result;

/// The file in the driver's directory (`AERON_CNC_FILE`).
pub(super) const FILE_NAME: &str = "cnc.dat";
/// How often a file that is not there is looked for.
pub(in crate::aeron) const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A driver's file, whose parts lie within it.
pub(in crate::aeron) struct Mapped {
    pub(super) path: PathBuf,
    pub(super) bytes: SharedBytes,
    pub(super) layout: Layout,
}

impl Mapped {
    /// Looks at the file of the driver in `dir`, once.
    pub(in crate::aeron) fn look(dir: &Path) -> Result<Mapped, Unusable> {
        let bytes = Mapped::map(dir)?;
        let layout = Layout::read(&bytes)?;
        Ok(Mapped { path: dir.join(FILE_NAME), bytes, layout })
    }

    /// Maps it, whatever it is.
    pub(super) fn map(dir: &Path) -> Result<SharedBytes, Unusable> {
        SharedBytes::open(&dir.join(FILE_NAME)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Unusable::Absent,
            io::ErrorKind::InvalidInput => Unusable::Corrupt(error.to_string()),
            _ => Unusable::Unreadable(error),
        })
    }

    /// Looks for it, for at most `patience` if it is not there or not finished.
    pub(super) fn open(dir: &Path, patience: Duration) -> Result<Mapped> {
        let begun = Instant::now();
        loop {
            match Mapped::look(dir) {
                Ok(mapped) => return Ok(mapped),
                Err(unusable) if !unusable.may_pass() || begun.elapsed() >= patience => {
                    return Err(unusable.error(dir));
                }
                Err(_) => std::thread::sleep(POLL_INTERVAL),
            }
        }
    }

    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Descriptions and values of the counters.
    pub(super) fn counters(&self) -> (*mut [u8], *mut [u8]) {
        let part = |range: &std::ops::Range<usize>| {
            // `Layout::read` has found it within the map.
            let start = self.bytes.as_mut_ptr().wrapping_add(range.start);
            std::ptr::slice_from_raw_parts_mut(start, range.len())
        };
        (part(&self.layout.counters_metadata), part(&self.layout.counters_values))
    }

    /// Age of the driver's last heartbeat; `None` if it has ended cleanly, or has not started.
    pub(in crate::aeron) fn heartbeat_age(&self) -> Option<Duration> {
        let heartbeat = self.bytes.read_i64(self.layout.heartbeat())?;
        // Negative when the driver has ended, 0 before its first heartbeat.
        let heartbeat = u64::try_from(heartbeat).ok().filter(|millis| *millis > 0)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(now.saturating_sub(Duration::from_millis(heartbeat)))
    }
}
