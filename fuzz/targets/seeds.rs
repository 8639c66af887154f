//! Writes the messages that the targets start from: `seeds DIR` makes a directory for each target.
//!
//! They are messages as they stand on the wire, from the encoders that the tests compare with the official ones byte by byte, each at the
//! present version and at the oldest.

use std::path::Path;

use aeron_cluster::codec::{
    ActionFlags, AdminRequest, AdminRequestType, AdminResponse, AdminResponseCode, CancelTimer, Challenge,
    ChallengeResponse, ClientSession, CloseReason, CloseSession, ClusterAction, ClusterActionRequest, ClusterTimeUnit,
    EventCode, JoinLog, NewLeaderEvent, NewLeadershipTermEvent, RequestServiceAck, Role, ScheduleTimer,
    SemanticVersion, ServiceAck, ServiceTerminationPosition, SessionCloseEvent, SessionCloseRequest,
    SessionConnectRequest, SessionEvent, SessionKeepAlive, SessionMessageHeader, SessionOpenEvent, SnapshotMark,
    SnapshotMarker, TimerEvent,
};
use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};

fn main() -> std::io::Result<()> {
    let dir = std::env::args_os().nth(1).expect("usage: seeds DIR");
    let dir = Path::new(&dir);
    write(dir, "log", &log())?;
    write(dir, "control", &control())?;
    write(dir, "clients", &clients())?;
    write(dir, "snapshot", &snapshot())?;
    write(dir, "uri", &channels())?;
    std::fs::create_dir_all(dir.join("mark_file"))?;
    let path = dir.join("mark_file/fresh");
    let _ = std::fs::remove_file(&path);
    let mark = ClusterMarkFile::open(&Options::new(&path), || 1_000).map_err(std::io::Error::other)?;
    assert!(mark.error_log().record(1_000, "an error"));
    Ok(())
}

fn write(dir: &Path, target: &str, messages: &[Vec<u8>]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir.join(target))?;
    for (number, message) in messages.iter().enumerate() {
        std::fs::write(dir.join(target).join(format!("{number:02}")), message)?;
        if target != "uri" {
            let mut old = message.clone();
            old[6..8].copy_from_slice(&0_u16.to_le_bytes());
            std::fs::write(dir.join(target).join(format!("{number:02}-old")), old)?;
        }
    }
    Ok(())
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
