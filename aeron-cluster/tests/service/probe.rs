//! A service that obeys its messages and reports every callback.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use aeron_cluster::aeron::{Header, OfferError};
use aeron_cluster::service::{
    ClientSession, CloseReason, Cluster, ClusteredService, ClusteredServiceContainer, Context, NewLeadershipTermEvent,
    Role, ServiceError, SnapshotImage, SnapshotPublication,
};
use aeron_cluster::testing::{PATIENCE, TestCluster};

/// What happened to the service.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Start {
        position: i64,
        snapshot: Option<Vec<Vec<u8>>>,
        sessions: Vec<i64>,
    },
    Open {
        session: i64,
        time: i64,
        position: i64,
    },
    Close {
        session: i64,
        reason: CloseReason,
        time: i64,
        position: i64,
    },
    Message {
        session: Option<i64>,
        time: i64,
        position: i64,
        length: usize,
        header: HeaderSeen,
        text: String,
    },
    Timer {
        id: i64,
        time: i64,
        position: i64,
    },
    Snapshot,
    Role(Role),
    Term {
        event: NewLeadershipTermEvent,
        member_id: i32,
    },
    Terminate,
    /// The background work, about to panic.
    Background,
    /// What sends from a callback that must not send answered.
    Refused(&'static str, OfferError),
    /// A callback waits until the container ends.
    Waiting,
    /// A callback that waited was told that the container ends.
    Terminating(Result<i64, OfferError>),
}

/// The header of a message, as the service saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeaderSeen {
    pub frame_length: i32,
    pub flags: u8,
    pub stream_id: i32,
    pub term_offset: i32,
}

/// How the service is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fail {
    #[default]
    Never,
    StartWithError,
    StartWithPanic,
    StartWithTermination,
    SnapshotWithError,
    SnapshotWithPanic,
    /// The background work panics, called while the container waits for the end of a snapshot's recording.
    BackgroundInSnapshot,
    /// The same, about to happen.
    BackgroundNow,
    SnapshotWithTermination,
    /// The background work waits until the container ends.
    WaitInBackground,
    /// A snapshot does.
    WaitInSnapshot,
    /// A snapshot says that it waits, and then writes more than fits between it and the archive.
    LongSnapshot,
    TerminateWithPanic,
}

/// The service. Its messages, by their first word: `echo`, `offer`, `fill`, `timer <id> <delay ms>`, `cancel <id>`, `close`, `panic`,
/// `terminate <expected>`, `wait`; all others are only reported.
pub struct Probe {
    events: Sender<Event>,
    fail: Fail,
    try_sending: bool,
    tried_in_background: bool,
    state: Vec<Vec<u8>>,
}

impl Probe {
    pub fn new() -> (Probe, Events) {
        Self::failing(Fail::Never)
    }

    pub fn failing(fail: Fail) -> (Probe, Events) {
        let (events, receiver) = channel();
        let probe = Probe { events, fail, try_sending: false, tried_in_background: false, state: Vec::new() };
        (probe, Events(receiver))
    }

    /// Sends from every callback that must not send.
    pub fn trying_to_send(mut self) -> Probe {
        self.try_sending = true;
        self
    }

    fn report(&self, event: Event) {
        // A test that heard enough has dropped its end.
        let _ = self.events.send(event);
    }

    fn try_to_send(&self, cluster: &Cluster, callback: &'static str) {
        if self.try_sending {
            for refusal in [
                cluster.offer(b"no").unwrap_err(),
                cluster.schedule_timer(1, 1).unwrap_err(),
                cluster.cancel_timer(1).unwrap_err(),
                cluster.try_claim(8).map(drop).unwrap_err(),
                cluster.close_client_session(1).unwrap_err(),
            ] {
                self.report(Event::Refused(callback, refusal));
            }
        }
    }

    /// Waits until the container ends.
    fn wait(&self, cluster: &Cluster) {
        self.report(Event::Waiting);
        while cluster.idle(0).is_ok() {}
        self.report(Event::Terminating(cluster.offer(b"too late")));
    }

    fn obey(&mut self, cluster: &Cluster, session: Option<&ClientSession>, message: &[u8], text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |index: usize| words[index].parse::<i64>().unwrap();
        match (words[0], session) {
            ("echo", Some(session)) => {
                retry(cluster, || session.offer(message));
            }
            ("pieces", Some(session)) => {
                let pieces: Vec<_> = message.chunks(3).map(std::io::IoSlice::new).collect();
                retry(cluster, || session.offer_vectored(&pieces));
            }
            ("claim", Some(session)) => {
                let mut claim = retry(cluster, || session.try_claim(message.len()));
                claim.copy_from_slice(message);
                claim.commit();
            }
            ("fill", _) => while cluster.offer(&[0; 1_000]) != Err(OfferError::BackPressured) {},
            ("offer", Some(_)) => {
                retry(cluster, || cluster.offer(b"from the service"));
            }
            ("timer", _) => {
                let deadline = cluster.time() + number(2);
                retry(cluster, || cluster.schedule_timer(number(1), deadline));
            }
            ("cancel", _) => retry(cluster, || cluster.cancel_timer(number(1))),
            ("close", Some(session)) => {
                retry(cluster, || session.close());
                assert!(session.is_closing());
            }
            ("panic", _) => panic!("as told"),
            ("terminate", _) => cluster.terminate(words[1] == "true"),
            ("wait", _) => self.wait(cluster),
            _ => {}
        }
    }
}

/// Sends until it is taken.
pub fn retry<T>(cluster: &Cluster, mut send: impl FnMut() -> Result<T, OfferError>) -> T {
    loop {
        match send() {
            Ok(sent) => return sent,
            Err(reason) => assert!(reason.is_retryable(), "refused: {reason}"),
        }
        cluster.idle(0).unwrap();
    }
}

/// Writes as much as takes a while to be recorded.
fn write_much(cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
    for _ in 0..1_000 {
        snapshot.write_message(cluster, &[0; 10_000])?;
    }
    Ok(())
}

impl ClusteredService for Probe {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        self.try_to_send(cluster, "on_start");
        match self.fail {
            Fail::StartWithError => return Err("as told".into()),
            Fail::StartWithPanic => panic!("as told"),
            Fail::StartWithTermination => cluster.terminate(false),
            _ => {}
        }
        let mut messages = None;
        if let Some(snapshot) = snapshot {
            let read = messages.insert(Vec::new());
            while let Some(message) = snapshot.read_message(cluster)? {
                read.push(message);
            }
            self.state.clone_from(read);
        }
        let sessions = cluster.client_sessions().map(ClientSession::id).collect();
        self.report(Event::Start { position: cluster.log_position(), snapshot: messages, sessions });
        Ok(())
    }

    fn on_session_open(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64) {
        assert_eq!(timestamp, cluster.time());
        self.report(Event::Open { session: session.id(), time: timestamp, position: cluster.log_position() });
    }

    fn on_session_close(&mut self, cluster: &Cluster, session: &ClientSession, timestamp: i64, reason: CloseReason) {
        assert!(cluster.client_session(session.id()).is_none());
        let position = cluster.log_position();
        self.report(Event::Close { session: session.id(), reason, time: timestamp, position });
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        timestamp: i64,
        message: &[u8],
        header: &Header<'_>,
    ) {
        assert_eq!(timestamp, cluster.time());
        assert_eq!(header.position(), cluster.log_position());
        // The commit position moves while we look.
        let (before, lag, after) = (cluster.commit_position(), cluster.lag(), cluster.commit_position());
        assert!(before >= cluster.log_position());
        assert!((before..=after).contains(&(cluster.log_position() + lag)));
        let text = String::from_utf8_lossy(&message[..message.len().min(100)]).into_owned();
        if text.starts_with("state") {
            self.state.push(message.to_vec());
        }
        self.obey(cluster, session, message, &text);
        self.report(Event::Message {
            session: session.map(ClientSession::id),
            time: timestamp,
            position: cluster.log_position(),
            length: message.len(),
            header: HeaderSeen {
                frame_length: header.frame_length(),
                flags: header.flags().0,
                stream_id: header.stream_id(),
                term_offset: header.term_offset(),
            },
            text,
        });
    }

    fn on_timer_event(&mut self, cluster: &Cluster, correlation_id: i64, timestamp: i64) {
        self.report(Event::Timer { id: correlation_id, time: timestamp, position: cluster.log_position() });
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        match std::mem::take(&mut self.fail) {
            Fail::SnapshotWithError => return Err("as told".into()),
            Fail::SnapshotWithPanic => panic!("as told"),
            Fail::SnapshotWithTermination => cluster.terminate(true),
            Fail::WaitInSnapshot => self.wait(cluster),
            Fail::LongSnapshot => {
                self.report(Event::Waiting);
                write_much(cluster, snapshot)?;
            }
            Fail::BackgroundInSnapshot => {
                write_much(cluster, snapshot)?;
                self.fail = Fail::BackgroundNow;
            }
            _ => {}
        }
        for message in &self.state {
            snapshot.write_message(cluster, message)?;
        }
        self.report(Event::Snapshot);
        Ok(())
    }

    fn on_role_change(&mut self, cluster: &Cluster, role: Role) {
        assert_eq!(role, cluster.role());
        self.try_to_send(cluster, "on_role_change");
        self.report(Event::Role(role));
    }

    fn on_terminate(&mut self, cluster: &Cluster) {
        self.try_to_send(cluster, "on_terminate");
        self.report(Event::Terminate);
        assert_ne!(self.fail, Fail::TerminateWithPanic, "as told");
    }

    fn on_new_leadership_term_event(&mut self, cluster: &Cluster, event: &NewLeadershipTermEvent) {
        assert_eq!(cluster.time_unit(), Some(event.time_unit));
        assert_eq!(cluster.leader_member_id(), event.leader_member_id);
        assert_eq!(cluster.leadership_term_id(), event.leadership_term_id);
        self.report(Event::Term { event: *event, member_id: cluster.member_id() });
    }

    fn do_background_work(&mut self, cluster: &Cluster, _now_ns: i64) -> usize {
        if !std::mem::replace(&mut self.tried_in_background, true) {
            self.try_to_send(cluster, "do_background_work");
        }
        if self.fail == Fail::WaitInBackground {
            self.wait(cluster);
        }
        if self.fail == Fail::BackgroundNow {
            self.report(Event::Background);
            panic!("as told");
        }
        0
    }
}

/// The reports of one probe.
pub struct Events(Receiver<Event>);

impl Events {
    /// The next event.
    pub fn next(&self) -> Event {
        self.0.recv_timeout(PATIENCE).expect("the service reports nothing")
    }

    /// The next event that `wanted` takes, past others.
    pub fn wait_for<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next()) {
                return found;
            }
        }
    }

    /// The text of the next message that the service got.
    pub fn text(&self) -> String {
        self.wait_for(|event| match event {
            Event::Message { text, .. } => Some(text.clone()),
            _ => None,
        })
    }

    /// Everything up to the end of the service.
    pub fn rest(&self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(event) => events.push(event),
                Err(RecvTimeoutError::Disconnected) => return events,
                Err(RecvTimeoutError::Timeout) => panic!("the service does not end; it reported {events:?}"),
            }
        }
    }
}

/// The settings of a container on member 0.
pub fn context(cluster: &TestCluster) -> Context {
    Context::new()
        .aeron_directory_name(cluster.aeron_dir(0))
        .cluster_directory_name(cluster.cluster_dir(0))
        // Shown with the test that fails, and only then.
        .error_handler(|error| eprintln!("{error}"))
}

/// A container with a probe on member 0, and what the probe reports.
pub fn launch(cluster: &TestCluster) -> (ClusteredServiceContainer, Events) {
    let (probe, events) = Probe::new();
    (ClusteredServiceContainer::launch(context(cluster), probe).unwrap(), events)
}
