//! A service that walks from point to point through all that a service may do, notes each, and panics at one of them.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::Header;
use aeron_cluster::service::{
    ClientSession, CloseReason, Cluster, ClusteredService, NewLeadershipTermEvent, Role, ServiceError, SnapshotImage,
    SnapshotPublication, SnapshotReader, SnapshotWriter,
};

use crate::probe::retry;

/// A callback, and how far it is.
pub type Point = (&'static str, &'static str);

/// What is noted when a callback is entered.
pub const CALLED: &str = "called";
/// What is noted when something went to the consensus module, and when it went to a client.
pub const SENT: [&str; 5] = ["offered", "committed", "scheduled", "cancelled", "asked for its end"];
pub const ANSWERED: [&str; 2] = ["answered", "answered by a claim"];
/// More than a fragment, and more than a packet of what is framed.
const STATE: [u8; 5_000] = [5; 5_000];

/// Where a service panics.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum At {
    Nowhere,
    /// At the point with this number.
    Point(usize),
    /// The first time that it works in the background with the log at this position.
    Background(i64),
}

pub struct Walker {
    pub at: At,
    pub noted: Arc<Mutex<Vec<Point>>>,
}

impl Walker {
    fn reach(&self, callback: &'static str, what: &'static str) {
        let number = {
            let mut noted = self.noted.lock().unwrap();
            noted.push((callback, what));
            noted.len() - 1
        };
        assert_ne!(self.at, At::Point(number), "as told");
    }
}

impl ClusteredService for Walker {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        let reach = |what| self.reach("on_start", what);
        reach(CALLED);
        let Some(snapshot) = snapshot else { return Ok(()) };
        for _ in 0..2 {
            assert!(snapshot.read_message(cluster)?.as_deref() == Some(&STATE[..]));
            reach("read a message");
        }
        let mut reader = SnapshotReader::open(cluster, snapshot, "state", 1..=1)?;
        reader.read_exact(&mut [0; 100])?;
        reach("read a part");
        reader.read_to_end(&mut Vec::new())?;
        reader.finish()?;
        reach("read all");
        Ok(())
    }

    fn on_session_open(&mut self, _: &Cluster, _: &ClientSession, _: i64) {
        self.reach("on_session_open", CALLED);
    }

    fn on_session_close(&mut self, _: &Cluster, _: &ClientSession, _: i64, _: CloseReason) {
        self.reach("on_session_close", CALLED);
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _: i64,
        message: &[u8],
        _: &Header<'_>,
    ) {
        let (reach, session) = (|what| self.reach("on_session_message", what), session.unwrap());
        reach(CALLED);
        retry(cluster, || cluster.offer(message));
        reach("offered");
        let claim = retry(cluster, || cluster.try_claim(8));
        reach("holds a claim");
        claim.commit();
        reach("committed");
        retry(cluster, || cluster.schedule_timer(1, 1));
        reach("scheduled");
        retry(cluster, || cluster.cancel_timer(1));
        reach("cancelled");
        retry(cluster, || session.offer(message));
        reach("answered");
        let answer = retry(cluster, || session.try_claim(8));
        reach("holds an answer");
        answer.commit();
        reach("answered by a claim");
        cluster.idle(0).unwrap();
        reach("waited");
        let work = |_: i64| {
            reach("works while it waits");
            0
        };
        cluster.idle_with(0, work).unwrap();
        retry(cluster, || session.close());
        reach("asked for its end");
    }

    fn on_timer_event(&mut self, cluster: &Cluster, _: i64, _: i64) {
        self.reach("on_timer_event", CALLED);
        retry(cluster, || cluster.schedule_timer(2, 1));
        self.reach("on_timer_event", "scheduled");
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        let reach = |what| self.reach("on_take_snapshot", what);
        reach(CALLED);
        snapshot.write_message(cluster, &STATE)?;
        reach("wrote a message");
        // Half of one that nobody may take for a message.
        let longest = snapshot.max_payload_length();
        retry(cluster, || snapshot.try_claim(longest).map(|claim| reach_with(claim, || reach("holds a claim of it"))));
        // What comes after it waits for it: the acknowledgement that the snapshot failed does.
        reach_with(retry(cluster, || cluster.try_claim(8)), || reach("holds a claim"));
        snapshot.write_message(cluster, &STATE)?;
        let mut writer = SnapshotWriter::new(cluster, snapshot, "state", 1)?;
        reach("began to frame");
        writer.write_all(&STATE)?;
        reach("wrote a part");
        writer.finish()?;
        reach("wrote all");
        Ok(())
    }

    fn on_role_change(&mut self, _: &Cluster, _: Role) {
        self.reach("on_role_change", CALLED);
    }

    fn on_terminate(&mut self, _: &Cluster) {
        self.reach("on_terminate", CALLED);
    }

    fn on_new_leadership_term_event(&mut self, _: &Cluster, _: &NewLeadershipTermEvent) {
        self.reach("on_new_leadership_term_event", CALLED);
    }

    fn do_background_work(&mut self, cluster: &Cluster, _: i64) -> usize {
        assert_ne!(self.at, At::Background(cluster.log_position()), "as told");
        0
    }
}

/// Lets go of something behind a point.
fn reach_with<T>(_held: T, reach: impl FnOnce()) {
    reach();
}
