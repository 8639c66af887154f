//! The files of a media driver as small as they can be, with something in each of their parts, for those who damage them.

// The parts of `cnc.dat`, behind its description: two queues with their trailers, three counters, and a log of errors.
pub const TO_DRIVER: usize = 128;
pub const TO_CLIENTS: usize = TO_DRIVER + 256 + 768;
pub const METADATA: usize = TO_CLIENTS + 64 + 128;
pub const VALUES: usize = METADATA + COUNTERS * 512;
pub const ERROR_LOG: usize = VALUES + COUNTERS * 128;
const END: usize = ERROR_LOG + 192;
const COUNTERS: usize = 3;

/// The driver's sign of life, in milliseconds since the epoch.
pub const HEARTBEAT: usize = TO_CLIENTS - 128;
/// Where the second error is; each has its length first.
pub const SECOND_ERROR: usize = ERROR_LOG + 40;

/// In the loss report, where the second record is, and where in a record the length of its channel.
pub const SECOND_LOSS: usize = 128;
pub const CHANNEL_LENGTH: usize = 40;

pub fn put(bytes: &mut [u8], offset: usize, value: i32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

pub fn put_long(bytes: &mut [u8], offset: usize, value: i64) {
    bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
}

fn put_text(bytes: &mut [u8], offset: usize, text: &str) {
    put(bytes, offset, text.len() as i32);
    bytes[offset + 4..offset + 4 + text.len()].copy_from_slice(text.as_bytes());
}

/// A driver's `cnc.dat`: version 0.2.0, two counters and one that is gone, and two errors.
pub fn cnc() -> Vec<u8> {
    let mut bytes = vec![0; END];
    put(&mut bytes, 0, 0x200);
    let parts = [TO_DRIVER, TO_CLIENTS, METADATA, VALUES, ERROR_LOG, END];
    for (index, part) in parts.windows(2).enumerate() {
        put(&mut bytes, 4 + 4 * index, (part[1] - part[0]) as i32);
    }
    // The client's time-out, the driver's start and process, and the page size.
    for (offset, value) in [(24, 10_000_000_000), (32, 1_000), (40, 7), (48, 4096), (HEARTBEAT, 1_000)] {
        put_long(&mut bytes, offset, value);
    }
    for (id, state, label) in [(0, 1, "first"), (1, -1, "gone"), (2, 1, "third")] {
        let (metadata, value) = (METADATA + id * 512, VALUES + id * 128);
        put(&mut bytes, metadata, state);
        put(&mut bytes, metadata + 4, 1_000 + id as i32);
        put_text(&mut bytes, metadata + 128, label);
        put_long(&mut bytes, value, 41 + id as i64);
        put_long(&mut bytes, value + 8, 70 + id as i64);
    }
    for (offset, text) in [(ERROR_LOG, "first error"), (SECOND_ERROR, "second error")] {
        put(&mut bytes, offset, 24 + text.len() as i32);
        put(&mut bytes, offset + 4, 1);
        put_long(&mut bytes, offset + 8, 2_000);
        put_long(&mut bytes, offset + 16, 1_000);
        bytes[offset + 24..offset + 24 + text.len()].copy_from_slice(text.as_bytes());
    }
    bytes
}

/// A driver's `loss-report.dat` of two losses.
pub fn loss_report() -> Vec<u8> {
    let mut bytes = vec![0; 320];
    for (start, channel) in [(0, "aeron:udp?endpoint=a:1"), (SECOND_LOSS, "aeron:udp?endpoint=b:1")] {
        for (offset, value) in [(0, 3), (8, 4_096), (16, 1_000), (24, 2_000)] {
            put_long(&mut bytes, start + offset, value);
        }
        put(&mut bytes, start + 32, 5);
        put(&mut bytes, start + 36, 6);
        put_text(&mut bytes, start + CHANNEL_LENGTH, channel);
        let source = start + CHANNEL_LENGTH + (4 + channel.len()).next_multiple_of(4);
        put_text(&mut bytes, source, "127.0.0.1:9");
    }
    bytes
}
