//! What a service and its program can ask of the container, message by message, against a consensus module played by the test.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::{Header, IdleStrategy, OfferError, YieldingIdleStrategy};
use aeron_cluster::codec::RequestServiceAck;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ClusteredServiceAgent, ClusteredServiceContainer, Context, Role,
    SemanticVersion, ServiceError, SnapshotImage, SnapshotPublication, Termination,
};
use aeron_cluster::testing::PATIENCE;

use crate::messages::{message, open_on, term, terminate_at};
use crate::probe::{Event, Events, Fail, Probe};
use crate::script::{Recovery, Script, Stage};

/// Does what the test wants at the start and at each message.
struct Custom<F, G> {
    on_start: F,
    on_message: G,
}

impl<F: FnMut(&Cluster), G: FnMut(&Cluster)> ClusteredService for Custom<F, G> {
    fn on_start(&mut self, cluster: &Cluster, _: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        (self.on_start)(cluster);
        Ok(())
    }

    fn on_session_message(&mut self, cluster: &Cluster, _: Option<&ClientSession>, _: i64, _: &[u8], _: &Header<'_>) {
        (self.on_message)(cluster);
    }

    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
}

fn no_events() -> Events {
    Probe::new().1
}

pub fn start(
    configure: impl FnOnce(Context) -> Context,
    on_start: impl FnMut(&Cluster) + Send + 'static,
    on_message: impl FnMut(&Cluster) + Send + 'static,
) -> Script {
    let service = Custom { on_start, on_message };
    let mut script = Stage::with_driver().launch_service(&Recovery::NOTHING, service, no_events(), configure);
    script.started(&Recovery::NOTHING);
    script
}

/// Something that tells, and what it told.
fn told<T>() -> (Sender<T>, Receiver<T>) {
    channel()
}

#[test]
fn both_termination_hooks_run_the_plain_one_last_whatever_the_other_does() {
    let (sender, hooks) = told();
    let extended = sender.clone();
    let mut script = Script::start(|context| {
        context.termination_hook(move || sender.send("plain".to_owned()).unwrap()).extended_termination_hook(
            move |cause| {
                extended.send(cause.to_string()).unwrap();
                panic!("as told");
            },
        )
    });
    script.tell(&terminate_at(0, false));
    assert_eq!(script.events.rest().last(), Some(&Event::Terminate));
    assert_eq!(script.unheard(), 0);
    assert_eq!(script.container.wait().unwrap(), Termination::Expected);
    assert_eq!(hooks.iter().collect::<Vec<_>>(), ["expected termination", "plain"]);
    let errors: Vec<_> = script.errors.try_iter().collect();
    assert_eq!(errors, ["the extended termination hook panicked: as told"]);
}

#[test]
fn a_container_that_is_closed_runs_no_hook() {
    let (sender, hooks) = told::<()>();
    let script = Script::start(|context| context.termination_hook(move || sender.send(()).unwrap()));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
    assert!(hooks.recv().is_err());
}

#[test]
fn a_session_says_who_the_client_is_and_where() {
    let (sender, seen) = told();
    let mut script = start(
        |context| context.is_responding_service(false),
        |_| {},
        move |cluster| {
            let sessions = cluster.client_sessions().map(|session| {
                assert!(!session.is_closing());
                assert_eq!(cluster.client_session(session.id()).map(ClientSession::id), Some(session.id()));
                let place = (session.response_channel().to_owned(), session.response_stream_id());
                (session.id(), place, session.encoded_principal().to_vec())
            });
            sender.send(sessions.collect::<Vec<_>>()).unwrap();
            assert!(cluster.client_session(4).is_none());
        },
    );
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    for (id, channel) in [(9, "aeron:ipc?alias=nine"), (3, "aeron:ipc?alias=three")] {
        script.append(&mut log, &open_on(id, channel));
    }
    script.append(&mut log, &message(3, 9, ""));
    let expected = |id, channel: &str| (id, (channel.to_owned(), 102), Vec::new());
    let sessions = seen.recv_timeout(PATIENCE).unwrap();
    assert_eq!(sessions, [expected(3, "aeron:ipc?alias=three"), expected(9, "aeron:ipc?alias=nine")]);
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_callback_that_waits_can_run_the_background_work_which_must_not_send() {
    let (sender, seen) = told();
    let mut script = start(
        |context| context,
        |_| {},
        move |cluster| {
            let mut times = Vec::new();
            while times.len() < 3 {
                let work = |now_ns| {
                    times.push(now_ns);
                    assert_eq!(cluster.offer(b"no").unwrap_err(), OfferError::NotAllowed);
                    1
                };
                cluster.idle_with(0, work).unwrap();
            }
            cluster.offer(b"allowed again").unwrap();
            sender.send(times).unwrap();
            while cluster.idle_with(0, |_| 0).is_ok() {}
            let late = cluster.idle_with(0, |_| panic!("no background work when the container ends"));
            late.unwrap_err();
        },
    );
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &message(3, 9, ""));
    let times = seen.recv_timeout(PATIENCE).unwrap();
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

/// Shows how often it waited in vain before, each time that it waits.
struct Waiting {
    vain: u32,
    shown: Arc<Mutex<Vec<u32>>>,
}

impl IdleStrategy for Waiting {
    fn idle(&mut self, work_count: usize) {
        assert_eq!(work_count, 0, "this service only waits");
        self.shown.lock().unwrap().push(self.vain);
        self.vain += 1;
    }
    fn reset(&mut self) {
        self.vain = 0;
    }
}

#[test]
fn each_callback_that_waits_begins_with_the_shortest_wait() {
    let (sender, seen) = told();
    let supplied = Arc::new(Mutex::new(Vec::new()));
    let supplier = supplied.clone();
    let mut script = start(
        |context| {
            // The first is for the container's thread, the second for what waits.
            context.idle_strategy_supplier(move || {
                let shown = Arc::default();
                supplier.lock().unwrap().push(Arc::clone(&shown));
                match supplier.lock().unwrap().len() {
                    2 => Box::new(Waiting { vain: 0, shown }),
                    _ => Box::new(YieldingIdleStrategy),
                }
            })
        },
        |_| {},
        move |cluster| {
            let shown: Arc<Mutex<Vec<u32>>> = supplied.lock().unwrap()[1].clone();
            shown.lock().unwrap().clear();
            for _ in 0..3 {
                cluster.idle(0).unwrap();
            }
            sender.send(shown.lock().unwrap().clone()).unwrap();
        },
    );
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    for _ in 0..3 {
        script.append(&mut log, &message(3, 9, ""));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), [0, 1, 2]);
    }
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn the_settings_are_there_to_be_read_as_they_came_out() {
    let (sender, settings) = told();
    let script = start(
        |context| context.log_fragment_limit(7).service_name("").print_configuration(true),
        move |cluster| {
            let settings = cluster.settings();
            assert_eq!(settings.mark_file_dir(), settings.cluster_directory_name());
            assert_eq!(settings.aeron_directory_name(), Some(cluster.aeron().dir()));
            // Of the container's own client.
            let conductor = cluster.aeron().settings().conductor_idle_strategy_args;
            sender.send((settings.log_fragment_limit(), settings.service_name().to_owned(), conductor)).unwrap();
        },
        |_| {},
    );
    let (limit, name, conductor) = settings.recv().unwrap();
    assert_eq!((limit, name.as_str(), conductor.as_deref()), (7, "clustered-service-0-0", Some("0-0-100000-4000000")));
    let settings = script.container.settings();
    assert_eq!((settings.log_fragment_limit(), settings.service_name()), (7, "clustered-service-0-0"));
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn the_thread_of_a_container_has_its_name_and_stays_on_its_processor() {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t")).unwrap();
    let cpu = allowed.split(['-', ',']).next().unwrap().parse().unwrap();
    let (sender, seen) = told();
    let script = start(
        |context| context.cpu_affinity(cpu).service_name("pinned"),
        move |_| {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            sender.send(status).unwrap();
        },
        |_| {},
    );
    let status = seen.recv().unwrap();
    for line in ["Name:\tpinned".to_owned(), format!("Cpus_allowed_list:\t{cpu}")] {
        assert!(status.lines().any(|shown| shown == line), "{line}: {status}");
    }
    assert_eq!(script.container.close().unwrap(), Termination::Closed);
}

#[test]
fn names_lengths_and_processors_that_cannot_be_are_named() {
    let context = || Context::new().cluster_directory_name("/dev/null/no");
    for (settings, text) in [
        (context().service_name("n".repeat(101)), "service name must have at most 100 bytes, none of them 0: \"nnn"),
        (context().service_name("a\0b"), "none of them 0: \"a\\0b\""),
        (context().error_buffer_length(4096), "error buffer length must be at least 1048576: 4096"),
        (context().response_mtu_length(1400), "response MTU length must be a multiple of 32 from 64 to 65504: 1400"),
        (context().response_mtu_length(1 << 16), "from 64 to 65504: 65536"),
        (context().response_term_length(0), "response term length must be a power of two from 64 KiB to 1 GiB: 0"),
        (context().response_term_length(3 << 20), "from 64 KiB to 1 GiB: 3145728"),
        (context().cpu_affinity(99_999), "cpu affinity 99999 is not among the processors of this process"),
    ] {
        let error = ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    let error = ClusteredServiceAgent::new(context().cpu_affinity(0), Probe::new().0).unwrap_err().to_string();
    assert_eq!(error, "cpu affinity 0: the thread is the caller's, who may pin it");
}

#[test]
fn the_version_validator_is_asked_at_each_term_with_ours_first() {
    let (sender, asked) = told();
    let mut script = Script::start_failing(Fail::Never, |context| {
        context.app_version(SemanticVersion::new(1, 0, 0)).app_version_validator(move |ours, theirs| {
            sender.send((ours.to_string(), theirs.to_string())).unwrap();
            theirs.major() < 3
        })
    });
    let mut log = script.log(0);
    script.join(&log, Role::Follower);
    script.append(&mut log, &term(SemanticVersion::new(2, 0, 0)));
    assert!(matches!(
        script.events.wait_for(|event| matches!(event, Event::Term { .. }).then_some(event.clone())),
        Event::Term { member_id: 7, .. }
    ));
    script.tell(&RequestServiceAck { log_position: 0 }.encode());
    assert_eq!(script.ack().ack_id, 2);
    script.append(&mut log, &term(SemanticVersion::new(3, 0, 0)));
    assert_eq!(script.ended().0.unwrap_err().message(), "incompatible version: 1.0.0 log=3.0.0");
    let both = |theirs: &str| ("1.0.0".to_owned(), theirs.to_owned());
    assert_eq!(asked.iter().collect::<Vec<_>>(), [both("2.0.0"), both("3.0.0")]);
}
