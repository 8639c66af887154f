//! Ports that no other test on this machine is using.

use std::fs::{File, OpenOptions};
use std::net::UdpSocket;

use super::dirs::lock_dir;
use crate::{Error, ErrorKind, Result};

const FIRST: u16 = 10_000;
/// Above it begins the range from which Linux hands out ports by itself.
const END: u16 = 32_000;

/// A block of [`SIZE`](Self::SIZE) consecutive ports, free when it was reserved, and kept from other tests of this machine
/// until it is dropped, by a lock on a file (which a killed process loses, so nothing stays behind).
#[derive(Debug)]
pub struct PortBlock {
    first: u16,
    _lock: File,
}

impl PortBlock {
    /// How many ports a block has.
    pub const SIZE: u16 = 10;

    /// Reserves a block.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when the lock files cannot be made, [`ErrorKind::State`] when no block is left.
    pub fn reserve() -> Result<PortBlock> {
        let dir = lock_dir().map_err(|error| Error::from(error).context("the directory of lock files"))?;
        let blocks = (END - FIRST) / Self::SIZE;
        // Processes begin at different places, so that they seldom meet.
        let offset = u16::try_from(std::process::id() % u32::from(blocks)).unwrap_or(0);
        for i in 0..blocks {
            let first = FIRST + (offset + i) % blocks * Self::SIZE;
            let path = dir.join(format!("port-{first}"));
            let lock = OpenOptions::new().create(true).append(true).open(&path);
            let lock = lock.map_err(|error| Error::from(error).context(path.display()))?;
            if lock.try_lock().is_ok() && is_free(first) {
                return Ok(PortBlock { first, _lock: lock });
            }
        }
        Err(Error::new(ErrorKind::State, format!("no {} free UDP ports in a row in {FIRST}..{END}", Self::SIZE)))
    }

    /// The port number `index` of the block.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`SIZE`](Self::SIZE).
    pub fn port(&self, index: u16) -> u16 {
        assert!(index < Self::SIZE, "a block has {} ports, there is no number {index}", Self::SIZE);
        self.first + index
    }
}

fn is_free(first: u16) -> bool {
    (first..first + PortBlock::SIZE).all(|port| UdpSocket::bind(("0.0.0.0", port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap() {
        let one = PortBlock::reserve().unwrap();
        let two = PortBlock::reserve().unwrap();
        assert!(one.port(0).abs_diff(two.port(0)) >= PortBlock::SIZE);
    }

    #[test]
    fn a_block_with_a_used_port_is_passed_over() {
        let block = PortBlock::reserve().unwrap();
        let _user = UdpSocket::bind(("0.0.0.0", block.port(3))).unwrap();
        assert!(!is_free(block.port(0)));
    }
}
