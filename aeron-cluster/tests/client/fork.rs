//! A process that is forked has a client whose session is the parent's.

use aeron_cluster::client::State;
use aeron_cluster::codec::IngressEvent;

use crate::rig::*;

#[test]
fn a_child_does_not_close_its_parents_session() {
    let host = Host::start();
    let (client, mut member) = host.connected(host.shared_context(IPC, IPC));
    let mut held = Some(client);
    // SAFETY: the child drops its copy of the client and ends without running anything else of its parent's.
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

    // What a child sends is in the log before it ends.
    assert_eq!(member.poll(|event| Some(format!("{event:?}"))), None);
    let mut client = held.unwrap();
    assert_eq!(client.state(), State::Connected);
    until("room to send", || client.offer(b"alive").ok());
    until("the message", || {
        member.poll(|event| matches!(event, IngressEvent::SessionMessage { payload: b"alive", .. }).then_some(()))
    });
}
