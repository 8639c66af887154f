//! Many sessions one after the other, and several at once.

use std::fs;

use aeron_cluster::client::{AeronCluster, Context};
use aeron_cluster::codec::{EventCode, IngressEvent};
use aeron_cluster::testing::PATIENCE;

use crate::rig::*;

/// What may remain of a process's memory when nothing leaks: arenas that the allocator keeps, in bytes.
const SLACK: u64 = 8 << 20;

/// The same under AddressSanitizer, which keeps what was freed, up to this much, so as to notice a use of it. What is lost there
/// LeakSanitizer tells.
const QUARANTINE: u64 = 256 << 20;

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Memory that is not backed by files, in bytes: log buffers are the driver's to reuse.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn open_and_close(context: &Context, member: &mut Member) {
    let mut connect = AeronCluster::async_connect(context.clone()).unwrap();
    let request = until("a connect request", || {
        assert!(connect.poll().unwrap().is_none());
        member.connect_request_on_open_egress()
    });
    member.answer(request, EventCode::Ok, "");
    let mut client = until("the session", || connect.poll().unwrap());
    client.offer(b"message").unwrap();
    client.close();
    let mut events = 0;
    until("message and close request", || {
        let event = member.poll(|event| {
            Some(matches!(event, IngressEvent::SessionMessage { .. } | IngressEvent::SessionCloseRequest(_)))
        });
        events += usize::from(event == Some(true));
        (events == 2).then_some(())
    });
}

/// Opens and closes `count` sessions, and looks that nothing has grown since a tenth of them.
fn churn(context: impl Fn(&Host) -> Context, count: usize) {
    let host = Host::start();
    let mut member = host.member(IPC);
    let census = host.census();
    // Kept open: the growth that is looked for is the client's, not the member's.
    member.open_egress_of_clients(IPC, 102);
    let context = context(&host).message_timeout(PATIENCE);
    let mut before = None;
    for number in 0..count {
        open_and_close(&context, &mut member);
        if number % 1_000 == 0 {
            println!("{number} sessions, {} files, {} bytes", open_files(), memory());
        }
        if number == count / 10 {
            before = Some((open_files(), memory()));
        }
    }
    member.egress = None;
    host.until_back_at(&census, "a closed client", &mut Some(member));
    let (files, bytes) = before.unwrap();
    until("the files to be closed", || (open_files() <= files).then_some(()));
    let grown = memory().saturating_sub(bytes);
    let slack = if std::env::var_os("ASAN_OPTIONS").is_some() { SLACK + QUARANTINE } else { SLACK };
    assert!(grown < slack, "{grown} bytes more after {count} sessions");
}

#[test]
fn hundreds_of_sessions_on_one_aeron_client_leave_nothing() {
    churn(|host| host.shared_context(IPC, IPC), 200);
}

#[test]
fn dozens_of_sessions_with_aeron_clients_of_their_own_leave_nothing() {
    churn(|host| host.context(IPC, IPC), 20);
}

/// `cargo test -p aeron-cluster --features testing --release --test client ten_thousand -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_sessions_leave_nothing() {
    churn(|host| host.shared_context(IPC, IPC), 10_000);
    churn(|host| host.context(IPC, IPC), 1_000);
}
