//! What the fuzz targets do with what they are given: decode it, and check what came out. Tests give them their seeds, changed here
//! and there, in every run of CI; libFuzzer gives them what it likes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{ChannelUri, CncFile, request_driver_termination};
use aeron_cluster::archive::RecordingDescriptor;
use aeron_cluster::codec::{
    ControlEvent, EgressEvent, IngressEvent, LogEvent, MessageHeader, ServiceEvent, SnapshotEvent,
};
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};
use aeron_cluster::testing::fuzzing;

use super::seeds::driver_files;

/// What is longer is only more of the same.
pub const LONGEST_FILE: usize = 16 * 1024;

/// What a service reads from the log.
pub fn log(frame: &[u8]) {
    if let Ok(event) = LogEvent::decode(frame) {
        // What was read lies within the frame.
        if let LogEvent::SessionMessage { payload, .. } = event {
            assert!(payload.len() + MessageHeader::ENCODED_LENGTH <= frame.len());
        }
        assert!(!format!("{event:?}").is_empty());
    }
}

/// The two ways between consensus module and service.
pub fn control(frame: &[u8]) {
    if let Ok(event) = ControlEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
    if let Ok(event) = ServiceEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
}

/// The two ways between client and cluster; what decodes comes through an encoder unchanged.
pub fn clients(frame: &[u8]) {
    if let Ok(EgressEvent::SessionEvent(event)) = EgressEvent::decode(frame) {
        let mut again = Vec::new();
        event.encode(&mut again);
        assert_eq!(EgressEvent::decode(&again), Ok(EgressEvent::SessionEvent(event)));
    }
    if let Ok(event) = IngressEvent::decode(frame) {
        assert!(!format!("{event:?}").is_empty());
    }
}

/// What a service's snapshot holds before the application's own messages.
pub fn snapshot(frame: &[u8]) {
    if let Ok(SnapshotEvent::ClientSession(session)) = SnapshotEvent::decode(frame) {
        let mut again = Vec::new();
        session.encode(&mut again);
        assert_eq!(SnapshotEvent::decode(&again), Ok(SnapshotEvent::ClientSession(session)));
    }
}

/// Answers and signals of an archive; and what it says of a recording, made into a channel.
pub fn archive(frame: &[u8]) {
    fuzzing::archive_answer(frame);
    let number = |at: usize| frame.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, i64::from_le_bytes);
    let text = String::from_utf8_lossy(frame).into_owned();
    let descriptor = RecordingDescriptor {
        recording_id: number(0),
        start_timestamp: 0,
        stop_timestamp: None,
        start_position: number(8),
        stop_position: Some(number(16)),
        initial_term_id: number(24) as i32,
        segment_file_length: number(28) as i32,
        term_buffer_length: number(32) as i32,
        mtu_length: number(36) as i32,
        session_id: 1,
        stream_id: 2,
        stripped_channel: text.clone(),
        original_channel: text.clone(),
        source_identity: String::new(),
    };
    for channel in ["aeron:udp?endpoint=localhost:0", &text] {
        if let Ok(continuing) = descriptor.continuing_channel(channel) {
            ChannelUri::parse(&continuing).expect("a channel that was made of one");
        }
    }
    let (terms, segments) = (descriptor.term_buffer_length, descriptor.segment_file_length);
    let _ = aeron_cluster::archive::segment_file_base_position(number(8), number(16), terms, segments);
}

/// A framed snapshot: its parts, each behind its kind and its length, get their checksums here, without which none is looked at; and the
/// bytes as one part that has none.
pub fn framed(bytes: &[u8]) {
    assert!(fuzzing::read_framed("fuzz", vec![bytes.to_vec()]).is_err());
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while let [kind, length, more @ ..] = rest {
        let (body, left) = more.split_at(more.len().min(usize::from(*length)));
        parts.push((*kind, body));
        rest = left;
    }
    let data: usize = parts.iter().filter(|(kind, _)| *kind == 2).map(|(_, body)| body.len()).sum();
    if let Ok(read) = fuzzing::read_framed("fuzz", fuzzing::sealed(&parts)) {
        assert!(read.len() <= data, "more than was there");
    }
}

/// Channels: what parses prints as what parses to the same.
pub fn uri(bytes: &[u8]) {
    let Ok(channel) = std::str::from_utf8(bytes) else { return };
    if let Ok(uri) = ChannelUri::parse(channel) {
        let printed = uri.to_string();
        let again =
            ChannelUri::parse(&printed).unwrap_or_else(|error| panic!("{channel:?} prints as {printed:?}: {error}"));
        assert_eq!(again.to_string(), printed);
    }
}

/// A mark file that another program left: a mark file that works, or an error that names it.
pub fn mark_file(bytes: &[u8]) {
    const NOW: i64 = 1_000_000;
    let dir = Dir::new();
    if !dir.has("mark", bytes) {
        return;
    }
    let options = Options::new(dir.0.join("mark")).wait(Duration::ZERO);
    match ClusterMarkFile::open(&options, || NOW) {
        Ok(mark) => {
            // One that is full takes no more.
            let _ = mark.error_log().record(NOW, "works");
            assert!(mark.signal_ready(NOW).is_ok());
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::State, "{error}"),
    }
}

/// A driver's file: one that is read within its bounds, or an error that names it.
pub fn cnc(bytes: &[u8]) {
    let dir = Dir::new();
    if !dir.has("cnc.dat", bytes) {
        return;
    }
    let _refused = fuzzing::check_leftover(&dir.0);
    let file = match CncFile::open(&dir.0, Duration::ZERO) {
        Ok(file) => file,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::DriverDead | ErrorKind::Protocol), "{error}");
            return assert!(error.message().contains("cnc.dat"), "{error}");
        }
    };
    assert!(file.constants().error_log_buffer_length < bytes.len());
    let counters = file.counters();
    counters.for_each(|counter| {
        assert!(counter.key.len() == 112 && counter.label.len() <= 3 * 380);
        let found =
            counters.registration_id(counter.id).and_then(|of| counters.find_by_registration_id(counter.type_id, of));
        assert!(found.is_some_and(|id| id <= counter.id));
        assert_eq!(counters.readable_counter(counter.id).and_then(|readable| readable.value()), Some(counter.value));
    });
    assert_eq!(counters.state(counters.max_counter_id() + 1), None);
    // What is not text becomes three bytes for each of its own.
    assert!(file.errors(0).iter().map(|error| error.message.len()).sum::<usize>() <= 3 * bytes.len());
    assert!(!format!("{file:?}").is_empty());
    let _asked = request_driver_termination(&dir.0, b"token");
}

/// A driver's report of losses.
pub fn loss_report(bytes: &[u8]) {
    let dir = Dir::new();
    if dir.has("cnc.dat", &driver_files::cnc()) && dir.has("loss-report.dat", bytes) {
        let file = CncFile::open(&dir.0, Duration::ZERO).expect("a driver's file");
        let losses = file.losses().expect("a file that is there");
        assert!(losses.iter().map(|loss| loss.channel.len() + loss.source.len()).sum::<usize>() <= 3 * bytes.len());
    }
}

/// A directory, for a moment.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        let _exists = std::fs::create_dir(path());
        Dir(path().to_owned())
    }

    fn has(&self, name: &str, bytes: &[u8]) -> bool {
        bytes.len() <= LONGEST_FILE && std::fs::write(self.0.join(name), bytes).is_ok()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // In memory: it is written some thousand times a second.
        let dir = Path::new("/dev/shm");
        let dir = if dir.is_dir() { dir.to_owned() } else { std::env::temp_dir() };
        dir.join(format!("aeron-cluster-fuzz-{}", std::process::id()))
    })
}
