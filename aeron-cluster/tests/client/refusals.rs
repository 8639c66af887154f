//! Settings and answers that cannot lead to a session: each has an error that says why.

use std::time::Duration;

use aeron_cluster::ErrorKind;
use aeron_cluster::client::{AeronCluster, Context};
use aeron_cluster::codec::{EventCode, SessionMessageHeader};

use crate::rig::*;

const SOON: Duration = Duration::from_millis(300);

fn refused(context: Context) -> (ErrorKind, String) {
    let error = AeronCluster::connect(context.message_timeout(SOON)).unwrap_err();
    (error.kind(), error.message().to_owned())
}

#[test]
fn settings_that_lead_nowhere_are_named() {
    let host = Host::start();
    let context = |ingress: &str, egress: &str| host.shared_context(ingress, egress);
    let (timeout, invalid) = (ErrorKind::Timeout, ErrorKind::InvalidArgument);
    let members = |endpoints: &str| context(UDP, UDP_EGRESS).ingress_endpoints(endpoints);
    for (what, context, kind, parts) in [
        ("no separator", members("0:localhost:1"), invalid, &["endpoint missing '=' separator: 0:localhost:1"][..]),
        ("no number", members("a=localhost:1"), invalid, &["ingressEndpoints", "\"a\""]),
        ("an empty list", members(""), invalid, &["ingressEndpoints"]),
        ("no port", members("0=localhost"), timeout, &["member 0: ", "localhost"]),
        ("a port too large", members("0=localhost:65536"), timeout, &["member 0: ", "65536"]),
        ("no such host", members("0=no-such-host.invalid:1"), timeout, &["member 0: ", "no-such-host.invalid"]),
        (
            "nobody there",
            members("3=localhost:1"),
            timeout,
            &["state=AWAIT_PUBLICATION_CONNECTED", "ingressEndpoints=3="],
        ),
        ("no endpoint at all", context("aeron:udp", UDP_EGRESS), ErrorKind::Registration, &["aeron:udp"]),
        ("an unknown media", context("aeron:tcp", UDP_EGRESS), invalid, &["ingressChannel", "aeron:tcp"]),
        ("no channel", context("localhost:1", UDP_EGRESS), invalid, &["ingressChannel", "localhost:1"]),
        (
            "an egress port too large",
            context(IPC, "aeron:udp?endpoint=localhost:65536"),
            ErrorKind::Registration,
            &["65536"],
        ),
        ("an egress that is no channel", context(IPC, "aeron"), invalid, &["egressChannel", "aeron"]),
        ("endpoints for shared memory", context(IPC, IPC).ingress_endpoints("0=a:1"), invalid, &["IPC ingress"]),
    ] {
        let (actual, message) = refused(context);
        assert_eq!(actual, kind, "{what}: {message}");
        for part in parts {
            assert!(message.contains(part), "{what}: {part:?} is not in {message}");
        }
    }
}

#[test]
fn one_member_that_cannot_be_reached_does_not_keep_the_others_from_answering() {
    let host = Host::start();
    let ports = aeron_cluster::testing::PortBlock::reserve().unwrap();
    let (_, channels) = two_members(&ports);
    let mut member = host.member(&channels[1]);
    let endpoints = format!("0=no-such-host.invalid:1,1=localhost:{}", ports.port(1));
    let context = host.shared_context(UDP, UDP_EGRESS).ingress_endpoints(endpoints);
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = member.next_connect_request(&mut connect);
    member.answer(request.correlation_id, EventCode::Ok, "");
    until("the session", || connect.poll().unwrap());
}

#[test]
fn answers_that_are_not_for_this_request_are_told_when_none_comes_that_is() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let clock = MadeUpClock::new();
    let mut connect = AeronCluster::async_connect(clock.set_on(host.shared_context(IPC, IPC))).unwrap();
    let request = member.next_connect_request(&mut connect);
    let stranger = request.correlation_id + 1000;
    member.answer(stranger, EventCode::Ok, "of another cluster, or to another client");
    let mut foreign =
        SessionMessageHeader { leadership_term_id: TERM, cluster_session_id: SESSION, timestamp: 0 }.encode();
    foreign[4] = 55;
    member.send(&foreign);
    member.send(&[1, 2, 3]);
    for _ in 0..100 {
        assert!(connect.poll().unwrap().is_none());
    }
    clock.advance(Duration::from_secs(6));
    let message = connect.poll().unwrap_err().to_string();
    assert!(
        message.contains(&format!("an answer came to request {stranger}, ours was {}", request.correlation_id)),
        "{message}"
    );
    assert!(message.contains("an answer could not be read: "), "{message}");
}

#[test]
fn no_media_driver_is_an_error_that_names_its_directory() {
    let dir = aeron_cluster::testing::WorkDir::new().unwrap();
    let nowhere = dir.path().join("nobody");
    let context = Context::new().aeron_dir(&nowhere).ingress_channel(IPC).egress_channel(IPC).driver_timeout(SOON);
    let (kind, message) = refused(context);
    assert_eq!(kind, ErrorKind::DriverDead);
    assert!(message.contains(nowhere.to_str().unwrap()), "{message}");
}
