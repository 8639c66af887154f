//! The Rust container and the official one beside each other: in one cluster, where they must take the same snapshots to the byte, and one
//! after the other under the same script, where clients must see the same.

use aeron_cluster::aeron::{Aeron, Context as AeronContext};
use aeron_cluster::client::Context;
use aeron_cluster::testing::{Java, PATIENCE, Process, TestCluster};

use crate::random::Random;
use crate::recordings::latest_snapshot;
use crate::replica::{Command, ReplicaClient, Reply};
use crate::rig::{abort, builder, field, replica_with, state_of, take_snapshot, wait_for_same_state};
use crate::support::java_1_54;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Rust,
    Java,
}

impl Container {
    fn start(self, cluster: &TestCluster, java: &Java, member: usize) -> Process {
        match self {
            Container::Rust => replica_with(cluster, member, 0, &[]),
            Container::Java => cluster.start_java_service(member, 0, java, "ReplicaService").unwrap(),
        }
    }
}

fn start_on(cluster: &mut TestCluster, java: &Java, containers: [Container; 3]) -> Vec<Process> {
    let services = (0..3).map(|member| containers[member].start(cluster, java, member)).collect();
    cluster.wait_for_leader().unwrap();
    cluster.wait_for_members().unwrap();
    services
}

/// So many sessions, through one Aeron client.
fn connect_many(cluster: &TestCluster, count: usize) -> Vec<ReplicaClient> {
    let aeron = Aeron::connect(AeronContext::new().dir(cluster.aeron_dir(0))).unwrap();
    let context = || {
        Context::new()
            .aeron(aeron.clone())
            .ingress_channel("aeron:udp")
            .ingress_endpoints(cluster.ingress_endpoints())
            .egress_channel(cluster.egress_channel())
            .message_timeout(PATIENCE)
    };
    (0..count).map(|_| ReplicaClient::with(context())).collect()
}

/// Three members at 1.54.0, one of them on the official container: the snapshots that they take are the same, frame by frame, and nothing
/// is left out of the comparison. Then each member starts from its own snapshot under the other container.
#[test]
fn snapshots_are_the_same_to_the_byte_and_load_on_both_containers() {
    use Container::{Java, Rust};
    const SESSIONS: usize = 30;
    const KEPT: usize = 150_000;
    let java = java_1_54();
    let mut cluster =
        builder().members(3).java(java.clone()).property("aeron.cluster.max.sessions", "100").start().unwrap();
    let mut services = start_on(&mut cluster, &java, [Rust, Java, Rust]);
    let mut clients = connect_many(&cluster, SESSIONS);
    let client = &mut clients[SESSIONS / 2];
    client.call(Command::Keep { length: KEPT as u32 });
    client.call(Command::Offer(b"to the log"));
    client.call(Command::ScheduleTimer { id: 1, delay_ms: 1 });
    wait_for_same_state(&services, |line| field(line, "timers") == "1" && field(line, "service_messages") == "1");
    cluster.shutdown().unwrap();
    drop(clients);
    for service in &mut services {
        service.wait(PATIENCE).unwrap();
    }
    let taken: Vec<_> = services.iter().map(|service| service.wait_for_line("snapshot ", PATIENCE).unwrap()).collect();
    assert!(taken.iter().all(|line| line == &taken[0]), "{taken:#?}");

    cluster.start().unwrap();
    let services = start_on(&mut cluster, &java, [Java, Rust, Java]);
    for service in &services {
        let start = service.wait_for_line("start ", PATIENCE).unwrap();
        assert_eq!(state_of(&start), state_of(&taken[0]));
    }
    let snapshots: Vec<_> = (0..3).map(|member| latest_snapshot(&cluster, member)).collect();
    assert!(snapshots[0].len() > 2 * SESSIONS + KEPT / 1_408, "{} frames", snapshots[0].len());
    assert!(snapshots[0] == snapshots[1], "Rust and Java write different snapshots");
    assert!(snapshots[0] == snapshots[2], "two Rust members write different snapshots");
}

/// A run of a script on a cluster of one member: two sessions at a time, and all that any session received.
struct Run {
    cluster: TestCluster,
    java: Java,
    container: Container,
    service: Process,
    clients: [ReplicaClient; 2],
    random: Random,
    received: Vec<Vec<Vec<u8>>>,
    states: Vec<String>,
}

/// Steps between the events of a script that take long: snapshots and restarts.
const STEPS: usize = 25;

impl Run {
    fn start(container: Container, java: &Java, seed: u64) -> Run {
        let mut cluster = builder().java(java.clone()).start().unwrap();
        let service = container.start(&cluster, java, 0);
        cluster.wait_for_leader().unwrap();
        let clients = [0, 1].map(|_| ReplicaClient::connect(&cluster, 0));
        let (received, states) = (Vec::new(), Vec::new());
        Run { cluster, java: java.clone(), container, service, clients, random: Random::new(seed), received, states }
    }

    fn steps(&mut self) {
        for _ in 0..STEPS {
            let who = self.random.below(2) as usize;
            match self.random.below(12) {
                0 => self.let_service_close(who),
                1 => self.close_and_reopen(who),
                2..=3 => self.timer(who),
                4..=5 => self.offer(who),
                _ => self.burst(who),
            }
        }
        // Told by both after the last step: the state at this point of the script.
        self.states.push(format!("{:x}", self.clients[0].call(Command::Note(b"a stage is over"))));
    }

    /// Several commands without waiting between them, then all answers.
    fn burst(&mut self, who: usize) {
        let client = &mut self.clients[who];
        let first = client.received().len();
        let count = 1 + self.random.below(20);
        for _ in 0..count {
            let content = vec![self.random.below(256) as u8; self.random.below(4_000) as usize];
            let id = 1_000 + self.random.below(5) as i64;
            client.send(match self.random.below(6) {
                0 => Command::Echo(&content),
                1 => Command::Reply { length: self.random.below(5_000) as u32 },
                2 => Command::Keep { length: self.random.below(20_000) as u32 },
                3 => Command::ScheduleTimer { id, delay_ms: 3_600_000 },
                4 => Command::CancelTimer { id },
                _ => Command::Note(&content),
            });
        }
        let end = first + count as usize;
        client.poll_until("the answers to a burst", |client| (client.received().len() >= end).then_some(()));
    }

    /// A command whose effect comes to both sessions, as `is_effect` knows it.
    fn call_and_wait(&mut self, who: usize, command: Command<'_>, is_effect: impl Fn(&Reply) -> bool) {
        let starts = [0, 1].map(|client: usize| self.clients[client].received().len());
        self.clients[who].call(command);
        for (client, start) in self.clients.iter_mut().zip(starts) {
            client.wait_for(start, "what comes to all sessions", |reply| is_effect(reply).then_some(()));
        }
    }

    fn timer(&mut self, who: usize) {
        let id = self.random.below(1_000) as i64;
        let command = Command::ScheduleTimer { id, delay_ms: 1 };
        self.call_and_wait(who, command, |reply| matches!(reply, Reply::Timer { .. }));
    }

    fn offer(&mut self, who: usize) {
        let content = vec![7; self.random.below(4_000) as usize];
        self.call_and_wait(who, Command::Offer(&content), |reply| matches!(reply, Reply::ServiceMessage { .. }));
    }

    /// One session has the other closed by the service.
    fn let_service_close(&mut self, who: usize) {
        let id = self.clients[1 - who].session().cluster_session_id();
        self.clients[who].call(Command::CloseSession { id });
        self.clients[1 - who].poll_until("the end of a session", |client| client.closed().map(drop));
        self.reopen(1 - who);
    }

    /// A client closes its session itself; the next begins when the service knows.
    fn close_and_reopen(&mut self, who: usize) {
        let before = self.service.line_count();
        self.clients[who].session().close();
        self.service.wait_for_line_from(before, "sessions=1/", PATIENCE).unwrap();
        self.reopen(who);
    }

    fn reopen(&mut self, who: usize) {
        let next = ReplicaClient::connect(&self.cluster, 0);
        let ended = std::mem::replace(&mut self.clients[who], next);
        self.received.push(ended.received().to_vec());
    }

    /// Ends the cluster, and goes on with what it left.
    fn restart(&mut self) {
        self.states.push(state_of(&abort(&mut self.cluster, &mut self.service)).to_owned());
        self.cluster.start().unwrap();
        self.service = self.container.start(&self.cluster, &self.java, 0);
        self.cluster.wait_for_leader().unwrap();
        [0, 1].into_iter().for_each(|who| self.reopen(who));
    }

    fn snapshot(&mut self) {
        self.states.push(take_snapshot(&self.cluster, &self.service));
    }
}

/// What the sessions received, each message of each, and what the replica said at each stage without times and positions.
fn egress_and_states(container: Container, java: &Java, seed: u64) -> (Vec<Vec<Vec<u8>>>, Vec<String>) {
    let mut run = Run::start(container, java, seed);
    run.steps();
    run.snapshot();
    run.steps();
    run.restart();
    run.steps();
    run.snapshot();
    run.steps();
    for client in &run.clients {
        run.received.push(client.received().to_vec());
    }
    let without = |state: &String| {
        let words = state.split(' ').filter(|word| !["exact=", "position="].iter().any(|name| word.starts_with(name)));
        words.collect::<Vec<_>>().join(" ")
    };
    (run.received, run.states.iter().map(without).collect())
}

/// One script, random but the same for both: bursts of commands, timers, messages of the service, sessions that end in every way, snapshots, a
/// restart.
#[test]
fn one_script_gives_the_same_egress_and_states_on_both_containers() {
    let java = java_1_54();
    let seed = std::env::var("AERON_CLUSTER_TEST_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("AERON_CLUSTER_TEST_SEED={seed}");
    let (egress, states) = egress_and_states(Container::Rust, &java, seed);
    let (java_egress, java_states) = egress_and_states(Container::Java, &java, seed);
    assert!(states.len() == 7 && egress.len() > 4, "{states:#?}");
    assert_eq!(states, java_states, "seed {seed}");
    assert_eq!(egress.len(), java_egress.len(), "seed {seed}");
    for (session, (ours, theirs)) in egress.iter().zip(&java_egress).enumerate() {
        let differing = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
        assert_eq!(differing, None, "seed {seed}: a message of session {session}");
        assert_eq!(ours.len(), theirs.len(), "seed {seed}: messages of session {session}");
    }
}
