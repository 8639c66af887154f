//! Snapshots as streams of bytes: framed, checked, and with progress.
//!
//! A snapshot is a sequence of messages, and a service may write what it likes into them. [`SnapshotWriter`] and
//! [`SnapshotReader`] take that off its hands: they are a [`Write`](std::io::Write) and a [`Read`](std::io::Read) (and
//! [`BufRead`](std::io::BufRead)), so that whatever turns a state into bytes and back can stand on them.
//!
//! What is written has a name and a version, its parts are numbered, and a checksum runs through all of it. So a snapshot
//! that is another's, of another version, damaged, cut short, out of order or empty is refused when it is read, with what
//! was expected and what was found: [`ErrorKind::Protocol`](crate::error::ErrorKind::Protocol), from `read` within an
//! [`io::Error`](std::io::Error) of the kind `InvalidData`. No byte reaches the service before the checksum of its part was
//! found right.
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
//! Both wait where they must, through [`Cluster::idle`](super::Cluster::idle): the mark file shows life, and when the
//! container ends they fail. A service can have several framed parts in one snapshot, read in the order in which they were
//! written. Java's container carries such a snapshot like any other.

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
