//! The counters of a media driver, read from its file without a client, even after the driver has died.

use std::fs::File;
use std::io::ErrorKind as IoErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// Type ids of the counters that tests read. Mirrors `AeronCounters`.
pub mod type_id {
    /// Position up to which a subscription has read an image; the key has the id of the stream at offset 12.
    pub const SUBSCRIBER_POSITION: i32 = 4;
    /// Status of a receive channel; the label ends with the channel.
    pub const RECEIVE_CHANNEL_STATUS: i32 = 7;
    /// State of a consensus module; 1 is active.
    pub const CONSENSUS_MODULE_STATE: i32 = 200;
    /// Role of a cluster member; 0 is follower, 2 is leader.
    pub const NODE_ROLE: i32 = 201;
    /// Position up to which the cluster's log is committed.
    pub const COMMIT_POSITION: i32 = 203;
    /// What a consensus module recovers from: the key has the leadership term, the log position and the snapshots. The counter exists while
    /// the module waits for its services to start.
    pub const RECOVERY_STATE: i32 = 204;
    /// Number of snapshots that a consensus module has taken.
    pub const SNAPSHOT_COUNT: i32 = 205;
    /// State of an election; 17 is closed.
    pub const ELECTION_STATE: i32 = 207;
    /// Number of errors of a consensus module.
    pub const CONSENSUS_MODULE_ERRORS: i32 = 212;
    /// Number of errors of a service container.
    pub const SERVICE_ERRORS: i32 = 215;
    /// Id of the current leadership term.
    pub const LEADERSHIP_TERM_ID: i32 = 239;
}

const FILE_NAME: &str = "cnc.dat";
const SUPPORTED_MAJOR: u32 = 0;
const META_DATA_LENGTH: u64 = 128;
const VALUE_LENGTH: u64 = 128;
const RECORD_LENGTH: usize = 512;
const RECORD_UNUSED: i32 = 0;
const RECORD_ALLOCATED: i32 = 1;
const KEY_OFFSET: usize = 16;
const LABEL_LENGTH_OFFSET: usize = 128;
const LABEL_OFFSET: usize = 132;

/// One allocated counter at the moment it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterReading {
    /// Its id in the driver.
    pub id: i32,
    /// Id of its registration; those of one driver increase with time.
    pub registration_id: i64,
    /// Id of the client that made it or that it is about.
    pub owner_id: i64,
    /// Its type, which says what it counts; see [`type_id`].
    pub type_id: i32,
    /// Its value.
    pub value: i64,
    /// Its key, 112 bytes whose meaning depends on the type.
    pub key: Vec<u8>,
    /// Its label.
    pub label: String,
}

impl CounterReading {
    pub(super) fn key_i32(&self, offset: usize) -> i32 {
        i32_at(&self.key, offset)
    }
}

/// The counters of a media driver, in its open file.
///
/// Tests have a reader of their own beside [`aeron::CncFile`](crate::aeron::CncFile): this one shares no code with what is under test, and it
/// maps nothing, so a file that a test truncates cannot end the process. The driver writes the same pages through a memory map, so on
/// Linux a read sees what it wrote last. Mirrors `CncFileDescriptor` and `CountersReader`.
#[derive(Debug)]
pub struct DriverCounters {
    file: File,
    records: u64,
    values: u64,
    capacity: u64,
}

impl DriverCounters {
    /// Opens the file in a driver's directory; `None` until the driver has made it and filled in its description.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`], and [`ErrorKind::Protocol`] for a file of another major version.
    pub fn open(aeron_dir: &Path) -> Result<Option<DriverCounters>> {
        let file = match File::open(aeron_dir.join(FILE_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error).context(aeron_dir.display())),
        };
        if file.metadata()?.len() < META_DATA_LENGTH {
            return Ok(None);
        }
        let mut description = [0; META_DATA_LENGTH as usize];
        file.read_exact_at(&mut description, 0)?;
        let version = i32_at(&description, 0) as u32;
        if version == 0 {
            return Ok(None);
        }
        if version >> 16 != SUPPORTED_MAJOR {
            let message = format!("{}: major version of {FILE_NAME} is {}", aeron_dir.display(), version >> 16);
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        let length = |offset| u64::from(i32_at(&description, offset) as u32);
        let records = META_DATA_LENGTH + length(4) + length(8);
        let values = records + length(12);
        Ok(Some(DriverCounters { file, records, values, capacity: length(16) / VALUE_LENGTH }))
    }

    /// The values of all allocated counters now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn all(&self) -> Result<Vec<CounterReading>> {
        let mut counters = Vec::new();
        let mut record = [0; RECORD_LENGTH];
        for id in 0..self.capacity {
            self.file.read_exact_at(&mut record, self.records + id * RECORD_LENGTH as u64)?;
            match i32_at(&record, 0) {
                RECORD_UNUSED => break,
                RECORD_ALLOCATED => counters.push(self.reading(id, &record)?),
                _ => {}
            }
        }
        Ok(counters)
    }

    /// The first counter of a type.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn find(&self, type_id: i32) -> Result<Option<CounterReading>> {
        Ok(self.all()?.into_iter().find(|counter| counter.type_id == type_id))
    }

    fn reading(&self, id: u64, record: &[u8; RECORD_LENGTH]) -> Result<CounterReading> {
        let mut value = [0; 24];
        self.file.read_exact_at(&mut value, self.values + id * VALUE_LENGTH)?;
        let label = usize::try_from(i32_at(record, LABEL_LENGTH_OFFSET)).unwrap_or(0).min(RECORD_LENGTH - LABEL_OFFSET);
        Ok(CounterReading {
            id: id as i32,
            registration_id: i64_at(&value, 8),
            owner_id: i64_at(&value, 16),
            type_id: i32_at(record, 4),
            value: i64_at(&value, 0),
            key: record[KEY_OFFSET..LABEL_LENGTH_OFFSET].to_vec(),
            label: String::from_utf8_lossy(&record[LABEL_OFFSET..LABEL_OFFSET + label]).into_owned(),
        })
    }
}

fn i32_at(bytes: &[u8], offset: usize) -> i32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[offset..offset + 4]);
    i32::from_ne_bytes(value)
}

fn i64_at(bytes: &[u8], offset: usize) -> i64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[offset..offset + 8]);
    i64::from_ne_bytes(value)
}
