//! A client that tells the replica what to do, and keeps all that it says.

use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::client::{AeronCluster, Context, EgressListener};
use aeron_cluster::codec::{EventCode, NewLeaderEvent, SessionEvent};
use aeron_cluster::testing::{PATIENCE, TestCluster};

use super::command::{Command, Reply};

const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(500);

/// A session with a cluster of replicas. Its messages are numbered from 1. Every wait panics when nothing arrives for
/// [`PATIENCE`]: it is for tests.
pub struct ReplicaClient {
    client: AeronCluster,
    inbox: Inbox,
    number: u64,
    keep_alive: Instant,
}

#[derive(Default)]
struct Inbox {
    messages: Vec<Vec<u8>>,
    leaders: Vec<i32>,
    closed: Option<String>,
}

impl EgressListener for Inbox {
    fn on_message(&mut self, _session: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) {
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
}

impl ReplicaClient {
    /// Connects through the driver of a member.
    pub fn connect(cluster: &TestCluster, member: usize) -> Self {
        Self::with(
            Context::new()
                .aeron_dir(cluster.aeron_dir(member))
                .ingress_channel("aeron:udp")
                .ingress_endpoints(cluster.ingress_endpoints())
                .egress_channel(cluster.egress_channel())
                .message_timeout(PATIENCE),
        )
    }

    /// Connects as the context says.
    pub fn with(context: Context) -> Self {
        let client = AeronCluster::connect(context).unwrap();
        ReplicaClient { client, inbox: Inbox::default(), number: 0, keep_alive: Instant::now() }
    }

    /// The session behind it.
    pub fn session(&mut self) -> &mut AeronCluster {
        &mut self.client
    }

    /// The number of the message sent last.
    pub fn last_number(&self) -> u64 {
        self.number
    }

    /// All that arrived, in order.
    pub fn received(&self) -> &[Vec<u8>] {
        &self.inbox.messages
    }

    /// The leaders that were announced.
    pub fn new_leaders(&self) -> &[i32] {
        &self.inbox.leaders
    }

    /// Why the cluster closed the session, if it did.
    pub fn closed(&self) -> Option<&str> {
        self.inbox.closed.as_deref()
    }

    /// Polls once, and keeps the session alive.
    pub fn poll(&mut self) {
        self.client.poll_egress(&mut self.inbox).unwrap();
        if self.keep_alive.elapsed() > KEEP_ALIVE_INTERVAL && !self.client.is_closed() {
            // Without a leader it is refused; the next one will do.
            let _ = self.client.send_keep_alive();
            self.keep_alive = Instant::now();
        }
    }

    /// Polls until `observe` finds something.
    pub fn poll_until<T>(&mut self, what: &str, mut observe: impl FnMut(&mut Self) -> Option<T>) -> T {
        let mut seen = self.inbox.messages.len();
        let mut moved = Instant::now();
        loop {
            self.poll();
            if let Some(found) = observe(self) {
                return found;
            }
            if self.inbox.messages.len() != seen {
                (seen, moved) = (self.inbox.messages.len(), Instant::now());
            }
            assert!(moved.elapsed() < PATIENCE, "gave up on {what}: {:?}", self.client);
            std::thread::yield_now();
        }
    }

    /// Sends a message as it is, waiting until the cluster takes it.
    pub fn send_raw(&mut self, message: &[u8]) {
        self.poll_until("room for a message", |client| match client.client.offer(message) {
            Ok(_) => Some(()),
            Err(OfferError::BackPressured | OfferError::AdminAction | OfferError::NotConnected) => None,
            Err(error) => panic!("a message of {} bytes is refused: {error}", message.len()),
        });
    }

    /// Sends a command, waiting until the cluster takes it. Returns its number.
    pub fn send(&mut self, command: Command<'_>) -> u64 {
        self.number += 1;
        self.send_raw(&command.encode(self.number));
        self.number
    }

    /// Sends a command and waits for the first answer to it. Returns the hash of the state after it, as one service tells.
    pub fn call(&mut self, command: Command<'_>) -> u64 {
        let first = self.inbox.messages.len();
        let sent = self.send(command);
        self.wait_for(first, "an answer", |reply| match *reply {
            Reply::Done { number, hash, .. } if number == sent => Some(hash),
            _ => None,
        })
    }

    /// Waits for a reply among what arrived from the message number `first` on.
    pub fn wait_for<T>(&mut self, first: usize, what: &str, mut is_it: impl FnMut(&Reply) -> Option<T>) -> T {
        let mut next = first;
        self.poll_until(what, |client| {
            let found = client.inbox.messages[next..].iter().find_map(|message| is_it(&Reply::decode(message)?));
            next = client.inbox.messages.len();
            found
        })
    }

    /// The numbers of the commands that were answered.
    pub fn answered(&self) -> impl Iterator<Item = u64> {
        self.inbox.messages.iter().filter_map(|message| match Reply::decode(message)? {
            Reply::Done { number, .. } | Reply::Bytes { number, .. } => Some(number),
            _ => None,
        })
    }

    /// Closes the session, and tells the cluster.
    pub fn close(mut self) {
        self.client.close();
    }
}
