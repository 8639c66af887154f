//! The mapped bytes of a file that other processes write: untrusted, and only read within bounds.
//!
//! Every access goes through atomics or raw copies: no reference to the mapped bytes exists.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};

/// A shared map of a file. Reading a file that was truncated after it was mapped is a SIGBUS, which no check prevents.
pub(crate) struct SharedBytes {
    map: MmapRaw,
}

impl SharedBytes {
    /// The map must only be accessed through this value and, if it was mapped for writing, through its pointer.
    pub(crate) fn new(map: MmapRaw) -> SharedBytes {
        SharedBytes { map }
    }

    /// Maps a whole file for reading.
    pub(crate) fn open(path: &Path) -> io::Result<SharedBytes> {
        // If the path is a pipe, opening it must not wait for a writer.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok(SharedBytes { map: MmapOptions::new().map_raw_read_only(&file)? })
    }

    /// The number of bytes mapped.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// The first mapped byte, which is at the start of a page.
    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// Writes the map through to the storage device (`msync`).
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.map.flush()
    }

    /// Whether all `length` bytes at `offset` are mapped.
    pub(crate) fn holds(&self, offset: usize, length: usize) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.len())
    }

    /// Copies `length` bytes at `offset` out of the map; `None` beyond its end.
    pub(crate) fn read(&self, offset: usize, length: usize) -> Option<Vec<u8>> {
        if !self.holds(offset, length) {
            return None;
        }
        let mut bytes = vec![0; length];
        // SAFETY: both ranges are valid for `length` bytes and cannot overlap: one was just allocated.
        unsafe { self.map.as_ptr().add(offset).copy_to_nonoverlapping(bytes.as_mut_ptr(), length) };
        Some(bytes)
    }

    /// The 32 bits at `offset`; `None` beyond the end. At an aligned offset this is an acquiring load. At others a concurrent write
    /// may be seen in part, with some old and some new bytes.
    pub(crate) fn read_i32(&self, offset: usize) -> Option<i32> {
        if offset.is_multiple_of(4) && self.holds(offset, 4) {
            // SAFETY: in bounds and aligned (maps begin on a page), valid while `self` lives.
            return Some(acquire_i32(unsafe { &*self.as_mut_ptr().add(offset).cast::<AtomicI32>() }));
        }
        self.read_anywhere(offset).map(i32::from_le_bytes)
    }

    /// As [`SharedBytes::read_i32`], of 64 bits.
    pub(crate) fn read_i64(&self, offset: usize) -> Option<i64> {
        if offset.is_multiple_of(8) && self.holds(offset, 8) {
            // SAFETY: as in `read_i32`.
            return Some(acquire_i64(unsafe { &*self.as_mut_ptr().add(offset).cast::<AtomicI64>() }));
        }
        self.read_anywhere(offset).map(i64::from_le_bytes)
    }

    /// Bytes at any offset, each by an acquiring load, since a driver in this process may be writing them.
    fn read_anywhere<const LENGTH: usize>(&self, offset: usize) -> Option<[u8; LENGTH]> {
        if !self.holds(offset, LENGTH) {
            return None;
        }
        let bytes = std::array::from_fn(|index| {
            // SAFETY: in bounds, as was just looked at, and valid while `self` lives.
            unsafe { &*self.as_mut_ptr().add(offset + index).cast::<AtomicU8>() }.load(BEFORE_FENCE)
        });
        fence(Ordering::Acquire);
        Some(bytes)
    }
}

/// ThreadSanitizer does not model fences: under it (`ci/sanitize --thread`) the load itself must acquire.
const BEFORE_FENCE: Ordering = if cfg!(thread_sanitizer) { Ordering::Acquire } else { Ordering::Relaxed };

/// An acquiring load from memory that may be read-only, where only relaxed loads are defined: a relaxed load and a fence.
#[inline]
pub(super) fn acquire_i64(cell: &AtomicI64) -> i64 {
    let value = cell.load(BEFORE_FENCE);
    fence(Ordering::Acquire);
    value
}

/// As [`acquire_i64`].
#[inline]
pub(super) fn acquire_i32(cell: &AtomicI32) -> i32 {
    let value = cell.load(BEFORE_FENCE);
    fence(Ordering::Acquire);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_any_offset_and_not_beyond_the_end() {
        let bytes: Vec<u8> = (1..=19).collect();
        let mut map = MmapOptions::new().len(bytes.len()).map_anon().unwrap();
        map.copy_from_slice(&bytes);
        let shared = SharedBytes::new(map.into());
        for offset in (0..=20).chain([usize::MAX - 3, usize::MAX]) {
            let four = shared.read_i32(offset).map(i32::to_le_bytes);
            assert_eq!(four.as_ref().map(<[u8; 4]>::as_slice), bytes.get(offset..offset.saturating_add(4)), "{offset}");
            let eight = shared.read_i64(offset).map(i64::to_le_bytes);
            assert_eq!(
                eight.as_ref().map(<[u8; 8]>::as_slice),
                bytes.get(offset..offset.saturating_add(8)),
                "{offset}"
            );
        }
    }
}
