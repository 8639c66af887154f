//! What arrives on the egress.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Action, Header};
use aeron_cluster::client::{ControlledEgressListener, on_message};
use aeron_cluster::codec::{AdminRequestType, AdminResponse, AdminResponseCode, IngressEvent, SessionMessageHeader};

use crate::rig::*;

#[test]
fn a_foreign_schema_is_the_extensions_or_an_error_and_is_never_decoded() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    let mut frame =
        SessionMessageHeader { leadership_term_id: TERM, cluster_session_id: SESSION, timestamp: 0 }.encode();
    frame[4] = 55;
    member.send(&frame);
    let error = until("the error", || client.poll_egress(&mut on_message(|_, _, _, _| panic!("decoded"))).err());
    assert_eq!(error.message(), "expected cluster egress schemaId=111 actual=55");
    assert_eq!(error.kind(), ErrorKind::Protocol);

    let mut journal = Journal::default();
    member.send(&frame);
    member.send_message(SESSION, b"next");
    poll_until(&mut client, &mut journal, "message 7 99 next");
    assert_eq!(journal.0, ["schema 55 with 24 bytes", "message 7 99 next"]);
}

#[test]
fn an_administrative_request_and_its_answer() {
    let host = Host::start();
    let (mut client, mut member) = host.connected(host.context(IPC, IPC));
    client.send_admin_request_to_take_a_snapshot(42).unwrap();
    let correlation_id = until("the request", || {
        member.poll(|event| {
            let IngressEvent::AdminRequest(request) = event else { panic!("{event:?}") };
            assert_eq!((request.request_type, request.payload), (AdminRequestType::Snapshot, &[][..]));
            Some(request.correlation_id)
        })
    });
    let response = AdminResponse {
        cluster_session_id: SESSION,
        correlation_id,
        request_type: AdminRequestType::Snapshot,
        response_code: AdminResponseCode::UnauthorisedAccess,
        message: "no",
        payload: &[],
    };
    member.send(response.encode(&mut Vec::new()));
    poll_until(&mut client, &mut Journal::default(), "admin 42 UNAUTHORISED_ACCESS no");
}

/// Refuses a message the first time.
#[derive(Default)]
struct Hesitant(Vec<String>);

impl ControlledEgressListener for Hesitant {
    fn on_message(&mut self, _session_id: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) -> Action {
        self.0.push(String::from_utf8_lossy(message).into_owned());
        if self.0.len() == 1 { Action::Abort } else { Action::Commit }
    }
}

#[test]
fn a_controlled_listener_can_have_a_message_again() {
    let host = Host::start();
    let (mut client, member) = host.connected(host.context(IPC, IPC));
    member.send_message(SESSION, b"a");
    member.send_message(SESSION, b"b");
    let mut hesitant = Hesitant::default();
    until("both messages", || {
        client.controlled_poll_egress(&mut hesitant).unwrap();
        (hesitant.0.len() == 3).then_some(())
    });
    assert_eq!(hesitant.0, ["a", "a", "b"]);
}
