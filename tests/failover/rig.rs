//! A cluster of replicas in this process, and a client that counts what was acknowledged.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aeron_cluster::testing::{Builder, TestCluster};

use crate::replica::{Command, Replica, ReplicaClient, State};

pub const MEMBERS: usize = 3;
/// Messages in one burst: more than one fragment of the log holds.
const BURST: usize = 200;

/// What a member's service shows, that of its last start.
#[derive(Clone, Default)]
struct Shown {
    state: Arc<Mutex<State>>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// What the services of all members show.
#[derive(Clone, Default)]
pub struct Replicas {
    shown: Arc<Mutex<[Shown; MEMBERS]>>,
}

impl Replicas {
    /// A builder of three members whose service is the replica, in this process.
    pub fn builder(&self) -> Builder {
        let shown = Arc::clone(&self.shown);
        TestCluster::builder().members(MEMBERS).service(move |place| {
            let lines: Arc<Mutex<Vec<String>>> = Arc::default();
            let told = Arc::clone(&lines);
            let replica = Replica::telling(move |line| told.lock().unwrap().push(line));
            shown.lock().unwrap()[place.member()] = Shown { state: replica.shared_state(), lines };
            replica
        })
    }

    pub fn shared_state(&self, member: usize) -> Arc<Mutex<State>> {
        Arc::clone(&self.shown.lock().unwrap()[member].state)
    }

    pub fn state(&self, member: usize) -> State {
        self.shared_state(member).lock().unwrap().clone()
    }

    /// The lines that a member's service told, such as `role=FOLLOWER …`.
    pub fn lines(&self, member: usize) -> Vec<String> {
        let shown = self.shown.lock().unwrap()[member].clone();
        shown.lines.lock().unwrap().clone()
    }

    /// Waits until all members have applied the same, and checks that it is what the client was told.
    pub fn check(&self, cluster: &mut TestCluster, client: &mut Client) {
        cluster.wait_for_members().unwrap();
        client.settle();
        cluster.wait_until_applied().unwrap();
        let states: Vec<_> = (0..MEMBERS).map(|member| self.state(member)).collect();
        for state in &states {
            assert_eq!(state, &states[0], "the members' states differ");
        }
        client.check(&states[0]);
    }
}

/// A session of numbered messages.
pub struct Client {
    client: ReplicaClient,
    session_id: i64,
}

impl Client {
    /// On a machine of its own.
    pub fn connect(cluster: &mut TestCluster) -> Client {
        Self::with(ReplicaClient::with(cluster.remote_client_context().unwrap()))
    }

    pub fn with(mut client: ReplicaClient) -> Client {
        let session_id = client.session().cluster_session_id();
        Client { client, session_id }
    }

    pub fn session_id(&self) -> i64 {
        self.session_id
    }

    /// Sends a number of messages and does not wait for answers: some may be lost with the leader that takes them.
    pub fn burst(&mut self) {
        for number in 0..BURST {
            self.client.send(Command::Note(&number.to_le_bytes()));
        }
    }

    /// Sends a number of long messages, which fill segments of the archive.
    pub fn fill(&mut self, count: usize) {
        for _ in 0..count {
            self.client.send(Command::Note(&[7; 7_000]));
        }
    }

    /// Sends one message after the other until one is answered: a leader is there, and the session goes on.
    pub fn settle(&mut self) {
        loop {
            let leaders = self.client.new_leaders().len();
            let sent = self.client.send(Command::Note(b"settle"));
            let is_answered = self.client.poll_until("an answer or a new leader", |client| {
                if client.answered().any(|number| number == sent) {
                    return Some(true);
                }
                (client.new_leaders().len() > leaders).then_some(false)
            });
            if is_answered {
                return;
            }
        }
    }

    /// Waits until another member than this is known as leader.
    pub fn wait_for_other_leader(&mut self, member: usize) {
        self.client.poll_until("another leader", |client| {
            (client.session().leader_member_id() != member as i32).then_some(())
        });
    }

    /// Nothing that was answered is missing, nothing is there twice or out of order.
    fn check(&self, state: &State) {
        assert_eq!(self.client.closed(), None, "the session went on");
        let numbers = &state.sessions[&self.session_id];
        let answered: BTreeSet<u64> = self.client.answered().collect();
        let lost: Vec<_> = answered.iter().filter(|number| !numbers.contain(**number)).collect();
        assert!(lost.is_empty(), "answered, but not applied: {lost:?}");
        assert_eq!(state.doubled, 0, "{state}");
        let applied: u64 = numbers.ranges.iter().map(|(first, last)| last - first + 1).sum();
        assert_eq!(applied, numbers.count, "{state}");
        assert!(answered.len() > BURST, "only {} messages were answered", answered.len());
    }
}
