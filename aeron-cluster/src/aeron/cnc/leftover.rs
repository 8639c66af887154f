//! What an earlier driver left, before another takes its directory.

use std::path::Path;

use super::layout::Layout;
use super::{Mapped, Unusable};
use crate::aeron::{SharedBytes, distinct_errors};
use crate::error::Result;

/// Refuses a directory whose file C would not survive: before it deletes it, the new driver looks for a sign of life where the file says
/// that it is, and saves the errors that are in it, by the lengths that they have.
pub(crate) fn check_leftover(dir: &Path) -> Result<()> {
    look(dir).map_err(|unusable| unusable.error(dir))
}

fn look(dir: &Path) -> Result<(), Unusable> {
    let bytes = match Mapped::map(dir) {
        Ok(bytes) => bytes,
        Err(unusable @ Unusable::Corrupt(_)) => return Err(unusable),
        // C says what is wrong with it, or nothing is.
        Err(_) => return Ok(()),
    };
    match Layout::read(&bytes) {
        // One that its driver never finished is read as if it had.
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
