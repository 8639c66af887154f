//! Where the parts of a driver's file lie, which is checked before anybody reads them.

use std::ops::Range;

use super::unusable::Unusable;
use crate::aeron::counters::{METADATA_LENGTH, VALUE_LENGTH};
use crate::aeron::shared_bytes::SharedBytes;

/// The length of the description that the file begins with (`AERON_CNC_VERSION_AND_META_DATA_LENGTH`).
const HEADER_LENGTH: usize = 128;
/// Files of another major version have other parts (`AERON_CNC_VERSION`).
const MAJOR_VERSION: u8 = 0;
// Fields of the description. The lengths of the five parts are between version and time-out.
const VERSION: usize = 0;
const PARTS: usize = 4;
#[cfg(feature = "driver")]
const PARTS_BEFORE_ERROR_LOG: usize = 4;
const CLIENT_LIVENESS_TIMEOUT: usize = 24;
const START_TIMESTAMP: usize = 32;
const PID: usize = 40;
const FILE_PAGE_SIZE: usize = 48;
/// What follows the queue to the driver (`AERON_RB_TRAILER_LENGTH`), and where in it the driver's heartbeat is.
const TO_DRIVER_TRAILER: usize = 768;
const HEARTBEAT: usize = 640;
/// What follows the broadcast to clients (`AERON_BROADCAST_BUFFER_TRAILER_LENGTH`).
const TO_CLIENTS_TRAILER: usize = 128;
/// All fields of queues and counters are at multiples of this: each of these parts begins at one. The error log, which follows the values of
/// the counters, may begin at any even byte.
const ALIGNMENT: usize = 8;

/// The description of a file, whose parts lie within it. They are what they were when the file was opened: whoever writes another
/// description over it later changes nothing here.
#[derive(Debug)]
pub(super) struct Layout {
    pub version: i32,
    pub to_driver: Range<usize>,
    pub to_clients: Range<usize>,
    pub counters_metadata: Range<usize>,
    pub counters_values: Range<usize>,
    pub error_log: Range<usize>,
    pub client_liveness_timeout_ns: i64,
    pub start_timestamp_ms: i64,
    pub pid: i64,
    pub file_page_size: i32,
}

impl Layout {
    pub(super) fn read(bytes: &SharedBytes) -> Result<Layout, Unusable> {
        if bytes.len() <= HEADER_LENGTH {
            return Err(Unusable::Short(bytes.len()));
        }
        let number = |offset| bytes.read_i64(offset).ok_or(Unusable::Short(bytes.len()));
        let version = bytes.read_i32(VERSION).ok_or(Unusable::Short(bytes.len()))?;
        check_version(version)?;
        let mut parts = Parts { bytes, index: 0, end: HEADER_LENGTH };
        let to_driver = parts.queue("the queue to the driver", TO_DRIVER_TRAILER)?;
        let to_clients = parts.queue("the broadcast to clients", TO_CLIENTS_TRAILER)?;
        let counters_metadata = parts.next("the descriptions of counters")?;
        let counters_values = parts.next("the values of counters")?;
        check_counters(counters_metadata.len(), counters_values.len())?;
        Ok(Layout {
            version,
            to_driver,
            to_clients,
            counters_metadata,
            counters_values,
            error_log: parts.next("the error log")?,
            client_liveness_timeout_ns: number(CLIENT_LIVENESS_TIMEOUT)?,
            start_timestamp_ms: number(START_TIMESTAMP)?,
            pid: number(PID)?,
            file_page_size: bytes.read_i32(FILE_PAGE_SIZE).ok_or(Unusable::Short(bytes.len()))?,
        })
    }

    /// Where the error log of a file is that may be unfinished.
    #[cfg(feature = "driver")]
    pub(super) fn error_log(bytes: &SharedBytes) -> Result<Range<usize>, Unusable> {
        let mut parts = Parts { bytes, index: 0, end: HEADER_LENGTH };
        for _ in 0..PARTS_BEFORE_ERROR_LOG {
            parts.next("what is before the error log")?;
        }
        parts.next("the error log")
    }

    /// Where the driver's heartbeat is.
    pub(super) fn heartbeat(&self) -> usize {
        self.to_driver.end - TO_DRIVER_TRAILER + HEARTBEAT
    }
}

fn check_version(version: i32) -> Result<(), Unusable> {
    let [_, major, minor, patch] = version.to_be_bytes();
    match version {
        0 => Err(Unusable::NotReady),
        _ if major == MAJOR_VERSION => Ok(()),
        _ => Err(Unusable::Version(format!(
            "it is of version {major}.{minor}.{patch}, and {MAJOR_VERSION}.x is known here"
        ))),
    }
}

/// C counts counters by the length of their values in one place and by that of their descriptions in another. Neither driver asks for whole
/// records, but for four times as much room for the descriptions: for an even number of bytes for values, the values begin where they
/// should.
fn check_counters(metadata: usize, values: usize) -> Result<(), Unusable> {
    const RATIO: usize = METADATA_LENGTH / VALUE_LENGTH;
    const EVEN: usize = ALIGNMENT / RATIO;
    if values.is_multiple_of(EVEN) && metadata == values.saturating_mul(RATIO) {
        return Ok(());
    }
    let message = format!(
        "there are {metadata} bytes for the descriptions of counters and {values} bytes for their values: these must be a multiple of \
         {EVEN}, and those {RATIO} times as many"
    );
    Err(Unusable::Corrupt(message))
}

/// The parts, which follow each other.
struct Parts<'a> {
    bytes: &'a SharedBytes,
    index: usize,
    end: usize,
}

impl Parts<'_> {
    fn next(&mut self, name: &str) -> Result<Range<usize>, Unusable> {
        let length =
            self.bytes.read_i32(PARTS + self.index * size_of::<i32>()).ok_or(Unusable::Short(self.bytes.len()))?;
        let start = self.end;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let end = end.filter(|end| *end <= self.bytes.len()).ok_or_else(|| {
            let file = self.bytes.len();
            Unusable::Corrupt(format!("there are {length} bytes for {name} from byte {start} of {file}"))
        })?;
        (self.index, self.end) = (self.index + 1, end);
        Ok(start..end)
    }

    /// A part whose length is a power of two, with a trailer.
    fn queue(&mut self, name: &str, trailer: usize) -> Result<Range<usize>, Unusable> {
        let part = self.next(name)?;
        let capacity = part.len().checked_sub(trailer);
        if capacity.is_some_and(|capacity| capacity.is_power_of_two() && capacity >= ALIGNMENT) {
            return Ok(part);
        }
        let length = part.len();
        Err(Unusable::Corrupt(format!(
            "there are {length} bytes for {name}, which is no power of two with {trailer} more"
        )))
    }
}
