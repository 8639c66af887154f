//! A process that is forked has a client whose session is the parent's.

use aeron_cluster::client::{AeronCluster, ConnectState, State};
use aeron_cluster::codec::IngressEvent;

use crate::abandoned::reach;
use crate::rig::*;

/// Drops what the process holds in a child, and not in the process itself.
fn drop_in_child<T>(held: T) -> T {
    let mut held = Some(held);
    // SAFETY: the child drops its copy and ends without running anything else of its parent's.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        drop(held.take());
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
    held.expect("the parent's")
}

#[test]
fn a_child_does_not_close_its_parents_session() {
    let host = Host::start();
    let (client, mut member) = host.connected(host.shared_context(IPC, IPC));
    let mut client = drop_in_child(client);
    // What a child sends is in the log before it ends.
    assert_eq!(member.poll(|event| Some(format!("{event:?}"))), None);
    assert_eq!(client.state(), State::Connected);
    until("room to send", || client.offer(b"alive").ok());
    until("the message", || {
        member.poll(|event| matches!(event, IngressEvent::SessionMessage { payload: b"alive", .. }).then_some(()))
    });
}

#[test]
fn a_child_does_not_close_the_session_that_its_parent_is_opening() {
    let host = Host::start();
    let mut member = host.member(IPC);
    let mut connect = AeronCluster::async_connect(host.shared_context(IPC, IPC)).unwrap();
    reach(ConnectState::ConcludeConnect, &mut connect, &mut member);
    let mut connect = drop_in_child(connect);
    assert_eq!(member.poll(|event| Some(format!("{event:?}"))), None);
    assert_eq!(connect.poll().unwrap().expect("the session").state(), State::Connected);
}
