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

#[path = "driver_files.rs"]
pub mod driver_files;

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "log" => with_old(log()),
        "control" => with_old(control()),
        "clients" => with_old(clients()),
        "snapshot" => with_old(snapshot()),
        "archive" => archive(),
        "framed" => framed(),
        "uri" => channels(),
        "mark_file" => mark_file(),
        "cnc" => vec![driver_files::cnc()],
        "loss_report" => vec![driver_files::loss_report()],
        _ => Vec::new(),
    }
}

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

fn log() -> Vec<Vec<u8>> {
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
    vec![
        session_message(),
        variable(|out| _ = open.encode(out)),
        action.encode().to_vec(),
        term.encode().to_vec(),
        close.encode().to_vec(),
        TimerEvent { leadership_term_id: 1, correlation_id: 2, timestamp: 3 }.encode().to_vec(),
    ]
}

fn control() -> Vec<Vec<u8>> {
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
    vec![
        variable(|out| _ = join.encode(out)),
        RequestServiceAck { log_position: 64 }.encode().to_vec(),
        ServiceTerminationPosition { log_position: 64, ack_required: Some(true) }.encode().to_vec(),
        ServiceAck { log_position: 1, timestamp: 2, ack_id: 3, relevant_id: 4, service_id: 0 }.encode().to_vec(),
        ScheduleTimer { correlation_id: 1, deadline: 2 }.encode().to_vec(),
        CancelTimer { correlation_id: 1 }.encode().to_vec(),
        CloseSession { cluster_session_id: 1 }.encode().to_vec(),
    ]
}

fn clients() -> Vec<Vec<u8>> {
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
    vec![
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
    ]
}

fn snapshot() -> Vec<Vec<u8>> {
    let marker = SnapshotMarker {
        type_id: SnapshotMarker::SERVICE_TYPE_ID,
        log_position: 64,
        leadership_term_id: 1,
        index: 0,
        mark: SnapshotMark::Begin,
        time_unit: ClusterTimeUnit::Millis,
        app_version: Some(VERSION),
    };
    let session = ClientSession {
        cluster_session_id: 1,
        response_stream_id: 102,
        response_channel: "aeron:udp?endpoint=localhost:9000",
        encoded_principal: b"who",
    };
    vec![marker.encode().to_vec(), variable(|out| _ = session.encode(out))]
}

fn channels() -> Vec<Vec<u8>> {
    [
        "aeron:ipc",
        "aeron:ipc?term-length=64k|alias=log",
        "aeron:udp?endpoint=localhost:9000|interface=eth0",
        "aeron-spy:aeron:ipc",
    ]
    .map(|channel| channel.as_bytes().to_vec())
    .to_vec()
}

/// Answers and signals of an archive, and a recording's numbers.
fn archive() -> Vec<Vec<u8>> {
    let message = |template_id: u16, block_length: u16, numbers: &[i64], code: i32, text: &[u8]| {
        let mut message = Vec::new();
        for value in [block_length, template_id, 101, 14] {
            message.extend_from_slice(&value.to_le_bytes());
        }
        numbers.iter().for_each(|number| message.extend_from_slice(&number.to_le_bytes()));
        message.extend_from_slice(&code.to_le_bytes());
        message.extend_from_slice(&(text.len() as u32).to_le_bytes());
        message.extend_from_slice(text);
        message
    };
    vec![
        message(1, 28, &[7, 8, 11], 0, b""),
        message(1, 28, &[7, 8, 5], 1, b"unknown recording"),
        message(24, 44, &[7, 8, 11, 12, 64], 1, b""),
        message(24, 44, &[7, 8, 11, -1, -1], 6, b""),
    ]
}

/// Parts of a framed snapshot, each behind its length: a head, data and an end.
fn framed() -> Vec<Vec<u8>> {
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
fn mark_file() -> Vec<Vec<u8>> {
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
