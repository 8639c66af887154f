//! What an earlier driver left, before another takes its directory.

use std::path::Path;

use super::layout::Layout;
use super::{Mapped, Unusable};
use crate::aeron::{SharedBytes, distinct_errors};
use crate::error::Result;

/// Refuses a directory whose file would crash C: before deleting the file, the new driver reads the heartbeat at the place that the
/// file gives, and saves its logged errors by the lengths that these give, both unchecked.
pub(crate) fn check_leftover(dir: &Path) -> Result<()> {
    look(dir).map_err(|unusable| unusable.error(dir))
}

fn look(dir: &Path) -> Result<(), Unusable> {
    let bytes = match Mapped::map(dir) {
        Ok(bytes) => bytes,
        Err(unusable @ Unusable::Corrupt(_)) => return Err(unusable),
        // Either C reports it, or there is nothing wrong.
        Err(_) => return Ok(()),
    };
    match Layout::read(&bytes) {
        // C reads a file that its driver never finished as if it were complete.
        Ok(_) | Err(Unusable::NotReady) => check_errors(&bytes),
        Err(Unusable::Version(_)) => Ok(()),
        Err(Unusable::Short(length)) => Err(Unusable::Corrupt(format!("it has only {length} bytes"))),
        Err(unusable) => Err(unusable),
    }
}

fn check_errors(bytes: &SharedBytes) -> Result<(), Unusable> {
    let log = Layout::error_log(bytes)?;
    distinct_errors::flaw(bytes, log.start, log.len()).map_or(Ok(()), |flaw| Err(Unusable::Corrupt(flaw)))
}
