//! The replica as a clustered service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::service::{
    ClientSession, CloseReason, Cluster, ClusteredService, NewLeadershipTermEvent, Role, ServiceError, SnapshotImage,
    SnapshotPublication,
};

use super::command::{Command, Reply, Targets, pattern};
use super::state::{At, Event, State};

/// Nothing may change for so long before the state is told.
const QUIET_NS: i64 = 20_000_000;
/// How long a client that does not read may hold up the service.
const CLIENT_PATIENCE: Duration = Duration::from_secs(3);

/// The service. See the module.
pub struct Replica {
    state: Arc<Mutex<State>>,
    tell: Box<dyn FnMut(String) + Send>,
    fails_to_start: bool,
    fails_snapshot: bool,
    /// Which state was told last, which was seen last, and since when.
    told: u64,
    seen: u64,
    seen_ns: i64,
}

impl Replica {
    /// A replica that prints, one line each: `start …`, `role=LEADER …`, `state …` whenever the state changed and nothing happens,
    /// `snapshot …` and `terminate …`, all with `position=`, then the state as it displays.
    pub fn new() -> Self {
        Self::telling(|line| println!("{line}"))
    }

    /// A replica whose lines go elsewhere.
    pub fn telling(tell: impl FnMut(String) + Send + 'static) -> Self {
        Replica {
            state: Arc::default(),
            tell: Box::new(tell),
            fails_to_start: false,
            fails_snapshot: false,
            told: 0,
            seen: 0,
            seen_ns: 0,
        }
    }

    /// Makes the start fail.
    pub fn failing_to_start(mut self) -> Self {
        self.fails_to_start = true;
        self
    }

    /// The state, to be looked at while the service runs in this process.
    pub fn shared_state(&self) -> Arc<Mutex<State>> {
        Arc::clone(&self.state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&mut self, cluster: &Cluster, what: &str) {
        let line = format!("{what} position={} {}", cluster.log_position(), self.state());
        (self.tell)(line);
    }

    fn apply(&mut self, cluster: &Cluster, event: Event<'_>, timestamp: i64, extra: &[u8]) {
        let at = At { position: cluster.log_position(), timestamp };
        self.state().apply(event, at, extra);
    }

    fn on_command(&mut self, cluster: &Cluster, session: &ClientSession, number: u64, command: Command<'_>) {
        self.state().add_number(session.id(), number);
        match command {
            Command::Echo(_) => return,
            Command::Note(_) | Command::Panic(_) => {}
            Command::ScheduleTimer { id, delay_ms } => {
                let id = Command::correlation_id(id, cluster.service_id());
                retry(cluster, None, || cluster.schedule_timer(id, cluster.time() + delay_ms));
            }
            Command::CancelTimer { id } => {
                let id = Command::correlation_id(id, cluster.service_id());
                retry(cluster, None, || cluster.cancel_timer(id));
            }
            Command::Offer(content) => self.offer(cluster, content),
            Command::Reply { length } => {
                let bytes = pattern(length as usize, number);
                return answer(cluster, session, &Reply::Bytes { service_id: id(cluster), number, bytes }.encode());
            }
            Command::FailSnapshot(targets) => self.fails_snapshot |= is_for(targets, cluster),
            Command::Sleep { targets, ms } => {
                if is_for(targets, cluster) {
                    std::thread::sleep(Duration::from_millis(u64::from(ms)));
                }
            }
            Command::Terminate { targets, expected } => {
                if is_for(targets, cluster) {
                    cluster.terminate(expected);
                }
            }
            Command::CloseSession { id } => {
                let id = if id == 0 { session.id() } else { id };
                if cluster.client_session(id).is_some() {
                    retry(cluster, None, || cluster.close_client_session(id));
                }
            }
            Command::Keep { length } => self.state().kept = pattern(length as usize, number),
        }
        let hash = self.state().hash;
        answer(cluster, session, &Reply::Done { service_id: id(cluster), number, hash }.encode());
    }

    /// Sends a message to the log: this service's id (1 byte), its number (8), the content.
    fn offer(&mut self, cluster: &Cluster, content: &[u8]) {
        let number = {
            let mut state = self.state();
            state.offered += 1;
            state.offered
        };
        let message = [&[id(cluster)][..], &number.to_le_bytes(), content].concat();
        retry(cluster, None, || cluster.offer(&message));
    }

    fn on_service_message(&mut self, cluster: &Cluster, timestamp: i64, message: &[u8]) {
        // Of a service that is deterministic there is never an alarm, whatever happens to its members.
        assert_eq!(cluster.divergence(), None);
        self.apply(cluster, Event::ServiceMessage { content: message }, timestamp, &[]);
        if let Some((sender, number)) = message.split_first()
            && let Some(number) = number.first_chunk()
        {
            self.state().add_service_message(usize::from(*sender), u64::from_le_bytes(*number));
        }
        self.tell_clients(cluster, &Reply::ServiceMessage { service_id: id(cluster), message: message.to_vec() });
    }

    fn tell_clients(&self, cluster: &Cluster, reply: &Reply) {
        let message = reply.encode();
        for session in cluster.client_sessions() {
            answer(cluster, session, &message);
        }
    }
}

impl ClusteredService for Replica {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        if self.fails_to_start {
            return Err("this replica was told to fail its start".into());
        }
        if let Some(snapshot) = snapshot {
            let loaded = State::from_snapshot(|| {
                let message = snapshot.read_message(cluster)?;
                message.ok_or_else(|| ServiceError::from("the snapshot ended early"))
            })?;
            cluster.resume_service_messages(loaded.offered)?;
            *self.state() = loaded;
        }
        self.tell(cluster, "start");
        Ok(())
    }

    fn on_session_open(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64) {
        let stream_id = session.response_stream_id().to_le_bytes();
        let extra = [&stream_id[..], session.response_channel().as_bytes(), session.encoded_principal()].concat();
        self.apply(cluster, Event::Open { session: session.id() }, timestamp, &extra);
    }

    fn on_session_close(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64, reason: CloseReason) {
        let event = Event::Close { session: session.id(), reason: code(reason) };
        self.apply(cluster, event, timestamp, &[]);
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        timestamp: i64,
        message: &[u8],
        _header: &Header<'_>,
    ) {
        let command = Command::decode(message);
        let Some(session) = session else { return self.on_service_message(cluster, timestamp, message) };
        if let Some((_, Command::Panic(targets))) = command {
            assert!(!is_for(targets, cluster), "this replica was told to panic");
        }
        self.apply(cluster, Event::Message { session: session.id(), content: message }, timestamp, &[]);
        match command {
            Some((number, command)) => {
                self.on_command(cluster, session, number, command);
                if let Command::Echo(_) = command {
                    answer(cluster, session, message);
                }
            }
            None => answer(cluster, session, message),
        }
    }

    fn on_timer_event(&mut self, cluster: &Cluster, correlation_id: i64, timestamp: i64) {
        self.apply(cluster, Event::Timer { correlation_id }, timestamp, &[]);
        self.tell_clients(cluster, &Reply::Timer { service_id: id(cluster), correlation_id });
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        if std::mem::take(&mut self.fails_snapshot) {
            return Err("this replica was told to fail its snapshot".into());
        }
        let messages = self.state().to_snapshot();
        for message in messages {
            snapshot.write_message(cluster, &message)?;
        }
        self.tell(cluster, "snapshot");
        Ok(())
    }

    fn on_role_change(&mut self, cluster: &Cluster, role: Role) {
        self.tell(cluster, &format!("role={role}"));
    }

    fn on_terminate(&mut self, cluster: &Cluster) {
        self.tell(cluster, "terminate");
    }

    fn on_new_leadership_term_event(&mut self, cluster: &Cluster, event: &NewLeadershipTermEvent) {
        let term = Event::Term { id: event.leadership_term_id, leader: i64::from(event.leader_member_id) };
        let extra = [event.term_base_log_position.to_le_bytes(), event.log_position.to_le_bytes()].concat();
        self.apply(cluster, term, event.timestamp, &extra);
    }

    fn do_background_work(&mut self, cluster: &Cluster, now_ns: i64) -> usize {
        let exact = self.state().exact;
        if exact != self.seen {
            (self.seen, self.seen_ns) = (exact, now_ns);
        } else if exact != self.told && now_ns - self.seen_ns >= QUIET_NS {
            self.told = exact;
            self.tell(cluster, "state");
        }
        0
    }
}

fn id(cluster: &Cluster) -> u8 {
    cluster.service_id() as u8
}

fn code(reason: CloseReason) -> i64 {
    match reason {
        CloseReason::ClientAction => 0,
        CloseReason::ServiceAction => 1,
        CloseReason::Timeout => 2,
        _ => -1,
    }
}

fn is_for(targets: Targets, cluster: &Cluster) -> bool {
    targets.contain(cluster.service_id(), cluster.member_id())
}

fn answer(cluster: &Cluster, session: &ClientSession, message: &[u8]) {
    retry(cluster, Some(CLIENT_PATIENCE), || session.offer(message));
}

/// Sends until it is taken, pointless, or no longer worth waiting for.
fn retry<T>(cluster: &Cluster, patience: Option<Duration>, mut send: impl FnMut() -> Result<T, OfferError>) {
    let start = Instant::now();
    while send().is_err_and(|reason| reason.is_retryable()) {
        if cluster.idle(0).is_err() || patience.is_some_and(|patience| start.elapsed() > patience) {
            return;
        }
    }
}
