//! The mapped bytes of a mark file, shared with other processes.
//!
//! Every access goes through atomics or raw copies: no reference to the mapped bytes exists, because Java processes write
//! them at any time.
#![allow(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("mark files are little endian and their fields are accessed in place; this target is big endian");

use std::fs::File;
use std::sync::atomic::{AtomicI32, AtomicI64};

use memmap2::MmapOptions;

use crate::aeron::SharedBytes;
use crate::{Error, ErrorKind, Result};

/// A shared, writable map of a file.
pub(crate) struct Region {
    bytes: SharedBytes,
}

impl Region {
    /// Maps the first `mapped` bytes of `file`, after allocating disk space for the first `allocated` of them: on a full disk,
    /// writing to a hole through a map is a SIGBUS, which kills the process. Bytes beyond `allocated` may only be read.
    pub(crate) fn allocate_and_map(file: &File, allocated: usize, mapped: usize) -> Result<Region> {
        allocate(file, allocated as u64)?;
        let map = MmapOptions::new().len(mapped).map_raw(file)?;
        Ok(Region { bytes: SharedBytes::new(map) })
    }

    /// The number of bytes mapped.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The 32-bit field at `offset`.
    ///
    /// # Panics
    /// If the field is not aligned and within the map, which is a mistake of the caller as with a slice's index.
    pub(crate) fn i32_at(&self, offset: usize) -> &AtomicI32 {
        assert!(offset.is_multiple_of(4) && self.bytes.holds(offset, 4), "field at {offset} of {}", self.len());
        // SAFETY: in bounds and aligned (maps begin on a page), valid while `self` lives, and never accessed but through
        // atomics while shared; `AtomicI32::from_ptr` asks for no more.
        unsafe { AtomicI32::from_ptr(self.bytes.as_mut_ptr().add(offset).cast()) }
    }

    /// The 64-bit field at `offset`.
    ///
    /// # Panics
    /// If the field is not aligned and within the map, which is a mistake of the caller as with a slice's index.
    pub(crate) fn i64_at(&self, offset: usize) -> &AtomicI64 {
        assert!(offset.is_multiple_of(8) && self.bytes.holds(offset, 8), "field at {offset} of {}", self.len());
        // SAFETY: as in `i32_at`.
        unsafe { AtomicI64::from_ptr(self.bytes.as_mut_ptr().add(offset).cast()) }
    }

    /// The same bytes, to be read at any place.
    pub(crate) fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// Copies `bytes` into the map; the caller publishes them with a releasing store.
    ///
    /// # Panics
    /// If the range is not within the map, which is a mistake of the caller as with a slice's index.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(self.bytes.holds(offset, bytes.len()), "{} bytes at {offset} of {}", bytes.len(), self.len());
        // SAFETY: both ranges are valid for the length, and cannot overlap: no slice of the mapped bytes is ever made.
        unsafe { self.bytes.as_mut_ptr().add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Sets `length` bytes at `offset` to zero.
    ///
    /// # Panics
    /// If the range is not within the map, which is a mistake of the caller as with a slice's index.
    pub(crate) fn zero(&self, offset: usize, length: usize) {
        assert!(self.bytes.holds(offset, length), "{length} bytes at {offset} of {}", self.len());
        // SAFETY: the range is within the map, which is writable.
        unsafe { self.bytes.as_mut_ptr().add(offset).write_bytes(0, length) };
    }

    /// Writes the map through to the storage device (`msync`).
    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.bytes.flush()?)
    }
}

/// Allocates disk space for the first `length` bytes of `file`, without changing their contents.
#[cfg(not(target_vendor = "apple"))]
fn allocate(file: &File, length: u64) -> Result<()> {
    use std::os::fd::AsRawFd;
    let end = libc::off_t::try_from(length).map_err(|_| too_long(length))?;
    loop {
        // SAFETY: the descriptor is open and owned by `file`; posix_fallocate(3) touches no memory of ours.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, end) } {
            0 => return Ok(()),
            libc::EINTR => continue,
            code => return Err(no_space(length, &std::io::Error::from_raw_os_error(code))),
        }
    }
}

/// Allocates disk space by writing zeros from the end of `file` up to `length`, since Apple's systems have no `posix_fallocate`. HFS+ has no holes;
/// on APFS a hole that Java left stays one.
#[cfg(target_vendor = "apple")]
fn allocate(file: &File, length: u64) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let present = file.metadata()?.len();
    let missing = usize::try_from(length.saturating_sub(present)).map_err(|_| too_long(length))?;
    file.write_all_at(&vec![0; missing], present).map_err(|error| no_space(length, &error))
}

fn too_long(length: u64) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("mark file length={length} is more than this system can map"))
}

fn no_space(length: u64, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            ErrorKind::StorageSpace
        }
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("cannot allocate {length} bytes on the disk for the mark file: {error}"))
}
