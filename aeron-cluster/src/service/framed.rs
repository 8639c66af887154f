//! Snapshots as streams of bytes: framed, checked, and with progress.
//!
//! A snapshot is a sequence of messages, and a service may put anything into them. With [`SnapshotWriter`], a
//! [`Write`](std::io::Write), and [`SnapshotReader`], a [`Read`](std::io::Read) and [`BufRead`](std::io::BufRead), it can use
//! any serializer instead and need not care about messages.
//!
//! The format has a name and a version, its parts are numbered, and a checksum covers all of it. So a snapshot
//! of another format or version, or one that is damaged, cut short, out of order or empty, is refused when it is read. The error says what
//! was expected and what was found: [`ErrorKind::Protocol`](crate::error::ErrorKind::Protocol), which `read` wraps in an
//! [`io::Error`](std::io::Error) of kind `InvalidData`. The service gets no byte of a part before the part's checksum was
//! verified.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use aeron_cluster::service::{
//!     Cluster, ServiceError, SnapshotImage, SnapshotPublication, SnapshotReader, SnapshotWriter,
//! };
//!
//! /// The versions of this service's snapshots that it can still read.
//! const READABLE: std::ops::RangeInclusive<u32> = 1..=2;
//!
//! fn take(cluster: &Cluster, snapshot: &mut SnapshotPublication, prices: &[u64]) -> Result<(), ServiceError> {
//!     let mut writer = SnapshotWriter::new(cluster, snapshot, "prices", *READABLE.end())?
//!         .with_total(8 * prices.len() as u64)
//!         .on_progress(64 << 20, |progress| println!("snapshot: {progress}"));
//!     for price in prices {
//!         writer.write_all(&price.to_le_bytes())?;
//!     }
//!     writer.finish()?; // one that is not finished fails the snapshot
//!     Ok(())
//! }
//!
//! fn load(cluster: &Cluster, snapshot: &mut SnapshotImage) -> Result<Vec<u64>, ServiceError> {
//!     let mut reader = SnapshotReader::open(cluster, snapshot, "prices", READABLE)?;
//!     assert!(READABLE.contains(&reader.version()));
//!     let mut bytes = Vec::new();
//!     reader.read_to_end(&mut bytes)?;
//!     reader.finish()?; // one that was not read to its end is an error
//!     Ok(bytes.chunks_exact(8).filter_map(|price| Some(u64::from_le_bytes(price.try_into().ok()?))).collect())
//! }
//! # let _ = (take, load);
//! ```
//!
//! Both block, through [`Cluster::idle`](super::Cluster::idle), while the archive is slower; they fail when the
//! container ends. A service can write several framed streams into one snapshot, to be read in the same order.
//! To Java's container such a snapshot is like any other.

mod chunk;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod progress;
mod reader;
mod writer;

pub use self::progress::SnapshotProgress;
pub use self::reader::SnapshotReader;
pub use self::writer::SnapshotWriter;

#[cfg(test)]
mod tests;
