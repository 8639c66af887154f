//! Clients that keep a cluster of replicas busy, and remember what they were told of as done.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::Header;
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
    /// The longest time without an answer, under load.
    pub silence: Duration,
    /// The last answer, or the beginning of the load.
    heard: Option<Instant>,
    /// Messages without an answer yet.
    unanswered: u64,
}

impl Told {
    /// Something arrived, or nothing more is waited for.
    fn hear(&mut self) {
        let heard = self.heard.replace(Instant::now());
        self.silence = self.silence.max(heard.map_or(Duration::ZERO, |heard| heard.elapsed()));
    }

    /// Messages that were answered, in all sessions.
    pub fn answers(&self) -> u64 {
        let ranges = self.answered.values().flat_map(|numbers| &numbers.ranges);
        ranges.map(|(first, last)| last - first + 1).sum()
    }
}

/// Where and how clients connect.
#[derive(Clone)]
pub struct Address(Context);

impl Address {
    /// The same as `client`, which connected with `context`, and on its Aeron client.
    pub fn new(client: &AeronCluster, context: Context) -> Address {
        let context = context.aeron(client.aeron().clone()).message_timeout(Duration::from_secs(5));
        Address(context.new_leader_timeout(Duration::from_secs(8)).keep_alive_interval(Duration::from_millis(500)))
    }
}

/// A client on a thread of its own. It opens a new session whenever the old one is over. Ends when dropped.
pub struct Load {
    told: Arc<Mutex<Told>>,
    /// Commands to be sent before anything else.
    orders: Arc<Mutex<VecDeque<Command<'static>>>>,
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
        let (told, orders, flags) = (Arc::default(), Arc::default(), Arc::<Flags>::default());
        let sender = Sender { told: Arc::clone(&told), orders: Arc::clone(&orders), flags: Arc::clone(&flags), random };
        let thread = Some(std::thread::spawn(move || sender.run(&address)));
        Load { told, orders, flags, thread }
    }

    pub fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    /// Sends a command before anything else, as soon as the cluster takes it.
    pub fn order(&self, command: Command<'static>) {
        lock(&self.orders).push_back(command);
    }

    /// Commands that are not sent yet.
    pub fn orders(&self) -> usize {
        lock(&self.orders).len()
    }

    /// Forgets how long it was without an answer.
    pub fn forget_silence(&self) {
        let mut told = lock(&self.told);
        (told.silence, told.heard) = (Duration::ZERO, Some(Instant::now()));
    }

    /// Sends nothing more, and waits until everything is answered, or will not be.
    pub fn pause(&self) {
        self.flags.paused.store(true, Ordering::Relaxed);
        lock(&self.told).hear();
        let is_over = || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        while lock(&self.told).unanswered > 0 && !is_over() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn go_on(&self) {
        lock(&self.told).heard = Some(Instant::now());
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sender {
    told: Arc<Mutex<Told>>,
    orders: Arc<Mutex<VecDeque<Command<'static>>>>,
    flags: Arc<Flags>,
    random: Random,
}

impl Sender {
    fn run(mut self, address: &Address) {
        while !self.flags.stopped.load(Ordering::Relaxed) {
            match AeronCluster::connect(address.0.clone()) {
                Ok(client) => {
                    self.session(client);
                    lock(&self.told).unanswered = 0;
                }
                // Without a leader nobody answers; then again. Not at once: an Aeron client that has ended refuses without waiting.
                Err(_) => std::thread::sleep(INTERVAL),
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
                let order = lock(&self.orders).front().copied();
                let message = order.map_or_else(|| self.message(number + 1), |order| order.encode(number + 1));
                if client.offer(&message).is_ok() {
                    number += 1;
                    order.and_then(|_| lock(&self.orders).pop_front());
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
            let mut told = lock(&self.told);
            told.answered.entry(self.session).or_default().add(number);
            told.hear();
        }
    }

    fn on_new_leader(&mut self, _event: &NewLeaderEvent<'_>) {
        lock(&self.told).new_leaders += 1;
    }
}
