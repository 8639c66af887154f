//! The kinds of channels on which a client can talk to a cluster.

use std::process::Command;

use aeron_cluster::client::{AeronCluster, Context};
use aeron_cluster::codec::{EventCode, IngressEvent};
use aeron_cluster::testing::{PATIENCE, PortBlock, Process};

use crate::rig::*;

/// Opens a session with the first of the members, sends a message to all and has one back.
fn talk(context: Context, members: &mut [Member]) {
    let mut connect = AeronCluster::async_connect(context).unwrap();
    let request = members[0].next_connect_request(&mut connect);
    members[0].answer(request.correlation_id, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    for member in &mut *members {
        until("the message", || {
            // A member that joins later than the first misses what was sent before.
            let _ = client.offer(b"to all");
            member.poll(|event| matches!(event, IngressEvent::SessionMessage { payload: b"to all", .. }).then_some(()))
        });
    }
    members[0].send_message(SESSION, b"back");
    poll_until(&mut client, &mut Journal::default(), "message 7 99 back");
}

#[test]
fn shared_memory_and_one_address_of_either_kind_of_publication() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let udp = format!("aeron:udp?endpoint=localhost:{}|term-length=64k", ports.port(0));
    let fixed = format!("aeron:udp?endpoint=localhost:{}|term-length=64k", ports.port(1));
    for is_exclusive in [true, false] {
        for (ingress, egress) in
            [(IPC, IPC), (IPC, UDP_EGRESS), (udp.as_str(), UDP_EGRESS), (udp.as_str(), fixed.as_str())]
        {
            let mut members = [host.member(ingress)];
            talk(host.shared_context(ingress, egress).is_ingress_exclusive(is_exclusive), &mut members);
        }
    }
}

#[test]
fn an_ingress_with_several_destinations_reaches_every_member() {
    let host = Host::start();
    let ports = PortBlock::reserve().unwrap();
    let control = format!("localhost:{}", ports.port(0));
    let ingress = format!("aeron:udp?control={control}|control-mode=dynamic|fc=max|term-length=64k");
    let member = || host.member(&format!("aeron:udp?endpoint=localhost:0|control={control}|control-mode=dynamic"));
    talk(host.shared_context(&ingress, UDP_EGRESS), &mut [member(), member()]);
}

/// Names the test that is run once more in a network of its own.
const IN_NETWORK: &str = "AERON_CLUSTER_TEST_IN_NETWORK";

/// Multicast needs a network whose routes are the test's: it runs itself again in one.
#[test]
fn an_ingress_by_multicast_reaches_every_member() {
    if std::env::var_os(IN_NETWORK).is_none() {
        let script = "ip link set dev lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec \"$@\"";
        let mut command = Command::new("unshare");
        // SAFETY: geteuid only tells who runs the test (geteuid(2)). Root needs no namespace of users, and may not make one in a chroot.
        if unsafe { libc::geteuid() } != 0 {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--net", "--", "sh", "-ec", script, "test"]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--exact", "channels::an_ingress_by_multicast_reaches_every_member", "--nocapture"]);
        let mut inner = Process::spawn("the test in its network", command.env(IN_NETWORK, "1")).unwrap();
        inner.wait_for_success(PATIENCE).unwrap();
        return;
    }
    let host = Host::start();
    let ingress = "aeron:udp?endpoint=224.20.30.39:24326|interface=127.0.0.1|term-length=64k";
    let egress = "aeron:udp?endpoint=224.20.30.41:24327|interface=127.0.0.1|term-length=64k";
    talk(host.shared_context(ingress, egress), &mut [host.member(ingress)]);
}
