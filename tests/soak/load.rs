//! Clients that keep a cluster of replicas busy, and remember what they were told of as done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Aeron, Header};
use aeron_cluster::client::{AeronCluster, Context, EgressListener};
use aeron_cluster::codec::NewLeaderEvent;

use crate::random::Random;
use crate::replica::{Command, Numbers, Reply};

/// Messages that may be unanswered before a client waits.
const WINDOW: u64 = 32;
/// Between two messages of a client.
const INTERVAL: Duration = Duration::from_millis(8);
/// What was not answered for so long will not be: a leader took it with it.
const GIVE_UP: Duration = Duration::from_secs(3);

/// What a client was told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The numbers answered, by session.
    pub answered: BTreeMap<i64, Numbers>,
    /// Messages sent in all sessions.
    pub sent: u64,
    /// Changes of leader that a session went through.
    pub new_leaders: u64,
    /// Messages without an answer yet.
    unanswered: u64,
}

/// Where and how clients connect.
#[derive(Clone)]
pub struct Address {
    pub aeron: Aeron,
    pub ingress_endpoints: String,
    pub egress_channel: String,
}

impl Address {
    fn context(&self) -> Context {
        Context::new()
            .aeron(self.aeron.clone())
            .ingress_channel("aeron:udp?term-length=64k")
            .ingress_endpoints(self.ingress_endpoints.clone())
            .egress_channel(self.egress_channel.clone())
            .message_timeout(Duration::from_secs(5))
            .keep_alive_interval(Duration::from_millis(500))
    }
}

/// A client on a thread of its own. It opens a new session whenever the old one is over. Ends when dropped.
pub struct Load {
    told: Arc<Mutex<Told>>,
    flags: Arc<Flags>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Flags {
    paused: AtomicBool,
    stopped: AtomicBool,
}

impl Load {
    pub fn start(address: Address, random: Random) -> Load {
        let (told, flags) = (Arc::default(), Arc::<Flags>::default());
        let sender = Sender { told: Arc::clone(&told), flags: Arc::clone(&flags), random };
        let thread = Some(std::thread::spawn(move || sender.run(&address)));
        Load { told, flags, thread }
    }

    pub fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    /// Sends nothing more, and waits until everything is answered, or will not be.
    pub fn pause(&self) {
        self.flags.paused.store(true, Ordering::Relaxed);
        while lock(&self.told).unanswered > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn go_on(&self) {
        self.flags.paused.store(false, Ordering::Relaxed);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.flags.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was told on its own.
            let _ = thread.join();
        }
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sender {
    told: Arc<Mutex<Told>>,
    flags: Arc<Flags>,
    random: Random,
}

impl Sender {
    fn run(mut self, address: &Address) {
        while !self.flags.stopped.load(Ordering::Relaxed) {
            // Without a leader nobody answers; then again.
            if let Ok(client) = AeronCluster::connect(address.context()) {
                self.session(client);
                lock(&self.told).unanswered = 0;
            }
        }
    }

    /// Until the session is over.
    fn session(&mut self, mut client: AeronCluster) {
        let mut inbox = Inbox { told: Arc::clone(&self.told), session: client.cluster_session_id(), last: 0 };
        let (mut number, mut given_up, mut next) = (0, 0, Instant::now());
        let mut moved = (0, Instant::now());
        while !self.flags.stopped.load(Ordering::Relaxed) && client.poll_egress(&mut inbox).is_ok() {
            if inbox.last != moved.0 || inbox.last == number {
                moved = (inbox.last, Instant::now());
            } else if moved.1.elapsed() > GIVE_UP {
                given_up = number;
            }
            let unanswered = number - inbox.last.max(given_up);
            lock(&self.told).unanswered = unanswered;
            let may_send = !self.flags.paused.load(Ordering::Relaxed) && unanswered < WINDOW;
            if may_send && Instant::now() >= next {
                next = Instant::now() + INTERVAL;
                if client.offer(&self.message(number + 1)).is_ok() {
                    number += 1;
                    lock(&self.told).sent += 1;
                }
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn message(&mut self, number: u64) -> Vec<u8> {
        let content = vec![self.random.below(256) as u8; self.random.below(1_500) as usize];
        let id = self.random.below(1_000) as i64;
        match self.random.below(1_000) {
            0 => Command::CloseSession { id: 0 },
            1..10 => Command::Keep { length: self.random.below(20_000) as u32 },
            10..100 => Command::Offer(&content),
            100..250 => Command::ScheduleTimer { id, delay_ms: self.random.below(300) as i64 },
            250..300 => Command::CancelTimer { id },
            _ => Command::Note(&content),
        }
        .encode(number)
    }
}

struct Inbox {
    told: Arc<Mutex<Told>>,
    session: i64,
    last: u64,
}

impl EgressListener for Inbox {
    fn on_message(&mut self, _session: i64, _timestamp: i64, message: &[u8], _header: &Header<'_>) {
        if let Some(Reply::Done { number, .. }) = Reply::decode(message) {
            self.last = number;
            lock(&self.told).answered.entry(self.session).or_default().add(number);
        }
    }

    fn on_new_leader(&mut self, _event: &NewLeaderEvent<'_>) {
        lock(&self.told).new_leaders += 1;
    }
}
