//! Sessions with one member, whose service is the Java echo.

use std::thread;
use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::OfferError;
use aeron_cluster::client::{AeronCluster, Context, State};
use aeron_cluster::codec::AdminResponseCode;
use aeron_cluster::testing::{Java, PATIENCE, Process, TestCluster};

use crate::inbox::{Inbox, echo, poll_until};
use crate::support::{java_1_54, java_programs, start_java_services};

fn echo_cluster(java: &Java) -> (TestCluster, Vec<Process>) {
    let mut cluster = TestCluster::builder().property("aeron.cluster.session.timeout", "3s").start().unwrap();
    let services = start_java_services(&cluster, 1, java, "EchoService");
    cluster.wait_for_leader().unwrap();
    (cluster, services)
}

fn context(cluster: &TestCluster, member: usize) -> Context {
    Context::new()
        .aeron_dir(cluster.aeron_dir(member))
        .ingress_channel("aeron:udp?term-length=64k")
        .ingress_endpoints(cluster.ingress_endpoints())
        .egress_channel(cluster.egress_channel())
        .message_timeout(PATIENCE)
        .client_name("client_cluster")
}

#[test]
fn one_member_echoes_messages_of_all_lengths_to_two_clients() {
    let java = java_programs();
    let (cluster, _services) = echo_cluster(&java);
    let mut client = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let mut inbox = Inbox::default();
    assert_eq!((client.leader_member_id(), client.state()), (0, State::Connected));
    for length in [0, 1, 100, 1_376, 1_377, 8_000] {
        let message: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        echo(&mut client, &mut inbox, &message);
    }
    let too_long = vec![0; client.max_message_length().unwrap() + 1];
    assert_eq!(client.offer(&too_long), Err(OfferError::InvalidArgument));

    let mut plain = AeronCluster::connect(
        Context::new()
            .aeron_dir(cluster.aeron_dir(0))
            .ingress_channel(format!("aeron:udp?endpoint={}", cluster.ingress_endpoints().trim_start_matches("0=")))
            .egress_channel("aeron:ipc")
            .is_ingress_exclusive(false),
    )
    .unwrap();
    assert_ne!(plain.cluster_session_id(), client.cluster_session_id());
    echo(&mut plain, &mut inbox, b"over another channel");
    echo(&mut client, &mut inbox, b"beside it");
    assert_eq!(inbox.changes, []);
}

#[test]
fn servers_at_1_54_echo_short_and_long_messages() {
    let java = java_1_54();
    let (cluster, _services) = echo_cluster(&java);
    let mut client = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let mut inbox = Inbox::default();
    echo(&mut client, &mut inbox, b"schema 17");
    echo(&mut client, &mut inbox, &[17; 5_000]);
}

#[test]
fn a_silent_client_is_closed_by_the_cluster_and_one_that_says_it_is_alive_is_not() {
    let java = java_programs();
    let (cluster, _services) = echo_cluster(&java);
    let mut silent = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let mut alive = AeronCluster::connect(context(&cluster, 0)).unwrap();
    let (mut silent_inbox, mut alive_inbox) = (Inbox::default(), Inbox::default());
    let mut last_sent = Instant::now();
    poll_until("the end of the silent session", &mut silent, &mut silent_inbox, |silent, _| {
        if last_sent.elapsed() > Duration::from_millis(500) {
            last_sent = Instant::now();
            alive.send_keep_alive().unwrap();
        }
        alive.poll_egress(&mut alive_inbox).unwrap();
        silent.is_closed().then_some(())
    });
    assert_eq!(silent_inbox.closed.as_deref(), Some("TIMEOUT"));
    assert_eq!(silent_inbox.changes.iter().map(|change| change.current).collect::<Vec<_>>(), [State::Closed]);
    assert_eq!(silent.poll_egress(&mut silent_inbox).unwrap_err().kind(), ErrorKind::Closed);
    echo(&mut alive, &mut alive_inbox, b"still here");
}

#[test]
fn a_snapshot_is_refused_to_a_client_that_may_not_ask_for_it() {
    let java = java_programs();
    let (cluster, _services) = echo_cluster(&java);
    let mut client = AeronCluster::connect(context(&cluster, 0)).unwrap();
    client.send_admin_request_to_take_a_snapshot(4711).unwrap();
    let answer = poll_until("the answer", &mut client, &mut Inbox::default(), |_, inbox| inbox.admin.pop());
    assert_eq!(answer, (4711, AdminResponseCode::UnauthorisedAccess));
}

#[test]
fn clients_in_threads_of_their_own_do_not_disturb_each_other() {
    let java = java_programs();
    let (cluster, _services) = echo_cluster(&java);
    let shared = AeronCluster::connect(context(&cluster, 0)).unwrap().aeron().clone();
    // Each with an Aeron client of its own, and both on one.
    for context in [context(&cluster, 0), context(&cluster, 0).aeron(shared)] {
        let talk = |letter: u8, context: Context| {
            move || {
                let mut client = AeronCluster::connect(context).unwrap();
                let mut inbox = Inbox::default();
                for number in 0..200u8 {
                    echo(&mut client, &mut inbox, &[letter, number]);
                }
                client.cluster_session_id()
            }
        };
        let threads = [b'a', b'b'].map(|letter| thread::spawn(talk(letter, context.clone())));
        let [first, second] = threads.map(|thread| thread.join().unwrap());
        assert_ne!(first, second);
    }
}
