//! A container alone: the benchmark plays the consensus module, on a real driver and a real archive.
//!
//! So only the container is measured, and a log with 100,000 sessions is written in a second.

use std::time::{Duration, Instant};

use aeron_cluster::aeron::{
    self, Aeron, Counter, DATA_HEADER_LENGTH, ExclusivePublication, FRAME_ALIGNMENT, Publication, ReadableCounter,
    Subscription,
};
use aeron_cluster::client::SESSION_HEADER_LENGTH;
use aeron_cluster::codec::{
    ActionFlags, CloseReason, ClusterAction, ClusterActionRequest, ClusterTimeUnit, JoinLog, NewLeadershipTermEvent,
    SemanticVersion, ServiceAck, ServiceEvent, SessionCloseEvent, SessionMessageHeader, SessionOpenEvent,
};
use aeron_cluster::service::Role;
use aeron_cluster::testing::{Java, PATIENCE, Part, Process, TestCluster, type_id};
use anyhow::{Context as _, Result, bail, ensure};

use crate::contestant::{Contestant, Idle, Place};

mod echoing;

const CONTROL_CHANNEL: &str = "aeron:ipc?term-length=128k";
/// Room for a batch that nobody has read yet: an IPC stream takes half a term.
const LOG_CHANNEL: &str = "aeron:ipc?term-length=16m";
const LOG_STREAM: i32 = 100;
// The defaults of Java's consensus module, which the containers have too.
const TO_SERVICE_STREAM: i32 = 104;
const FROM_SERVICE_STREAM: i32 = 105;
/// The length of what a client sends, in bytes.
const LENGTH: usize = 64;
/// Where the service's answers to all sessions go.
const RESPONSE_CHANNEL: &str = "aeron:ipc?term-length=16m";
const RESPONSE_STREAM: i32 = 102;
/// The member that the container belongs to.
const MEMBER_ID: i32 = 0;
/// How long to wait for driver and archive, which on a busy machine do not answer at once.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// A consensus module that the benchmark plays for a container: its counters, and its two control streams.
pub struct Played<'a> {
    java: &'a Java,
    // In the order of dropping: what belongs to the client, the client, its driver.
    /// The commit position, and what was recovered; of the container started last.
    counters: Option<[Counter; 2]>,
    from_service: Subscription,
    to_service: Publication,
    aeron: Aeron,
    cluster: TestCluster,
}

/// A snapshot that a service has taken.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot {
    log_position: i64,
    recording_id: i64,
}

impl<'a> Played<'a> {
    /// Starts driver and archive.
    pub fn new(java: &'a Java) -> Result<Self> {
        let builder = TestCluster::builder().java(java.clone());
        let mut cluster = builder.property("aeron.archive.segment.file.length", "64m").create()?;
        cluster.start_part(0, Part::Driver)?;
        cluster.start_part(0, Part::Archive)?;
        std::fs::create_dir_all(cluster.cluster_dir(0))?;
        let context = aeron::Context::new().dir(cluster.aeron_dir(0)).driver_timeout(DRIVER_TIMEOUT);
        let aeron = Aeron::connect(context)?;
        let from_service = aeron.add_subscription(CONTROL_CHANNEL, FROM_SERVICE_STREAM)?;
        let to_service = aeron.add_publication(CONTROL_CHANNEL, TO_SERVICE_STREAM)?;
        Ok(Played { java, counters: None, from_service, to_service, aeron, cluster })
    }

    /// Stops the archive, which only snapshots need, and which would compete for a core.
    pub fn end_archive(&mut self) -> Result<()> {
        Ok(self.cluster.stop_part(0, Part::Archive)?)
    }

    /// Starts a container, with a snapshot if there is one, and receives its first acknowledgement. Returns how long that took.
    pub fn start(
        &mut self,
        contestant: &Contestant,
        idle: Idle,
        snapshot: Option<Snapshot>,
    ) -> Result<(Process, Duration)> {
        // The driver must not show the counters of two containers at once.
        self.counters = None;
        self.counters = Some(self.add_counters(snapshot)?);
        let place = Place { aeron_dir: self.cluster.aeron_dir(0), cluster_dir: self.cluster.cluster_dir(0) };
        let begin = Instant::now();
        let mut service = contestant.start(&place, idle, self.java)?;
        let ack = self.ack(&mut service)?;
        let position = snapshot.map_or(0, |snapshot| snapshot.log_position);
        ensure!(ack.log_position == position, "{} is at {}, not at {position}", contestant.name, ack.log_position);
        Ok((service, begin.elapsed()))
    }

    /// Adds the counters by which a container finds out from where to recover.
    fn add_counters(&self, snapshot: Option<Snapshot>) -> Result<[Counter; 2]> {
        let (term, position) = snapshot.map_or((-1_i64, 0), |snapshot| (0, snapshot.log_position));
        let (time, cluster_id) = (0_i64, 0_i32);
        let mut key = [term.to_le_bytes(), position.to_le_bytes(), time.to_le_bytes()].concat();
        key.extend(cluster_id.to_le_bytes());
        key.extend(i32::from(snapshot.is_some()).to_le_bytes());
        key.extend(snapshot.iter().flat_map(|snapshot| snapshot.recording_id.to_le_bytes()));
        let commit_position =
            self.aeron.add_counter(type_id::COMMIT_POSITION, &cluster_id.to_le_bytes(), "commit-pos")?;
        Ok([commit_position, self.aeron.add_counter(type_id::RECOVERY_STATE, &key, "recovery")?])
    }

    /// Waits for the container's next acknowledgement.
    fn ack(&mut self, service: &mut Process) -> Result<ServiceAck> {
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            let mut heard = None;
            self.from_service.poll(1, |message, _| {
                if let Ok(ServiceEvent::ServiceAck(ack)) = ServiceEvent::decode(message) {
                    heard = Some(ack);
                }
            })?;
            if let Some(ack) = heard {
                return Ok(ack);
            }
            let is_hopeful = service.is_running() && Instant::now() < deadline;
            ensure!(is_hopeful, "{} acknowledges nothing: {}", service.name(), service.lines().join("\n"));
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Makes a container that has just been started join a new, empty log.
    pub fn join<'p>(&'p mut self, mut service: Process, role: Role) -> Result<Log<'p, 'a>> {
        let publication = self.aeron.add_exclusive_publication(LOG_CHANNEL, LOG_STREAM)?;
        let channel = format!("aeron:ipc?session-id={}", publication.session_id());
        let mut request = Vec::new();
        JoinLog {
            log_position: 0,
            max_log_position: i64::MAX,
            member_id: MEMBER_ID,
            log_session_id: publication.session_id(),
            log_stream_id: LOG_STREAM,
            is_startup: false,
            role,
            is_standby: Some(false),
            log_channel: &channel,
        }
        .encode(&mut request);
        until("room for a request", || self.to_service.offer(&request).ok())?;
        self.ack(&mut service)?;
        let applied = until("a container that reads its log", || self.position_of(publication.session_id()))?;
        let mut log = Log { played: self, service, publication, applied, position: 0, sessions: 0, sent: 0 };
        log.begin_term(if role == Role::Leader { MEMBER_ID } else { MEMBER_ID + 1 })?;
        Ok(log)
    }

    /// The counter of the position up to which the container has read a log, once it reads it.
    fn position_of(&self, session_id: i32) -> Option<ReadableCounter> {
        let counters = self.aeron.counters();
        let is_it = |key: &[u8]| {
            // The key of a stream's counter: registration (8 bytes), session, stream.
            let at = |offset: usize| key[offset..].first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
            (at(8), at(12)) == (Some(session_id), Some(LOG_STREAM))
        };
        let id = counters.find(|counter| counter.type_id == type_id::SUBSCRIBER_POSITION && is_it(counter.key))?;
        counters.readable_counter(id)
    }
}

/// A log that the benchmark writes, commits, and a container applies.
pub struct Log<'p, 'a> {
    played: &'p mut Played<'a>,
    service: Process,
    publication: ExclusivePublication,
    /// The position up to which the container has read.
    applied: ReadableCounter,
    /// The position up to which the log has been written.
    position: i64,
    /// The number of open sessions, whose ids begin with 1.
    sessions: i64,
    /// The number of messages of sessions so far.
    sent: i64,
}

impl Log<'_, '_> {
    /// Begins a leadership term: before one, Java's container knows no unit of time and takes no snapshot.
    fn begin_term(&mut self, leader_member_id: i32) -> Result<()> {
        let event = NewLeadershipTermEvent {
            leadership_term_id: 0,
            log_position: frame(NewLeadershipTermEvent::ENCODED_LENGTH),
            timestamp: 1,
            term_base_log_position: 0,
            leader_member_id,
            log_session_id: self.publication.session_id(),
            time_unit: ClusterTimeUnit::Millis,
            app_version: Some(SemanticVersion::new(0, 0, 1)),
        };
        self.append(&event.encode())
    }

    /// Opens or closes sessions until the given number is open.
    pub fn set_sessions(&mut self, sessions: i64) -> Result<()> {
        while self.sessions < sessions {
            self.sessions += 1;
            let mut event = Vec::new();
            SessionOpenEvent {
                leadership_term_id: 0,
                correlation_id: self.sessions,
                cluster_session_id: self.sessions,
                timestamp: 1,
                response_stream_id: RESPONSE_STREAM,
                response_channel: RESPONSE_CHANNEL,
                encoded_principal: &[],
            }
            .encode(&mut event);
            self.append(&event)?;
            self.commit();
        }
        while self.sessions > sessions {
            let event = SessionCloseEvent {
                leadership_term_id: 0,
                cluster_session_id: self.sessions,
                timestamp: 2,
                close_reason: CloseReason::ClientAction,
            };
            self.sessions -= 1;
            self.append(&event.encode())?;
            self.commit();
        }
        self.await_applied()
    }

    /// Appends a batch of messages to the log, of all sessions in turn, and measures how long the container takes to apply it. Returns
    /// nanoseconds per message.
    pub fn batch(&mut self, messages: u32) -> Result<f64> {
        for _ in 0..messages {
            self.send()?;
        }
        let begin = Instant::now();
        self.commit();
        self.await_applied()?;
        Ok(begin.elapsed().as_nanos() as f64 / f64::from(messages))
    }

    /// Makes the container take a snapshot. Returns how long that took.
    pub fn snapshot(&mut self) -> Result<(Snapshot, Duration)> {
        let log_position = self.position + frame(ClusterActionRequest::ENCODED_LENGTH);
        let request = ClusterActionRequest {
            leadership_term_id: 0,
            log_position,
            timestamp: 3,
            action: ClusterAction::Snapshot,
            flags: ActionFlags::DEFAULT,
        };
        self.append(&request.encode())?;
        ensure!(self.position == log_position, "the request ends at {}, not at {log_position}", self.position);
        let begin = Instant::now();
        self.commit();
        let ack = self.played.ack(&mut self.service)?;
        let took = begin.elapsed();
        ensure!(ack.relevant_id >= 0, "no snapshot: {}", self.service.lines().join("\n"));
        Ok((Snapshot { log_position, recording_id: ack.relevant_id }, took))
    }

    /// Stops the container.
    pub fn stop(mut self) -> Result<()> {
        self.service.stop().map(drop).context("a container that ends")
    }

    /// Appends a message of the next session to the log.
    fn send(&mut self) -> Result<()> {
        self.sent += 1;
        // In scattered order, by a prime that divides none of the numbers of sessions used here.
        let cluster_session_id = 1 + self.sent * 7_919 % self.sessions;
        let header = SessionMessageHeader { leadership_term_id: 0, cluster_session_id, timestamp: 2 };
        let mut message = [5; SESSION_HEADER_LENGTH + LENGTH];
        message[..SESSION_HEADER_LENGTH].copy_from_slice(&header.encode());
        self.append(&message)
    }

    /// Writes a message to the log. The container does not apply it before it is committed.
    fn append(&mut self, message: &[u8]) -> Result<()> {
        self.position = until("room in the log", || self.publication.offer(message).ok())?;
        Ok(())
    }

    /// Commits all that has been written.
    fn commit(&self) {
        if let Some([commit_position, _]) = &self.played.counters {
            commit_position.set(self.position);
        }
    }

    /// Spins until the container has applied everything that is committed.
    fn await_applied(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.applied.get() < self.position {
            if Instant::now() > deadline {
                bail!("{} does not read its log: {}", self.service.name(), self.service.lines().join("\n"));
            }
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// How many bytes of the log a message of this length takes, which must fit one frame.
fn frame(length: usize) -> i64 {
    (DATA_HEADER_LENGTH + length).next_multiple_of(FRAME_ALIGNMENT) as i64
}

/// Observes until there is a value, and gives up after [`PATIENCE`].
fn until<T>(what: &str, mut observe: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = observe() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "gave up on {what}");
        std::thread::yield_now();
    }
}
