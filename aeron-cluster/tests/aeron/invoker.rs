//! A client whose conductor has no thread: whoever works it, whoever adds and whoever drops.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aeron_cluster::aeron::{Aeron, Context, ImageHandlers, Subscription};
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::{PATIENCE, WorkDir};
use aeron_cluster::{Error, ErrorKind};

use crate::rig::{self, Rig, client, driver_context, receive, until};

const STREAM: i32 = 14;
const OWN_TYPE_ID: i32 = 1014;

fn context(dir: &Path) -> Context {
    rig::context(dir).use_conductor_agent_invoker(true)
}

fn invoker(dir: &Path) -> Aeron {
    Aeron::connect(context(dir)).unwrap()
}

/// Works a client until `done`.
fn work_until(aeron: &Aeron, what: &str, mut done: impl FnMut() -> bool) {
    until(what, || {
        aeron.do_work().unwrap();
        done()
    });
}

#[test]
fn one_thread_adds_sends_and_receives() {
    let rig = Rig::new();
    let aeron = invoker(&rig.dir);
    assert!(aeron.is_invoker() && !rig.aeron.is_invoker());
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let mut exclusive = aeron.add_exclusive_publication("aeron:ipc", STREAM + 1).unwrap();
    let mut subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut other = aeron.add_subscription("aeron:ipc", STREAM + 1).unwrap();
    let counter = aeron.add_counter(OWN_TYPE_ID, &[], "own").unwrap();
    work_until(&aeron, "the images", || subscription.is_connected() && other.is_connected());
    until("room", || publication.offer(b"shared").is_ok() && exclusive.offer(b"exclusive").is_ok());
    assert_eq!((receive(&mut subscription), receive(&mut other)), (b"shared".to_vec(), b"exclusive".to_vec()));
    assert_eq!(rig.count(OWN_TYPE_ID), 1);
    drop((publication, exclusive, counter));
    work_until(&aeron, "the images to go", || !subscription.is_connected() && !other.is_connected());
    until("the counter to go", || rig.count(OWN_TYPE_ID) == 0);
    let error = aeron.add_publication("aeron:bad", STREAM).expect_err("not a channel");
    assert_eq!(error.kind(), ErrorKind::Registration, "{error}");
}

#[test]
fn nothing_is_heard_of_the_driver_unless_the_conductor_is_worked() {
    let rig = Rig::new();
    let aeron = invoker(&rig.dir);
    let mut add = aeron.async_add_subscription("aeron:ipc", STREAM).unwrap();
    // Long after the driver would have answered: it answers this one.
    rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    assert!(add.poll().unwrap().is_none());
    let mut added = None;
    work_until(&aeron, "the subscription", || {
        added = added.take().or_else(|| add.poll().unwrap());
        added.is_some()
    });
}

#[test]
fn a_client_with_a_thread_is_not_worked() {
    let rig = Rig::new();
    let error = rig.aeron.do_work().expect_err("it has a thread");
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.message().contains("use_conductor_agent_invoker"), "{error}");
}

/// The driver tells all clients everything through one buffer, and waits for none.
#[test]
fn a_client_that_falls_behind_what_the_driver_says_ends_and_says_so() {
    let rig = Rig::new();
    let aeron = invoker(&rig.dir);
    let counter = aeron.add_counter(OWN_TYPE_ID, &[], "own").unwrap();
    let said = rig.driver.as_ref().unwrap().cnc_file().unwrap().constants().to_clients_buffer_length;
    // A refusal repeats the channel. This one listens.
    let other = invoker(&rig.dir);
    let channel = format!("aeron:none?alias={}", "a".repeat(4000));
    for _ in 0..said / channel.len() + 50 {
        other.add_publication(&channel, STREAM).expect_err("no channel");
    }
    let mut error = None;
    until("the end", || {
        error = aeron.do_work().err();
        error.is_some()
    });
    let error = error.unwrap();
    assert!(error.kind() == ErrorKind::Closed && error.message().contains("keep up with broadcast"), "{error}");
    assert_eq!(aeron.last_error().map(|error| error.kind()), Some(ErrorKind::Closed));
    assert!(aeron.is_closed() && counter.is_closed() && !other.is_closed());
}

/// Each thread adds and drops while another works the client, or does that itself: nobody waits for a thread that is not there.
#[test]
fn any_thread_adds_and_drops() {
    const ROUNDS: usize = 40;
    let rig = Rig::new();
    let aeron = invoker(&rig.dir);
    let (finished, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (aeron, finished) = (&aeron, &finished);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let stream = STREAM + thread;
                    drop(aeron.async_add_publication("aeron:ipc", stream).unwrap());
                    let publication = aeron.add_publication("aeron:ipc", stream).unwrap();
                    let subscription = aeron.add_subscription("aeron:ipc", stream).unwrap();
                    let counter = aeron.add_counter(OWN_TYPE_ID, &[], "own").unwrap();
                    if round % 2 == 0 { drop((publication, subscription)) } else { drop((subscription, counter)) }
                }
                finished.fetch_add(1, Ordering::Release);
            });
        }
        // From the middle on, nobody works it but those that wait.
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                aeron.do_work().unwrap();
                std::thread::yield_now();
            }
        });
        until("one of them to be done", || finished.load(Ordering::Acquire) > 0);
        stop.store(true, Ordering::Release);
    });
    work_until(&aeron, "all to be removed", || rig.count(OWN_TYPE_ID) == 0);
    assert!(!aeron.is_closed());
}

#[test]
fn what_is_dropped_on_another_thread_is_closed_by_the_next_work() {
    let rig = Rig::new();
    let aeron = invoker(&rig.dir);
    let counter = aeron.add_counter(OWN_TYPE_ID, &[], "own").unwrap();
    std::thread::scope(|scope| scope.spawn(move || drop(counter)).join().unwrap());
    // Something that the driver does later.
    drop(rig.aeron.add_counter(OWN_TYPE_ID + 1, &[], "later").unwrap());
    until("the later one to go", || rig.count(OWN_TYPE_ID + 1) == 0);
    assert_eq!(rig.count(OWN_TYPE_ID), 1, "nobody has worked the client");
    work_until(&aeron, "the counter to go", || rig.count(OWN_TYPE_ID) == 0);
}

#[test]
fn a_client_goes_with_what_was_never_worked() {
    let rig = Rig::new();
    let aeron = invoker(&rig.dir);
    let counter = aeron.add_counter(OWN_TYPE_ID, &[], "own").unwrap();
    let add = aeron.async_add_publication("aeron:ipc", STREAM).unwrap();
    drop((counter, aeron, add));
    until("the driver to have removed all", || rig.count(OWN_TYPE_ID) == 0);
    assert!(!client(&rig.dir).is_closed());
}

/// Works a client until it ends, and says why.
fn ended(aeron: &Aeron) -> Error {
    let mut ended = None;
    until("the client to end", || {
        ended = aeron.do_work().err();
        ended.is_some()
    });
    ended.unwrap()
}

/// What a handler got when it used the client that called it.
#[derive(Debug, PartialEq)]
struct Heard {
    told: ErrorKind,
    worked: Result<usize, ErrorKind>,
    added: Result<(), ErrorKind>,
}

#[test]
fn a_dead_driver_is_found_by_whoever_works_the_client() {
    let mut rig = Rig::new();
    let (heard, client) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(None::<Aeron>)));
    let (hears, handlers) = (Arc::clone(&heard), Arc::clone(&client));
    let aeron = Aeron::connect(context(&rig.dir).on_error(move |error| {
        let client = handlers.lock().unwrap().take().unwrap();
        hears.lock().unwrap().push(Heard {
            told: error.kind(),
            worked: client.do_work().map_err(|error| error.kind()),
            added: client.add_subscription("aeron:ipc", STREAM).map(drop).map_err(|error| error.kind()),
        });
        panic!("a handler that panics");
    }))
    .unwrap();
    *client.lock().unwrap() = Some(aeron.clone());
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    rig.kill_driver();
    assert_eq!(ended(&aeron).kind(), ErrorKind::DriverDead);
    let expected = Heard { told: ErrorKind::DriverDead, worked: Ok(0), added: Err(ErrorKind::Closed) };
    assert_eq!(*heard.lock().unwrap(), [expected]);
    assert!(aeron.is_closed() && publication.is_closed());
    assert_eq!(aeron.do_work().expect_err("it is closed").kind(), ErrorKind::Closed);
    assert_eq!(aeron.add_publication("aeron:ipc", STREAM).expect_err("it is closed").kind(), ErrorKind::Closed);
    rig.driver = Some(MediaDriver::launch(driver_context(&rig.dir)).unwrap());
    assert!(invoker(&rig.dir).add_publication("aeron:ipc", STREAM).is_ok());
}

/// On the conductor of one client, another is worked: its handlers run there too.
#[test]
fn a_handler_within_anothers_may_wait_for_neither_and_let_the_last_handle_go() {
    let rig = Rig::new();
    let (outer, inner) = (client(&rig.dir), invoker(&rig.dir));
    let (tell, told) = channel();
    let (close, closed) = channel::<()>();
    outer.add_close_handler(move || drop(close.clone()));
    let last: Arc<Mutex<Option<(Aeron, Subscription)>>> = Arc::default();
    let (works_for, takes) = (Arc::clone(&last), Arc::clone(&last));
    inner.add_available_counter_handler(move |_| {
        let Some((outer, subscription)) = takes.lock().unwrap().take() else { return };
        tell.send(outer.add_publication("aeron:ipc", STREAM).map(drop).map_err(|error| error.kind())).unwrap();
        drop((outer, subscription));
    });
    let handlers = ImageHandlers::new().on_available(move |_| {
        until("the inner handler", || {
            inner.do_work().unwrap();
            works_for.lock().unwrap().is_none()
        });
    });
    let subscription = outer.add_subscription_with("aeron:ipc", STREAM, handlers).unwrap();
    *last.lock().unwrap() = Some((outer, subscription));
    let _publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let _counter = rig.aeron.add_counter(OWN_TYPE_ID, &[], "any").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(ErrorKind::State)));
    assert_eq!(closed.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "it is closed on another thread");
}

#[test]
fn a_client_that_is_not_worked_in_time_ends() {
    const LIVENESS: Duration = Duration::from_millis(200);
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let _driver = MediaDriver::launch(driver_context(&dir).client_liveness_timeout(LIVENESS)).unwrap();
    let aeron = invoker(&dir);
    let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
    std::thread::sleep(LIVENESS * 2);
    assert_eq!(ended(&aeron).kind(), ErrorKind::Closed);
    assert!(publication.is_closed());
    let why = aeron.last_error().unwrap();
    assert!(why.message().contains("service interval exceeded") || why.message().contains("timeout"), "{why}");
}
