//! What fuzz targets reach of what is private (`fuzz/`).

use std::path::Path;

use crate::error::Result;
use crate::service::framed::fuzzing;

/// Decodes a message of an archive, as an answer and as a signal.
pub fn archive_answer(message: &[u8]) {
    crate::archive::decode_answer(message);
}

/// Reads a framed snapshot of this name, of any version, whose parts are these.
pub fn read_framed(name: &str, parts: Vec<Vec<u8>>) -> Result<Vec<u8>> {
    fuzzing::read(name, parts)
}

/// Parts of a framed snapshot, of these kinds and bodies, with the checksums that they must have.
pub fn sealed(parts: &[(u8, &[u8])]) -> Vec<Vec<u8>> {
    fuzzing::sealed(parts)
}

/// What a media driver looks at before it takes a directory.
pub fn check_leftover(dir: &Path) -> Result<()> {
    crate::aeron::check_leftover(dir)
}
