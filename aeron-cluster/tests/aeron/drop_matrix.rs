//! Everything that comes from a client goes in many orders: beside a living driver, when it was killed, when another is there, and when
//! the driver itself goes among them. `drop_order.rs` has all orders of fewer kinds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aeron_cluster::aeron::{
    Action, Aeron, CncFile, ExclusivePublication, FragmentAssembler, Header, Image, ImageFragmentAssembler,
    ImageHandlers, Publication, Subscription,
};
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::{PATIENCE, PortBlock, WorkDir};

use crate::killable::start_driver;
use crate::orders::{Handle, boxed, let_go, orders, with_each_order};
use crate::rig::{DRIVER_TIMEOUT, Rig, awaited, client, context, driver_context, forgotten_by_c, until};

const STREAM: i32 = 30;
const TYPE: i32 = 1030;
/// Of static counters: their registration ids are of our choice, and could be those of others.
const STATIC: i32 = 1031;
/// How far the streams of what nobody waits for are from the others.
const UNANSWERED: i32 = 10_000;
/// Of publications, of the subscribers that are connected to them, and of clients.
const PUBLISHER_LIMIT: i32 = 1;
const SUBSCRIPTION_POSITION: i32 = 4;
const HEARTBEAT: i32 = 11;
const KINDS: usize = 24;
const MANUAL: &str = "aeron:udp?control-mode=manual";

/// What comes from one client: a handle of each kind.
struct Set {
    handles: Vec<Handle>,
    /// With claims on them while the others go, in half of the sets: a claim borrows its publication, which goes after it.
    claimed: Option<(Publication, ExclusivePublication)>,
    /// How often the client said that it closes.
    closed: Arc<AtomicUsize>,
}

fn handlers() -> ImageHandlers {
    ImageHandlers::new().on_available(|_| {}).on_unavailable(|_| {})
}

/// Takes the first half of a message.
fn half(publication: &Publication, subscription: &mut Subscription, image: &mut Image) -> [Handle; 2] {
    let (mut assembler, mut of_image) = (FragmentAssembler::new(), ImageFragmentAssembler::new());
    until("room", || publication.offer(&[7; 2000]).is_ok());
    awaited("the first half", || {
        let take =
            |fragment: &[u8], header: &Header<'_>| assembler.on_fragment(fragment, header, |_, _| Action::Continue);
        (subscription.controlled_poll(1, take).unwrap() > 0).then_some(())
    });
    awaited("the first half again", || {
        let take =
            |fragment: &[u8], header: &Header<'_>| of_image.on_fragment(fragment, header, |_, _| Action::Continue);
        (image.controlled_poll(1, take).unwrap() > 0).then_some(())
    });
    [boxed(assembler), boxed(of_image)]
}

/// What has been asked for, and nobody waits for.
fn unanswered(aeron: &Aeron, stream: i32, destination: &str) -> Vec<Handle> {
    let to_several = aeron.add_publication(MANUAL, stream).unwrap();
    let to_several_alone = aeron.add_exclusive_publication(MANUAL, stream).unwrap();
    let from_several = aeron.add_subscription(MANUAL, stream).unwrap();
    vec![
        boxed(to_several.async_add_destination(destination).unwrap()),
        boxed(to_several_alone.async_add_destination(destination).unwrap()),
        boxed(from_several.async_add_destination("aeron:udp?endpoint=127.0.0.1:0").unwrap()),
        boxed(to_several),
        boxed(to_several_alone),
        boxed(from_several),
        boxed(aeron.async_add_publication("aeron:ipc", stream + UNANSWERED).unwrap()),
        boxed(aeron.async_add_exclusive_publication("aeron:ipc", stream + UNANSWERED).unwrap()),
        boxed(aeron.async_add_subscription_with("aeron:ipc", stream + UNANSWERED, handlers()).unwrap()),
        // Not a static counter: C forgets one that was answered and not asked for, where nothing here could keep it in sight.
        boxed(aeron.async_add_counter(TYPE, &[], "unanswered").unwrap()),
        boxed(aeron.async_next_session_id(stream).unwrap()),
    ]
}

impl Set {
    /// `number` tells sets of one driver apart.
    fn new(aeron: Aeron, number: usize, destination: &str) -> Set {
        let stream = STREAM + number as i32;
        let closed = Arc::new(AtomicUsize::new(0));
        let closes = Arc::clone(&closed);
        aeron.add_close_handler(move || _ = closes.fetch_add(1, Ordering::Relaxed));
        aeron.add_available_counter_handler(|_| {});
        aeron.add_unavailable_counter_handler(|_| {});
        let publication = aeron.add_publication("aeron:ipc", stream).unwrap();
        let exclusive = aeron.add_exclusive_publication("aeron:ipc", stream).unwrap();
        let mut subscription = aeron.add_subscription_with("aeron:ipc", stream, handlers()).unwrap();
        let image = aeron.add_subscription_with("aeron:ipc", stream, handlers()).unwrap();
        let counter = aeron.add_counter(TYPE, &[], "own").unwrap();
        let of_nobody = aeron.add_static_counter(STATIC, &[], "static", number as i64).unwrap();
        forgotten_by_c(&of_nobody);
        let readable = aeron.counters().readable_counter(counter.id()).unwrap();
        let file = CncFile::open(aeron.dir(), Duration::ZERO).unwrap();
        let of_file = file.counters().readable_counter(counter.id()).unwrap();
        until("the images", || {
            // Nothing for a client with a conductor thread.
            let _ = aeron.do_work();
            image.image_count() == 2 && subscription.image_count() == 2
        });
        let mut image = image.into_image(publication.session_id()).unwrap();

        let mut handles = unanswered(&aeron, stream, destination);
        handles.extend(half(&publication, &mut subscription, &mut image));
        let claimed = (number % 4 < 2).then(|| {
            let shared = aeron.add_publication("aeron:ipc", stream).unwrap();
            (shared, aeron.add_exclusive_publication("aeron:ipc", stream).unwrap())
        });
        handles.extend([boxed(publication), boxed(exclusive), boxed(subscription), boxed(image), boxed(counter)]);
        handles.extend([boxed(of_nobody), boxed(readable), boxed(of_file), boxed(file)]);
        handles.extend([boxed(aeron.clone()), boxed(aeron)]);
        assert_eq!(handles.len(), KINDS);
        Set { handles, claimed, closed }
    }

    /// Lets the handles go in an order.
    fn go(self, order: &[usize]) {
        let Set { handles, mut claimed, closed } = self;
        if let Some((shared, exclusive)) = &mut claimed {
            let claims = [shared.try_claim(8).ok(), exclusive.try_claim(8).ok()];
            let_go(handles, order);
            // Committed to whatever is left of its log, or aborted.
            for claim in claims.into_iter().flatten().filter(|_| order[0].is_multiple_of(2)) {
                claim.commit();
            }
            assert_eq!(closed.load(Ordering::Relaxed), 0, "it closes with its last handle");
        } else {
            let_go(handles, order);
        }
        drop(claimed);
        assert_eq!(closed.load(Ordering::Relaxed), 1);
    }
}

fn invoker(dir: &Path) -> Aeron {
    Aeron::connect(context(dir).use_conductor_agent_invoker(true)).unwrap()
}

/// One that notices when its driver is killed.
fn impatient_invoker(dir: &Path) -> Aeron {
    Aeron::connect(context(dir).driver_timeout(DRIVER_TIMEOUT).use_conductor_agent_invoker(true)).unwrap()
}

fn destination(ports: &PortBlock) -> String {
    format!("aeron:udp?endpoint=127.0.0.1:{}", ports.port(0))
}

/// With a conductor thread or without.
fn client_of(dir: &Path, number: usize) -> Aeron {
    if number.is_multiple_of(2) { client(dir) } else { invoker(dir) }
}

#[test]
fn every_kind_with_a_living_driver() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let sets = with_each_order(KINDS, |number, order| {
        Set::new(client_of(&rig.dir, number), number, &destination(&ports)).go(order);
    });
    // Its own client has nothing but itself.
    until("the driver to have removed all", || {
        [PUBLISHER_LIMIT, SUBSCRIPTION_POSITION, TYPE].iter().all(|type_id| rig.count(*type_id) == 0)
            && rig.count(HEARTBEAT) <= 1
    });
    assert_eq!(rig.count(STATIC), sets.len(), "static counters stay");
    assert!(!rig.aeron.is_closed());
}

/// Sets of a driver that was killed, whose clients have not noticed, and the orders they are to go in.
struct Bereft {
    dir: std::path::PathBuf,
    sets: Vec<(Aeron, Set)>,
    ports: PortBlock,
    _memory: WorkDir,
}

impl Bereft {
    fn new() -> Bereft {
        let memory = WorkDir::new().unwrap();
        let dir = memory.path().join("aeron");
        let ports = PortBlock::reserve().unwrap();
        let mut driver = start_driver(&dir, &[]);
        let mut sets: Vec<(Aeron, Set)> = Vec::new();
        for number in 0..orders(KINDS).len() {
            let aeron = impatient_invoker(&dir);
            sets.push((aeron.clone(), Set::new(aeron, number, &destination(&ports))));
            if number % 10 == 0 {
                sets.iter().for_each(|(aeron, _)| drop(aeron.do_work()));
            }
        }
        driver.kill();
        Bereft { dir, sets, ports, _memory: memory }
    }

    fn notice(&self) {
        until("the clients to notice", || {
            self.sets.iter().for_each(|(aeron, _)| drop(aeron.do_work()));
            self.sets.iter().all(|(aeron, _)| aeron.is_closed())
        });
    }

    fn go(&mut self) {
        for ((aeron, set), order) in self.sets.drain(..).zip(orders(KINDS)) {
            drop(aeron);
            set.go(&order);
        }
    }
}

#[test]
fn every_kind_before_anybody_noticed_that_the_driver_was_killed() {
    Bereft::new().go();
}

#[test]
fn every_kind_with_a_killed_driver() {
    let mut bereft = Bereft::new();
    bereft.notice();
    bereft.go();
}

#[test]
fn every_kind_beside_another_driver() {
    let mut bereft = Bereft::new();
    bereft.notice();
    let mut driver = start_driver(&bereft.dir, &[]);
    let (alive, still) = (Set::new(client(&bereft.dir), 0, &destination(&bereft.ports)), client(&bereft.dir));
    let count = || {
        let mut count = 0;
        still.counters().for_each(|counter| count += usize::from(counter.type_id == SUBSCRIPTION_POSITION));
        count
    };
    // Three publications with two subscribers, and two that nobody waits for with one.
    until("all of the living one", || count() == 8);
    bereft.go();
    assert_eq!(count(), 8, "what the new driver has is untouched");
    drop((alive, still));
    driver.kill();
}

/// It ends in order, at each place among the handles, where else a clone of the client goes.
#[test]
fn the_driver_goes_among_the_handles_of_its_client() {
    let ports = PortBlock::reserve().unwrap();
    with_each_order(KINDS, |number, order| {
        let memory = WorkDir::new().unwrap();
        let dir = memory.path().join("aeron");
        let driver = MediaDriver::launch(driver_context(&dir)).unwrap();
        let mut set = Set::new(client_of(&dir, number), number, &destination(&ports));
        let file = driver.cnc_file().unwrap();
        assert!(file.is_driver_active(PATIENCE));
        *set.handles.last_mut().unwrap() = boxed(driver);
        set.go(order);
        assert!(!file.is_driver_active(PATIENCE));
    });
}
