//! The driver dies, and nothing else does.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{
    Action, Aeron, ChannelStatus, Context, Counter, ExclusivePublication, Image, OfferError, Publication, Subscription,
};
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::{PATIENCE, WorkDir};
use aeron_cluster::{Error, ErrorKind};

use crate::killable::start_driver;
use crate::rig::{DRIVER_TIMEOUT, Rig, client, context, driver_context, forgotten_by_c, image_of, until};

const STREAM: i32 = 12;

/// One of each.
struct Handles {
    publication: Publication,
    exclusive: ExclusivePublication,
    subscription: Subscription,
    image: Image,
    counter: Counter,
    to_several: ExclusivePublication,
    of_nobody: Counter,
}

impl Handles {
    fn new(aeron: &Aeron) -> Handles {
        let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
        let exclusive = aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
        let image = image_of(aeron.add_subscription("aeron:ipc", STREAM).unwrap(), publication.session_id());
        let subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
        let counter = aeron.add_counter(1001, &[], "doomed").unwrap();
        let to_several = aeron.add_exclusive_publication("aeron:udp?control-mode=manual", STREAM).unwrap();
        let of_nobody = aeron.add_static_counter(1002, &[], "of nobody", 12).unwrap();
        forgotten_by_c(&of_nobody);
        until("the images", || {
            subscription.image_count() == 2 && publication.is_connected() && exclusive.is_connected()
        });
        Handles { publication, exclusive, subscription, image, counter, to_several, of_nobody }
    }

    fn all_are_closed(&mut self) {
        let Handles { publication, exclusive, subscription, image, counter, .. } = self;
        assert!(publication.is_closed() && !publication.is_connected());
        assert!(exclusive.is_closed() && !exclusive.is_connected());
        assert!(subscription.is_closed() && !subscription.is_connected());
        assert!(image.is_closed() && counter.is_closed());
        let closed = OfferError::Closed;
        assert_eq!((publication.offer(b"late"), exclusive.offer(b"late")), (Err(closed), Err(closed)));
        assert_eq!((publication.offer_vectored(&[]), exclusive.offer_vectored(&[])), (Err(closed), Err(closed)));
        assert_eq!(publication.try_claim(8).map(|_| ()), Err(closed));
        assert_eq!(exclusive.try_claim(8).map(|_| ()), Err(closed));
        assert_eq!((publication.position(), exclusive.position()), (Err(closed), Err(closed)));
        assert_eq!((publication.position_limit(), exclusive.position_limit()), (Err(closed), Err(closed)));
        assert_eq!(subscription.poll(9, |_, _| {}), Ok(0));
        assert_eq!(subscription.block_poll(4096, |_| {}), Ok(0));
        assert_eq!(image.controlled_poll(9, |_, _| Action::Continue), Ok(0));
        assert_eq!(image.bounded_poll(i64::MAX, 9, |_, _| {}), Ok(0));
        assert_eq!(image.block_poll(4096, |_| {}), Ok(0));
        assert!(subscription.image_at_index(0).is_none_or(|image| image.is_closed()));
        counter.set(counter.get() + 1);
    }

    /// What is seldom asked for.
    fn all_the_rest_is_closed(&mut self) {
        let Handles { publication, exclusive, subscription, image, to_several, of_nobody, .. } = self;
        let closed = OfferError::Closed;
        let value = |_: &[u8]| 7;
        assert_eq!(publication.offer_with_reserved_value(b"late", value), Err(closed));
        assert_eq!(exclusive.offer_with_reserved_value(b"late", value), Err(closed));
        assert_eq!(exclusive.append_padding(64), Err(closed));
        assert_eq!((publication.available_window(), exclusive.available_window()), (Err(closed), Err(closed)));
        exclusive.revoke_on_close();
        for status in [publication.channel_status(), exclusive.channel_status(), subscription.channel_status()] {
            assert_eq!(status, ChannelStatus::Errored);
        }
        for addresses in [publication.local_addresses(), exclusive.local_addresses(), subscription.local_addresses()] {
            assert!(addresses.as_ref().map_or(true, Vec::is_empty), "{addresses:?}");
        }
        assert!(image.reject("late").is_err() || image.is_closed());
        assert!(to_several.is_closed() && !to_several.is_connected());
        for error in [
            to_several.add_destination("aeron:udp?endpoint=127.0.0.1:1").map(drop),
            to_several.remove_destination("aeron:udp?endpoint=127.0.0.1:1"),
            to_several.remove_destination_by_id(1),
            to_several.async_add_destination("aeron:udp?endpoint=127.0.0.1:1").map(drop),
        ] {
            let error = error.expect_err("the driver is dead");
            assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        }
        of_nobody.increment();
    }
}

fn adding_is_refused(aeron: &Aeron) {
    let errors = [
        aeron.add_publication("aeron:ipc", STREAM).map(drop),
        aeron.add_exclusive_publication("aeron:ipc", STREAM).map(drop),
        aeron.add_subscription("aeron:ipc", STREAM).map(drop),
        aeron.add_counter(1001, &[], "too late").map(drop),
        aeron.async_add_subscription("aeron:ipc", STREAM).map(drop),
        aeron.add_static_counter(1002, &[], "too late", 13).map(drop),
        aeron.next_session_id(STREAM).map(drop),
    ];
    for error in errors.map(|result| result.expect_err("the driver is dead")) {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        assert!(error.message().contains("cannot "), "{error}");
    }
}

#[test]
fn every_handle_says_that_it_is_closed() {
    let mut rig = Rig::new();
    let mut handles = Handles::new(&rig.aeron);
    let claim = handles.publication.try_claim(8).unwrap();
    rig.kill_driver();
    rig.wait_for_the_end();
    assert_eq!(claim.commit(), 64);
    handles.all_are_closed();
    handles.all_the_rest_is_closed();
    adding_is_refused(&rig.aeron);
    assert_eq!(rig.aeron.last_error().map(|error| error.kind()), Some(ErrorKind::DriverDead));

    rig.driver = Some(MediaDriver::launch(driver_context(&rig.dir)).unwrap());
    let mut later = Handles::new(&client(&rig.dir));
    assert!(later.publication.offer(b"alive").is_ok() && later.exclusive.offer(b"alive").is_ok());
    handles.all_are_closed();
}

/// Of a client that notices when its driver is killed.
fn impatient(dir: &Path) -> Context {
    context(dir).driver_timeout(DRIVER_TIMEOUT)
}

#[test]
fn a_killed_driver_ends_its_clients_and_not_their_process() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let mut driver = start_driver(&dir, &[]);
    let errors = Arc::new(Mutex::new(Vec::<Error>::new()));
    let seen = Arc::clone(&errors);
    let aeron = Aeron::connect(impatient(&dir).on_error(move |error| {
        seen.lock().unwrap().push(error.clone());
        panic!("a handler that panics on the conductor thread");
    }))
    .unwrap();
    let mut handles = Handles::new(&aeron);

    driver.kill();
    let killed = Instant::now();
    // Unlike one that closes in order, it leaves its files as they were: what waits ends at the client's own time-out.
    let error = aeron.add_publication("aeron:ipc", STREAM + 1).map(drop).expect_err("nobody answers");
    assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::DriverDead | ErrorKind::Timeout), "{error}");
    until("the client to report it", || !errors.lock().unwrap().is_empty());
    assert!(killed.elapsed() < DRIVER_TIMEOUT + PATIENCE);
    handles.all_are_closed();
    adding_is_refused(&aeron);
    let kinds: Vec<_> = errors.lock().unwrap().iter().map(Error::kind).collect();
    assert_eq!(kinds, [ErrorKind::DriverDead]);
    drop(aeron);
    handles.all_are_closed();
    let context = Context::new().dir(&dir).driver_timeout(Duration::from_millis(100));
    let error = Aeron::connect(context).expect_err("its files alone are there");
    assert!(error.kind() == ErrorKind::DriverDead && error.message().contains(&*dir.to_string_lossy()), "{error}");

    driver = start_driver(&dir, &[]);
    let mut later = Handles::new(&client(&dir));
    assert!(later.publication.offer(b"alive").is_ok() && later.exclusive.offer(b"alive").is_ok());
    handles.all_are_closed();
    handles.all_the_rest_is_closed();
    drop(handles);
    driver.kill();
}

/// What is said when the client has ended, or its conductor is behind.
fn is_of_the_end(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Closed | ErrorKind::ResourceTemporarilyUnavailable)
}

/// Sends, receives, adds and drops until nothing works any more. Returns what was sent and what received.
fn work_until_the_end(aeron: &Aeron, stream: i32, sent: &AtomicU32) {
    let publication = aeron.add_publication("aeron:ipc", stream).unwrap();
    let mut exclusive = aeron.add_exclusive_publication("aeron:ipc", stream).unwrap();
    let mut subscription = aeron.add_subscription("aeron:ipc", stream).unwrap();
    let counter = aeron.add_counter(1001, &[], "working").unwrap();
    let session_id = exclusive.session_id();
    let mut image = image_of(aeron.add_subscription("aeron:ipc", stream).unwrap(), session_id);
    let to_several = aeron.add_publication("aeron:udp?control-mode=manual", stream).unwrap();
    let mut adds = Vec::new();
    loop {
        let offered = [publication.offer(b"shared"), exclusive.offer(b"exclusive")];
        subscription.poll(10, |_, _| {}).unwrap();
        image.poll(10, |_, _| {}).unwrap();
        counter.increment();
        let destination = "aeron:udp?endpoint=127.0.0.1:1";
        for error in [
            to_several.async_add_destination(destination).err(),
            to_several.async_remove_destination(destination).err(),
            aeron.async_add_counter(1001, &[], "more").err(),
            aeron.async_next_session_id(stream).err(),
        ] {
            assert!(error.as_ref().is_none_or(is_of_the_end), "{error:?}");
        }
        if offered.iter().all(Result::is_ok) {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        if offered.contains(&Err(OfferError::Closed)) {
            break;
        }
        // At its end, nobody answers these.
        match aeron.async_add_subscription("aeron:ipc", stream + 100) {
            Ok(add) => adds.push(add),
            Err(error) => assert!(is_of_the_end(&error), "{error}"),
        }
        adds.truncate(3);
        std::thread::yield_now();
    }
    assert!(aeron.is_closed());
    // One after the other.
    until("all the rest to be closed", || {
        counter.is_closed() && subscription.is_closed() && image.is_closed() && to_several.is_closed()
    });
    drop(adds);
    adding_is_refused(aeron);
}

#[test]
fn a_driver_killed_under_load_ends_all_that_use_it_and_another_serves_them_again() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let mut driver = start_driver(&dir, &[]);
    for _ in 0..2 {
        let clients = [impatient(&dir), impatient(&dir)].map(|context| Aeron::connect(context).unwrap());
        let sent: [AtomicU32; 4] = Default::default();
        std::thread::scope(|scope| {
            for (index, sent) in sent.iter().enumerate() {
                let aeron = &clients[index % 2];
                scope.spawn(move || work_until_the_end(aeron, STREAM + 10 + index as i32, sent));
            }
            until("all to be at work", || sent.iter().all(|sent| sent.load(Ordering::Relaxed) > 100));
            driver.kill();
        });
        driver = start_driver(&dir, &[]);
    }
    let aeron = client(&dir);
    assert!(Handles::new(&aeron).publication.offer(b"alive").is_ok());
}

/// Says when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn the_last_handle_may_go_on_the_conductor_thread() {
    let mut rig = Rig::new();
    let last = Arc::new(Mutex::new(None));
    let (calls, freed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (mine, counted, flag) = (Arc::clone(&last), Arc::clone(&calls), Flag(Arc::clone(&freed)));
    let aeron = Aeron::connect(context(&rig.dir).on_error(move |_| {
        let _ = &flag;
        counted.fetch_add(1, Ordering::Relaxed);
        let dropped: Option<(Aeron, Handles)> = mine.lock().unwrap().take();
        drop(dropped);
    }))
    .unwrap();
    let handles = Handles::new(&aeron);
    *last.lock().unwrap() = Some((aeron, handles));
    rig.kill_driver();
    // The handler, and the flag in it, go with the client, after its conductor was joined.
    until("the client to be closed", || freed.load(Ordering::Acquire));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_client_waits_for_its_driver() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Aeron::connect(context(&dir)));
        // It may have begun to wait by now or not: it finds the driver in either case.
        let _driver = MediaDriver::launch(driver_context(&dir)).unwrap();
        waiting.join().unwrap().map(|aeron| aeron.client_id())
    });
    assert!(waiting.is_ok(), "{waiting:?}");
}

#[test]
fn a_client_that_is_unused_closes_at_once() {
    let rig = Rig::new();
    let start = Instant::now();
    for _ in 0..20 {
        drop(client(&rig.dir));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}
