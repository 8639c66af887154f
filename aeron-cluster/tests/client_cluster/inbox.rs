//! A client's listener that keeps what it hears, and waiting with it.

use std::time::Instant;

use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::client::{AeronCluster, EgressListener, StateChange};
use aeron_cluster::codec::{AdminResponse, AdminResponseCode, EventCode, NewLeaderEvent, SessionEvent};
use aeron_cluster::testing::PATIENCE;

/// Keeps what the tests ask about.
#[derive(Default)]
pub struct Inbox {
    pub messages: Vec<Vec<u8>>,
    pub leaders: Vec<i32>,
    pub admin: Vec<(i64, AdminResponseCode)>,
    pub changes: Vec<StateChange>,
    pub closed: Option<String>,
}

impl EgressListener for Inbox {
    fn on_message(&mut self, _session_id: i64, timestamp: i64, message: &[u8], _header: &Header<'_>) {
        assert!(timestamp > 0);
        self.messages.push(message.to_vec());
    }

    fn on_session_event(&mut self, event: &SessionEvent<'_>) {
        if event.code == EventCode::Closed {
            self.closed = Some(event.detail.to_owned());
        }
    }

    fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) {
        self.leaders.push(event.leader_member_id);
    }

    fn on_admin_response(&mut self, response: &AdminResponse<'_>) {
        self.admin.push((response.correlation_id, response.response_code));
    }

    fn on_state_change(&mut self, change: &StateChange) {
        self.changes.push(change.clone());
    }
}

/// Polls until `observe` gives a value.
pub fn poll_until<T>(
    what: &str,
    client: &mut AeronCluster,
    inbox: &mut Inbox,
    mut observe: impl FnMut(&mut AeronCluster, &mut Inbox) -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.poll_egress(inbox).unwrap();
        if let Some(value) = observe(client, inbox) {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up on {what}: {client:?}");
        std::thread::yield_now();
    }
}

/// Sends one message, and waits for its echo.
pub fn echo(client: &mut AeronCluster, inbox: &mut Inbox, message: &[u8]) {
    inbox.messages.clear();
    poll_until("room to send", client, inbox, |client, _| match client.offer(message) {
        Ok(_) => Some(()),
        Err(OfferError::BackPressured | OfferError::AdminAction | OfferError::NotConnected) => None,
        Err(error) => panic!("{error}"),
    });
    poll_until("the echo", client, inbox, |_, inbox| inbox.messages.pop().map(|echoed| assert_eq!(echoed, message)));
}
