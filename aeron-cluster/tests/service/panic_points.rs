//! A service that panics at each point of what it does: in each call of each callback, and before and after all that it sends and writes
//! there. What a run without a panic notes is the table of the others.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use aeron_cluster::Result;
use aeron_cluster::aeron::{self, Aeron, ConductorIdleStrategy, Header, Publication, Subscription};
use aeron_cluster::codec::{ActionFlags, ClusterAction, SemanticVersion, ServiceEvent, TimerEvent};
use aeron_cluster::service::{Context, FailurePolicy, Role, Termination};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster, wait_until};

use crate::messages::{action, close, message, open, term, terminate_at};
use crate::probe::Probe;
use crate::script::{CONTROL_CHANNEL, LOG_STREAM, Log, Recovery, Script, Stage, activity, wait_for};
use crate::walker::{ANSWERED, At, CALLED, Point, SENT, Walker};

/// Counters of publications, which a driver keeps for a while.
const OF_PUBLICATIONS: [i32; 2] = [1, 12];
const VERSION: SemanticVersion = SemanticVersion::new(0, 0, 1);

/// An acknowledgement: its number, the position, and what it is about: a client or a recording.
type Ack = (i64, i64, Option<i64>);

/// What a service said.
#[derive(Default)]
struct Heard {
    acks: Vec<Ack>,
    sent: usize,
    answered: usize,
}

impl Heard {
    fn poll(&mut self, from_service: &mut Subscription, client: &mut Subscription) {
        let take = |message: &[u8], _: &Header<'_>| match ServiceEvent::decode(message).unwrap() {
            ServiceEvent::ServiceAck(ack) => {
                let about = (ack.relevant_id != -1).then_some(ack.relevant_id);
                self.acks.push((ack.ack_id, ack.log_position, about));
            }
            _ => self.sent += 1,
        };
        from_service.poll(10, take).unwrap();
        self.answered += client.poll(10, |_, _| {}).unwrap();
    }
}

/// One run, as the consensus module and a client see it.
struct Play {
    script: Script,
    client: Subscription,
    /// The consensus module's, which the container shares, as in a cluster. A driver connects a first one only after it has said that it is there.
    to_client: Publication,
    heard: Heard,
    logs: Vec<Log>,
    /// Listens to the consensus module too, whose words are for a container that may have ended.
    _listener: Subscription,
}

impl Play {
    /// Waits for so many acknowledgements in all; `None` if the container ends before.
    fn until(&mut self, acks: usize) -> Option<()> {
        let Play { script, client, heard, .. } = self;
        wait_until("an acknowledgement, or the end", PATIENCE, || {
            // Asked first: what it said before it ended is heard.
            let is_over = script.container.is_ended();
            heard.poll(script.from_service.as_mut().unwrap(), client);
            let is_there = heard.acks.len() >= acks;
            Ok(if is_there || is_over {
                ControlFlow::Break(is_there.then_some(()))
            } else {
                ControlFlow::Continue(heard.acks.len())
            })
        })
        .unwrap()
    }

    /// Two terms as leader, each with a session, a message, a timer and a snapshot, and the end.
    fn all(&mut self, recovery: &Recovery) -> Option<()> {
        self.until(1)?;
        let mut position = recovery.log_position;
        for session in [3, 4] {
            let mut log = self.script.log(position);
            // It is written whether the container reads it or not.
            let _reader = self.script.aeron.add_subscription(&log.channel(), LOG_STREAM).unwrap();
            self.script.tell(&log.request(position, Role::Leader, &log.channel()));
            let timer = TimerEvent { leadership_term_id: 0, correlation_id: 1, timestamp: 8 }.encode().to_vec();
            for event in [open(session), message(session, 7, "any"), timer, close(session), term(VERSION)] {
                log.append(&event);
            }
            let end = log.position_after(40);
            position = log.append(&action(end, ClusterAction::Snapshot, ActionFlags::DEFAULT));
            self.script.commit(position);
            self.logs.push(log);
            let joined = self.heard.acks.len() + 1;
            self.until(joined + 1)?;
        }
        self.script.tell(&terminate_at(position, true));
        self.until(self.heard.acks.len() + 1)
    }

    /// Waits for the end, and hears the rest.
    fn end(self) -> (Heard, Result<Termination>, Vec<String>) {
        let Play { script, mut client, to_client, mut heard, logs, .. } = self;
        drop(to_client);
        wait_for(|| script.container.is_ended());
        let Script { container, errors, from_service, cluster, aeron, .. } = script;
        let ended = container.wait();
        assert_eq!(activity(&cluster), -1, "its mark file says that it runs");
        let mut from_service = from_service.unwrap();
        // What the driver said before it answers this has come, such as that there is an image.
        drop(aeron.add_subscription("aeron:ipc", LOG_STREAM).unwrap());
        wait_for(|| {
            heard.poll(&mut from_service, &mut client);
            let is_read = logs.iter().any(|log| log.publication.is_connected());
            !is_read && !from_service.is_connected() && !client.is_connected()
        });
        (heard, ended, errors.try_iter().collect())
    }
}

/// What came of a run: how far the service went, what it said, how its container ended, and what that told of.
struct Run {
    noted: Vec<Point>,
    heard: Heard,
    ended: Result<Termination>,
    told: Vec<String>,
}

/// What there is at the driver, by the kinds of counters.
fn held(stage: &Stage) -> BTreeMap<i32, usize> {
    let mut held = BTreeMap::new();
    stage.aeron.counters().for_each(|counter| {
        if !OF_PUBLICATIONS.contains(&counter.type_id) {
            *held.entry(counter.type_id).or_default() += 1;
        }
    });
    held
}

/// Runs a container until it has ended, and checks that nothing is left of it.
fn run(stage: &Stage, recovery: &Recovery, at: At, policy: FailurePolicy) -> Run {
    let before = held(stage);
    let noted = Arc::default();
    let walker = Walker { at, noted: Arc::clone(&noted) };
    let configure = |context: Context| {
        let context = context.mark_file_wait(Duration::ZERO).failure_policy(policy);
        // One that lives on does not close what a container has forgotten.
        if recovery.cluster_id % 2 == 0 { context.aeron(stage.aeron.clone()) } else { context }
    };
    let script = stage.launch_service(recovery, walker, Probe::new().1, configure);
    let client = stage.aeron.add_subscription("aeron:ipc", 102).unwrap();
    let to_client = stage.aeron.add_publication("aeron:ipc", 102).unwrap();
    wait_for(|| to_client.is_connected());
    let _listener = stage.aeron.add_subscription(CONTROL_CHANNEL, 104).unwrap();
    let mut play = Play { script, client, to_client, heard: Heard::default(), logs: Vec::new(), _listener };
    let _ended_early = play.all(recovery);
    let (heard, ended, told) = play.end();
    wait_until("nothing of the container to be left", PATIENCE, || {
        let left = held(stage);
        Ok(if left == before { ControlFlow::Break(()) } else { ControlFlow::Continue((left, before.clone())) })
    })
    .unwrap();
    let noted = std::mem::take(&mut *noted.lock().unwrap());
    Run { noted, heard, ended, told }
}

/// How many acknowledgements there are, up to that of what is called last.
fn acks(noted: &[Point]) -> usize {
    let calls = |callback| noted.iter().filter(|point| **point == (callback, CALLED)).count();
    // Of a log that is joined; between two it follows.
    let joins = calls("on_role_change").div_ceil(2);
    calls("on_start") + joins + calls("on_take_snapshot") + calls("on_terminate")
}

/// What is to come of a panic.
struct Expected {
    callback: &'static str,
    noted: Vec<Point>,
    acks: usize,
    /// The acknowledgement that says that it failed.
    failed: Option<usize>,
    goes_on: bool,
}

impl Expected {
    /// Of a panic at a point of a run that had none.
    fn at(number: usize, whole: &Run, policy: FailurePolicy) -> Expected {
        let (callback, _) = whole.noted[number];
        let goes_on = policy == FailurePolicy::LogAndContinue || callback == "on_terminate";
        let mut noted = whole.noted[..=number].to_vec();
        let is_acked = matches!(callback, "on_start" | "on_take_snapshot");
        let failed = is_acked.then(|| acks(&noted) - 1);
        if goes_on {
            noted.extend(whole.noted[number + 1..].iter().skip_while(|(_, what)| *what != CALLED));
        }
        Expected { callback, acks: acks(&noted), noted, failed, goes_on }
    }

    fn check(&self, run: &Run, whole: &Run) {
        let place = format!("{}, {:?}", self.callback, self.noted.last());
        let succeeded =
            |acks: &[Ack]| acks.iter().map(|(id, at, about)| (*id, *at, about.is_some())).collect::<Vec<_>>();
        let mut acks = succeeded(&whole.heard.acks[..self.acks]);
        if let Some(failed) = self.failed {
            acks[failed].2 = false;
        }
        assert_eq!(run.noted, self.noted, "{place}; told: {:?}", run.told);
        assert_eq!(succeeded(&run.heard.acks), acks, "{place}");
        let noted = |kinds: &[&str]| self.noted.iter().filter(|(_, what)| kinds.contains(what)).count();
        assert_eq!((run.heard.sent, run.heard.answered), (noted(&SENT), noted(&ANSWERED)), "{place}");
        let [told] = &run.told[..] else { panic!("{place}: {:?}", run.told) };
        let text = format!("service panicked in {} at log position ", self.callback);
        assert!(told.contains(&text) && told.contains("as told"), "{place}: {told}");
        match &run.ended {
            Ok(Termination::Expected) if self.goes_on => {}
            Err(error) if !self.goes_on && error.to_string() == *told => {}
            other => panic!("{place}: {other:?}"),
        }
    }
}

/// A driver, an archive and a client that lose no time: there are a hundred runs.
fn stage() -> Stage {
    let builder = TestCluster::builder().server_command(|_, _, mut command| {
        // How often it looks for what is closed and read to its end.
        command.env("AERON_TIMER_INTERVAL", "5ms");
        command
    });
    let mut stage = Stage::with(builder, &[Part::Driver, Part::Archive]);
    let idle = ConductorIdleStrategy::Sleeping(Duration::from_millis(1));
    let context = aeron::Context::new().dir(stage.cluster.aeron_dir(0)).conductor_idle_strategy(idle);
    stage.aeron = Aeron::connect(context).unwrap();
    // A driver knows a client from its first request on.
    drop(stage.aeron.add_subscription("aeron:ipc", LOG_STREAM).unwrap());
    stage
}

/// The stage, and a run from a snapshot that has no panic. Then that snapshot, for a cluster with another id.
fn whole() -> (Stage, Run, impl Fn(i32) -> Recovery) {
    let stage = stage();
    let empty = run(&stage, &Recovery::NOTHING, At::Nowhere, FailurePolicy::Terminate);
    let (_, log_position, recording_id) = empty.heard.acks[2];
    assert!(recording_id.is_some(), "no snapshot: {:?}", empty.told);
    let recovery =
        move |cluster_id| Recovery { cluster_id, leadership_term_id: 0, log_position, timestamp: 6, recording_id };
    let whole = run(&stage, &recovery(1), At::Nowhere, FailurePolicy::Terminate);
    for run in [&empty, &whole] {
        assert_eq!((&run.ended, run.told.len()), (&Ok(Termination::Expected), 0), "{:?}", run.told);
        assert_eq!(run.heard.acks.len(), acks(&run.noted));
    }
    assert!(whole.noted.ends_with(&empty.noted[1..]), "{:?}", whole.noted);
    (stage, whole, recovery)
}

#[test]
fn a_panic_at_any_point_ends_the_container_in_order() {
    const CALLBACKS: [(&str, usize); 8] = [
        ("on_start", 1),
        ("on_session_open", 2),
        ("on_session_close", 2),
        ("on_session_message", 2),
        ("on_timer_event", 2),
        ("on_take_snapshot", 2),
        ("on_new_leadership_term_event", 2),
        ("on_terminate", 1),
    ];
    let (stage, whole, recovery) = whole();
    for (callback, calls) in CALLBACKS {
        assert_eq!(whole.noted.iter().filter(|point| **point == (callback, CALLED)).count(), calls, "{callback}");
    }
    let mut ids = 2..;
    let mut end_at = |recovery: &dyn Fn(i32) -> Recovery, at| {
        run(&stage, &recovery(ids.next().unwrap()), at, FailurePolicy::Terminate)
    };
    for number in 0..whole.noted.len() {
        let ended = end_at(&recovery, At::Point(number));
        Expected::at(number, &whole, FailurePolicy::Terminate).check(&ended, &whole);
    }
    let empty = |cluster_id| Recovery { cluster_id, ..Recovery::NOTHING };
    let ended = end_at(&empty, At::Point(0));
    assert!(ended.ended.unwrap_err().message().contains("panicked in on_start"));
    assert!(matches!(ended.heard.acks[..], [(0, 0, None)]), "{:?}", ended.heard.acks);

    // At first, and while either snapshot waits for the archive.
    let starts = whole.noted.iter().filter(|(callback, _)| *callback == "on_start").count();
    let snapshots = (0..whole.noted.len()).filter(|number| whole.noted[*number] == ("on_take_snapshot", CALLED));
    for number in std::iter::once(starts).chain(snapshots) {
        let noted = whole.noted[..number].to_vec();
        let (acks, failed) = if number == starts { (1, None) } else { (acks(&noted) + 1, Some(acks(&noted))) };
        let position = whole.heard.acks[acks - 1].1;
        let expected = Expected { callback: "do_background_work", noted, acks, failed, goes_on: false };
        expected.check(&end_at(&recovery, At::Background(position)), &whole);
    }
}

#[test]
fn javas_way_goes_on_after_a_panic_at_any_point() {
    let (stage, whole, recovery) = whole();
    let mut seen = Vec::new();
    for (number, point) in whole.noted.iter().enumerate().filter(|(_, (callback, _))| *callback != "on_start") {
        if !seen.contains(&point) {
            seen.push(point);
            let recovery = recovery(1 + seen.len() as i32);
            let ended = run(&stage, &recovery, At::Point(number), FailurePolicy::LogAndContinue);
            Expected::at(number, &whole, FailurePolicy::LogAndContinue).check(&ended, &whole);
        }
    }
}
