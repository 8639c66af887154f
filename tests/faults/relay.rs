//! A relay of UDP packets on loopback, which doubles some and lets others overtake.
//!
//! It stands at an address of its own with the ports of those behind it. Each sender gets a socket towards each receiver, so that
//! answers find their way back through the relay.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::random::Random;

/// Longer than any packet.
const MAX_LENGTH: usize = 65_536;
/// For so long at most a packet is held back.
const MAX_DELAY_US: u64 = 3_000;
const IDLE: Duration = Duration::from_micros(200);

/// What happens to packets, in thousandths.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    pub doubled: u64,
    pub held_back: u64,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counts {
    pub passed: AtomicU64,
    pub doubled: AtomicU64,
    pub held_back: AtomicU64,
}

/// From an address of the relay to that behind it, with the same ports.
pub struct Route {
    pub relay: Ipv4Addr,
    pub behind: Ipv4Addr,
    pub ports: Range<u16>,
}

/// A relay on a thread of its own; it ends when dropped.
pub struct Relay {
    pub counts: Arc<Counts>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    pub fn start(routes: impl IntoIterator<Item = Route>, rates: Rates, random: Random) -> io::Result<Relay> {
        let (counts, stopped) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
        let mut doors = Vec::new();
        for route in routes {
            for port in route.ports {
                doors.push(Door::open((route.relay, port).into(), (route.behind, port).into())?);
            }
        }
        let mut running = Running {
            doors,
            held: Vec::new(),
            rates,
            random,
            counts: Arc::clone(&counts),
            buffer: vec![0; MAX_LENGTH],
        };
        let flag = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                if !running.work() {
                    std::thread::sleep(IDLE);
                }
            }
        });
        Ok(Relay { counts, stopped, thread: Some(thread) })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One address that senders send to.
struct Door {
    socket: Arc<UdpSocket>,
    behind: SocketAddr,
    /// By sender, the socket that sends on for it and gets the answers.
    senders: HashMap<SocketAddr, Arc<UdpSocket>>,
}

impl Door {
    fn open(address: SocketAddr, behind: SocketAddr) -> io::Result<Door> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Door { socket: Arc::new(socket), behind, senders: HashMap::new() })
    }

    fn sender(&mut self, from: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        if let Some(socket) = self.senders.get(&from) {
            return Ok(Arc::clone(socket));
        }
        let socket = UdpSocket::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0))?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(socket);
        self.senders.insert(from, Arc::clone(&socket));
        Ok(socket)
    }
}

struct Packet {
    due: Instant,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

struct Running {
    doors: Vec<Door>,
    held: Vec<Packet>,
    rates: Rates,
    random: Random,
    counts: Arc<Counts>,
    buffer: Vec<u8>,
}

impl Running {
    /// Passes on what is there. Whether there was something.
    fn work(&mut self) -> bool {
        let (mut packets, now) = (Vec::new(), Instant::now());
        for door in &mut self.doors {
            while let Ok((length, from)) = door.socket.recv_from(&mut self.buffer) {
                let Ok(socket) = door.sender(from) else { continue };
                packets.push(Packet { due: now, socket, to: door.behind, bytes: self.buffer[..length].to_vec() });
            }
            for (sender, socket) in &door.senders {
                while let Ok((length, _)) = socket.recv_from(&mut self.buffer) {
                    let (socket, bytes) = (Arc::clone(&door.socket), self.buffer[..length].to_vec());
                    packets.push(Packet { due: now, socket, to: *sender, bytes });
                }
            }
        }
        let is_busy = !packets.is_empty();
        packets.into_iter().for_each(|packet| self.pass(packet));
        self.release();
        is_busy
    }

    fn pass(&mut self, mut packet: Packet) {
        self.counts.passed.fetch_add(1, Ordering::Relaxed);
        if self.random.below(1_000) < self.rates.doubled {
            self.counts.doubled.fetch_add(1, Ordering::Relaxed);
            send(&packet);
        }
        if self.random.below(1_000) < self.rates.held_back {
            self.counts.held_back.fetch_add(1, Ordering::Relaxed);
            packet.due += Duration::from_micros(self.random.below(MAX_DELAY_US));
            self.held.push(packet);
        } else {
            send(&packet);
        }
    }

    fn release(&mut self) {
        let now = Instant::now();
        self.held.retain(|packet| {
            let is_due = packet.due <= now;
            if is_due {
                send(packet);
            }
            !is_due
        });
    }
}

/// A receiver that is gone, or has no room, is what UDP is like.
fn send(packet: &Packet) {
    let _ = packet.socket.send_to(&packet.bytes, packet.to);
}
