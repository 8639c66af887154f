//! The messages that the targets start from.
//!
//! They are messages as they stand on the wire, from the encoders that the tests compare with the official ones byte by byte, each at the
//! present version and at the oldest; of the archive's, and of channels, they are written out here.

use aeron_cluster::codec::{
    ActionFlags, AdminRequest, AdminRequestType, AdminResponse, AdminResponseCode, CancelTimer, Challenge,
    ChallengeResponse, ClientSession, CloseReason, CloseSession, ClusterAction, ClusterActionRequest, ClusterTimeUnit,
    EventCode, JoinLog, NewLeaderEvent, NewLeadershipTermEvent, RequestServiceAck, Role, ScheduleTimer,
    SemanticVersion, ServiceAck, ServiceTerminationPosition, SessionCloseEvent, SessionCloseRequest,
    SessionConnectRequest, SessionEvent, SessionKeepAlive, SessionMessageHeader, SessionOpenEvent, SnapshotMark,
    SnapshotMarker, TimerEvent,
};
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};

use super::driver_files;

/// The messages, and each as the oldest version has it.
fn with_old(mut messages: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for index in 0..messages.len() {
        let mut old = messages[index].clone();
        old[6..8].copy_from_slice(&0_u16.to_le_bytes());
        messages.push(old);
    }
    messages
}

fn variable(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

const VERSION: SemanticVersion = SemanticVersion::new(1, 2, 3);

fn session_message() -> Vec<u8> {
    let header = SessionMessageHeader { leadership_term_id: 1, cluster_session_id: 2, timestamp: 3 };
    [header.encode().as_slice(), b"an application's message"].concat()
}

pub fn log() -> Vec<Vec<u8>> {
    let open = SessionOpenEvent {
        leadership_term_id: 1,
        correlation_id: 2,
        cluster_session_id: 3,
        timestamp: 4,
        response_stream_id: 102,
        response_channel: "aeron:udp?endpoint=localhost:9000",
        encoded_principal: b"who",
    };
    let action = ClusterActionRequest {
        leadership_term_id: 1,
        log_position: 96,
        timestamp: 4,
        action: ClusterAction::Snapshot,
        flags: ActionFlags::DEFAULT,
    };
    let term = NewLeadershipTermEvent {
        leadership_term_id: 1,
        log_position: 96,
        timestamp: 4,
        term_base_log_position: 0,
        leader_member_id: 2,
        log_session_id: 7,
        time_unit: ClusterTimeUnit::Millis,
        app_version: Some(VERSION),
    };
    let close = SessionCloseEvent {
        leadership_term_id: 1,
        cluster_session_id: 3,
        timestamp: 4,
        close_reason: CloseReason::ClientAction,
    };
    with_old(vec![
        session_message(),
        variable(|out| _ = open.encode(out)),
        action.encode().to_vec(),
        term.encode().to_vec(),
        close.encode().to_vec(),
        TimerEvent { leadership_term_id: 1, correlation_id: 2, timestamp: 3 }.encode().to_vec(),
    ])
}

pub fn control() -> Vec<Vec<u8>> {
    let join = JoinLog {
        log_position: 0,
        max_log_position: i64::MAX,
        member_id: 1,
        log_session_id: 2,
        log_stream_id: 100,
        is_startup: true,
        role: Role::Leader,
        is_standby: Some(false),
        log_channel: "aeron:ipc?session-id=2",
    };
    with_old(vec![
        variable(|out| _ = join.encode(out)),
        RequestServiceAck { log_position: 64 }.encode().to_vec(),
        ServiceTerminationPosition { log_position: 64, ack_required: Some(true) }.encode().to_vec(),
        ServiceAck { log_position: 1, timestamp: 2, ack_id: 3, relevant_id: 4, service_id: 0 }.encode().to_vec(),
        ScheduleTimer { correlation_id: 1, deadline: 2 }.encode().to_vec(),
        CancelTimer { correlation_id: 1 }.encode().to_vec(),
        CloseSession { cluster_session_id: 1 }.encode().to_vec(),
    ])
}

pub fn clients() -> Vec<Vec<u8>> {
    let event = SessionEvent {
        cluster_session_id: 1,
        correlation_id: 2,
        leadership_term_id: 3,
        leader_member_id: 0,
        code: EventCode::Redirect,
        version: Some(VERSION),
        leader_heartbeat_timeout_ns: Some(10),
        detail: "0=localhost:9000,1=localhost:9001",
    };
    let leader = NewLeaderEvent {
        leadership_term_id: 1,
        cluster_session_id: 2,
        leader_member_id: 1,
        ingress_endpoints: "0=localhost:9000,1=localhost:9001",
    };
    let connect = SessionConnectRequest {
        correlation_id: 1,
        response_stream_id: 102,
        version: Some(VERSION),
        response_channel: "aeron:udp?endpoint=localhost:0",
        encoded_credentials: b"secret",
        client_info: "fuzz",
    };
    let admin = AdminRequest {
        leadership_term_id: 1,
        cluster_session_id: 2,
        correlation_id: 3,
        request_type: AdminRequestType::Snapshot,
        payload: b"",
    };
    let answer = AdminResponse {
        cluster_session_id: 1,
        correlation_id: 2,
        request_type: AdminRequestType::Snapshot,
        response_code: AdminResponseCode::Ok,
        message: "",
        payload: b"",
    };
    let challenge = Challenge { correlation_id: 1, cluster_session_id: 2, encoded_challenge: b"who are you" };
    let response = ChallengeResponse { correlation_id: 1, cluster_session_id: 2, encoded_credentials: b"me" };
    with_old(vec![
        session_message(),
        variable(|out| _ = event.encode(out)),
        variable(|out| _ = leader.encode(out)),
        variable(|out| _ = connect.encode(out)),
        variable(|out| _ = admin.encode(out)),
        variable(|out| _ = answer.encode(out)),
        variable(|out| _ = challenge.encode(out)),
        variable(|out| _ = response.encode(out)),
        SessionCloseRequest { leadership_term_id: 1, cluster_session_id: 2 }.encode().to_vec(),
        SessionKeepAlive { leadership_term_id: 1, cluster_session_id: 2 }.encode().to_vec(),
    ])
}

fn marker(mark: SnapshotMark) -> Vec<u8> {
    let marker = SnapshotMarker {
        type_id: SnapshotMarker::SERVICE_TYPE_ID,
        log_position: 64,
        leadership_term_id: 1,
        index: 0,
        mark,
        time_unit: ClusterTimeUnit::Millis,
        app_version: Some(VERSION),
    };
    marker.encode().to_vec()
}

fn session() -> Vec<u8> {
    let session = ClientSession {
        cluster_session_id: 1,
        response_stream_id: 102,
        response_channel: "aeron:udp?endpoint=localhost:9000",
        encoded_principal: b"who",
    };
    variable(|out| _ = session.encode(out))
}

pub fn snapshot() -> Vec<Vec<u8>> {
    with_old(vec![marker(SnapshotMark::Begin), session()])
}

/// A whole one, each message behind its length, and a message of the service's behind it.
pub fn snapshot_load() -> Vec<Vec<u8>> {
    let messages =
        [marker(SnapshotMark::Begin), session(), session(), marker(SnapshotMark::End), b"the service's".to_vec()];
    let with_length = |message: &Vec<u8>| [&(message.len() as u16).to_le_bytes()[..], message].concat();
    vec![messages.iter().flat_map(with_length).collect()]
}

/// Two services that have a snapshot, and one that begins without.
pub fn recovery_state() -> Vec<Vec<u8>> {
    let key = |term: i64, recordings: &[i64]| {
        let mut key = [term, 4096, 1_700].map(i64::to_le_bytes).concat();
        key.extend([9, recordings.len() as i32].map(i32::to_le_bytes).concat());
        recordings.iter().for_each(|recording| key.extend_from_slice(&recording.to_le_bytes()));
        key.resize(112, 0);
        key
    };
    vec![key(3, &[10, 11]), key(-1, &[])]
}

pub fn uri() -> Vec<Vec<u8>> {
    [
        "aeron:ipc",
        "aeron:ipc?term-length=64k|alias=log",
        "aeron:udp?endpoint=localhost:9000|interface=eth0",
        "aeron-spy:aeron:ipc",
    ]
    .map(|channel| channel.as_bytes().to_vec())
    .to_vec()
}

/// Answers, signals and descriptions of an archive, and its challenge.
pub fn archive() -> Vec<Vec<u8>> {
    let message = |template_id: u16, block_length: u16, longs: &[i64], ints: &[i32], texts: &[&str]| {
        let mut message = [block_length, template_id, 101, 14].map(u16::to_le_bytes).concat();
        longs.iter().for_each(|long| message.extend_from_slice(&long.to_le_bytes()));
        ints.iter().for_each(|int| message.extend_from_slice(&int.to_le_bytes()));
        for text in texts {
            message.extend_from_slice(&(text.len() as u32).to_le_bytes());
            message.extend_from_slice(text.as_bytes());
        }
        message
    };
    let numbers = [0, 128 << 20, 64 << 10, 1408, 5, 6];
    let names = ["aeron:udp?endpoint=localhost:9000", "aeron:udp?endpoint=localhost:9000|alias=log", "127.0.0.1:9"];
    vec![
        message(1, 32, &[7, 8, 11], &[0, 14], &[""]),
        message(1, 32, &[7, 8, 5], &[1, 14], &["unknown recording"]),
        message(1, 32, &[7, 8, 5], &[2, 14], &[""]),
        message(24, 44, &[7, 8, 11, 12, 64], &[1], &[]),
        message(24, 44, &[7, 8, 11, -1, -1], &[6], &[]),
        message(22, 80, &[7, 8, 11, 1_000, 2_000, 64, 4_096], &numbers, &names),
        message(22, 80, &[7, 8, 11, 1_000, -1, 0, -1], &numbers, &names),
        message(23, 28, &[7, 8, 12], &[100], &["aeron:ipc"]),
        message(59, 20, &[7, 8], &[14], &["who are you"]),
    ]
}

/// A message in one frame, one in two frames, and padding; and the same at the end of a term, with all that a poll may be answered.
pub fn term() -> Vec<Vec<u8>> {
    let mut frames = vec![0; 256];
    for (at, length, flags, kind) in [(0, 58, 0xc0, 1), (64, 64, 0x80, 1), (128, 40, 0x40, 1), (192, 64, 0xc0, 0)] {
        driver_files::put(&mut frames, at, length);
        frames[at + 5..at + 7].copy_from_slice(&[flags, kind]);
        for (field, value) in [(8, at as i32), (12, 7), (16, 100), (20, 3)] {
            driver_files::put(&mut frames, at + field, value);
        }
        frames[at + 32..at + length as usize].fill(at as u8);
    }
    let mut last = frames.clone();
    for (index, at) in [0, 64, 128, 192].into_iter().enumerate() {
        driver_files::put(&mut last, at + 8, 64 * 1024 - 256 + at as i32);
        last[at + 24] = index as u8;
    }
    vec![frames, last]
}

pub fn endpoints() -> Vec<Vec<u8>> {
    ["0=localhost:9000,1=localhost:9001,2=[::1]:9002", " 7 = host.example:1 "].map(|list| list.into()).to_vec()
}

/// Values of settings, for each of the first byte's settings.
pub fn settings() -> Vec<Vec<u8>> {
    let values = ["64k", "5ms", "backoff", "org.agrona.concurrent.NoOpIdleStrategy", "true", "12"];
    (0..32).map(|number| [&[number], values[usize::from(number) % values.len()].as_bytes()].concat()).collect()
}

/// A driver's files.
pub fn cnc() -> Vec<Vec<u8>> {
    vec![driver_files::cnc()]
}

pub fn loss_report() -> Vec<Vec<u8>> {
    vec![driver_files::loss_report()]
}

/// Parts of a framed snapshot, each behind its length: a head, data and an end.
pub fn framed() -> Vec<Vec<u8>> {
    let head = [&1_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes(), b"fuzz"].concat();
    let end = [3_u64.to_le_bytes(), 5_u64.to_le_bytes()].concat();
    let parts = [(1, head), (2, b"abc".to_vec()), (3, end)];
    let mut seed = Vec::new();
    for (kind, body) in parts {
        seed.extend_from_slice(&[kind, body.len() as u8]);
        seed.extend_from_slice(&body);
    }
    vec![seed]
}

/// A mark file as a container leaves it, with an error; but its error log is shorter than any container makes one, so that it is small.
pub fn mark_file() -> Vec<Vec<u8>> {
    const HEADER: usize = 8 * 1024;
    const ERROR_LOG: usize = 1024;
    let path = std::env::temp_dir().join(format!("aeron-cluster-seed-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let made =
        ClusterMarkFile::open(&Options::new(&path), || 1_000).map(|mark| mark.error_log().record(1_000, "an error"));
    let bytes = std::fs::read(&path);
    let _ = std::fs::remove_file(&path);
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(HEADER + ERROR_LOG);
        driver_files::put(&mut bytes, 76, ERROR_LOG as i32);
        bytes
    };
    made.ok().and(bytes.ok()).map(cut).into_iter().collect()
}
