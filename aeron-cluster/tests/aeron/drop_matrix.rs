//! Everything that comes from a client goes in any order: beside a living driver, when it was killed, when another is there, and when
//! the driver itself goes among them. Orders are drawn by seeds, so that each kind is the first, the last, and at each place between.
//! `drop_order.rs` has all orders of fewer kinds.

use std::any::Any;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aeron_cluster::aeron::{Action, Aeron, CncFile, FragmentAssembler, ImageHandlers, Publication};
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::{PATIENCE, PortBlock, WorkDir};

use crate::death::start_driver_with;
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
const KINDS: usize = 15;
const THREADS: usize = 4;

type Handle = Option<Box<dyn Any + Send>>;

/// What comes from one client: a handle of each kind.
struct Set {
    handles: Vec<Handle>,
    /// With a claim on it while the others go, in every other set.
    claimed: Option<Publication>,
}

fn boxed(handle: impl Send + 'static) -> Handle {
    Some(Box::new(handle))
}

impl Set {
    /// `number` tells sets of one driver apart.
    fn new(aeron: Aeron, number: i32, destination: &str) -> Set {
        let stream = STREAM + number;
        let publication = aeron.add_publication("aeron:ipc", stream).unwrap();
        let exclusive = aeron.add_exclusive_publication("aeron:ipc", stream).unwrap();
        let handlers = || ImageHandlers::new().on_available(|_| {}).on_unavailable(|_| {});
        let mut subscription = aeron.add_subscription_with("aeron:ipc", stream, handlers()).unwrap();
        let image = aeron.add_subscription_with("aeron:ipc", stream, handlers()).unwrap();
        let to_several = aeron.add_publication("aeron:udp?control-mode=manual", stream).unwrap();
        let counter = aeron.add_counter(TYPE, &[], "own").unwrap();
        let of_nobody = aeron.add_static_counter(STATIC, &[], "static", i64::from(number)).unwrap();
        forgotten_by_c(&of_nobody);
        let readable = aeron.counters().readable_counter(counter.id()).unwrap();
        let file = CncFile::open(aeron.dir(), Duration::ZERO).unwrap();
        let of_file = file.counters().readable_counter(counter.id()).unwrap();
        until("the images", || {
            // Nothing for a client with a conductor thread.
            let _ = aeron.do_work();
            image.image_count() == 2 && subscription.image_count() == 2
        });
        let image = image.into_image(publication.session_id()).unwrap();

        // A message of which half was received.
        let mut assembler = FragmentAssembler::new();
        until("room", || publication.offer(&[7; 2000]).is_ok());
        awaited("the first half", || {
            let mut begun = false;
            let take = |fragment: &[u8], header: &aeron_cluster::aeron::Header<'_>| {
                begun = true;
                assembler.on_fragment(fragment, header, |_, _| Action::Continue)
            };
            subscription.controlled_poll(1, take).unwrap();
            begun.then_some(())
        });

        let claimed = (number % 2 == 0).then(|| aeron.add_publication("aeron:ipc", stream).unwrap());
        let handles = vec![
            boxed(to_several.async_add_destination(destination).unwrap()),
            boxed(to_several),
            boxed(aeron.async_add_publication("aeron:ipc", stream + UNANSWERED).unwrap()),
            boxed(aeron.async_add_subscription_with("aeron:ipc", stream + UNANSWERED, handlers()).unwrap()),
            // Not a static counter: C forgets one that was answered and not asked for, where nothing here could keep it in sight.
            boxed((
                aeron.async_add_counter(TYPE, &[], "unanswered").unwrap(),
                aeron.async_next_session_id(stream).unwrap(),
            )),
            boxed(assembler),
            boxed(publication),
            boxed(exclusive),
            boxed(subscription),
            boxed(image),
            boxed(counter),
            boxed(of_nobody),
            boxed((readable, of_file)),
            boxed(file),
            boxed(aeron),
        ];
        assert_eq!(handles.len(), KINDS);
        Set { handles, claimed }
    }

    /// Lets the handles go in an order, `between` each and the next.
    fn go(mut self, order: &[usize], mut between: impl FnMut(usize)) {
        let claim = self.claimed.as_ref().and_then(|publication| publication.try_claim(8).ok());
        for (place, index) in order.iter().enumerate() {
            between(place);
            self.handles[*index] = None;
        }
        // Committed to whatever is left of its log, or aborted.
        if let Some(claim) = claim.filter(|_| order[0].is_multiple_of(2)) {
            claim.commit();
        }
    }
}

/// Orders of all kinds: each drawn order is turned until each of its kinds was the first.
fn orders(drawn: usize) -> Vec<Vec<usize>> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |limit: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % limit as u64) as usize
    };
    let mut orders = Vec::new();
    for _ in 0..drawn {
        let mut order: Vec<usize> = (0..KINDS).collect();
        for last in (1..KINDS).rev() {
            order.swap(last, below(last + 1));
        }
        for _ in 0..KINDS {
            order.rotate_left(1);
            orders.push(order.clone());
        }
    }
    orders
}

/// How many orders are drawn: `AERON_CLUSTER_DROP_ORDERS`, for who has the time, or a few.
fn drawn() -> usize {
    std::env::var("AERON_CLUSTER_DROP_ORDERS").map_or(3, |count| count.parse().expect("a number"))
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

#[test]
fn every_kind_with_a_living_driver() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let (orders, next) = (orders(drawn()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (rig, orders, next, destination) = (&rig, &orders, &next, destination(&ports));
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(order) = orders.get(index) else { return };
                    let aeron = if thread % 2 == 0 { client(&rig.dir) } else { invoker(&rig.dir) };
                    Set::new(aeron, index as i32, &destination).go(order, |_| {});
                }
            });
        }
    });
    // Its own client has nothing but itself.
    until("the driver to have removed all", || {
        [PUBLISHER_LIMIT, SUBSCRIPTION_POSITION, TYPE].iter().all(|type_id| rig.count(*type_id) == 0)
            && rig.count(HEARTBEAT) <= 1
    });
    assert_eq!(rig.count(STATIC), orders.len(), "static counters stay");
    assert!(!rig.aeron.is_closed());
}

/// A third goes before anybody noticed, a third after that, and a third when another driver is there.
#[test]
fn every_kind_with_a_killed_driver_and_with_another() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("aeron");
    let ports = PortBlock::reserve().unwrap();
    let mut driver = start_driver_with(&dir, &[]);
    let orders = orders(drawn());
    let mut sets: Vec<(Aeron, Set)> = Vec::new();
    for number in 0..orders.len() {
        let aeron = impatient_invoker(&dir);
        sets.push((aeron.clone(), Set::new(aeron, number as i32, &destination(&ports))));
        if number % 10 == 0 {
            sets.iter().for_each(|(aeron, _)| drop(aeron.do_work()));
        }
    }
    driver.kill();
    let mut thirds = orders.chunks(orders.len().div_ceil(3));
    let mut go = |sets: &mut Vec<(Aeron, Set)>| {
        for order in thirds.next().unwrap() {
            let (aeron, set) = sets.pop().unwrap();
            drop(aeron);
            set.go(order, |_| {});
        }
    };
    go(&mut sets);
    until("the clients to notice", || {
        sets.iter().for_each(|(aeron, _)| drop(aeron.do_work()));
        sets.iter().all(|(aeron, _)| aeron.is_closed())
    });
    go(&mut sets);
    driver = start_driver_with(&dir, &[]);
    let (alive, still) = (Set::new(client(&dir), 0, &destination(&ports)), client(&dir));
    let count = || {
        let mut count = 0;
        still.counters().for_each(|counter| count += usize::from(counter.type_id == SUBSCRIPTION_POSITION));
        count
    };
    // Two streams with two subscribers, and what nobody waits for.
    until("all of the living one", || count() == 5);
    go(&mut sets);
    assert!(sets.is_empty());
    assert_eq!(count(), 5, "what the new driver has is untouched");
    drop((alive, still));
    driver.kill();
}

/// It ends in order, at each place among the handles.
#[test]
fn the_driver_goes_among_the_handles_of_its_client() {
    let ports = PortBlock::reserve().unwrap();
    for (number, order) in orders(1).iter().enumerate() {
        let memory = WorkDir::new().unwrap();
        let dir = memory.path().join("aeron");
        let mut driver = Some(MediaDriver::launch(driver_context(&dir)).unwrap());
        let aeron = if number % 2 == 0 { client(&dir) } else { invoker(&dir) };
        let set = Set::new(aeron, number as i32, &destination(&ports));
        let file = driver.as_ref().unwrap().cnc_file().unwrap();
        assert!(file.is_driver_active(PATIENCE));
        set.go(order, |place| {
            if place == number {
                drop(driver.take());
            }
        });
        assert!(driver.is_none() && !file.is_driver_active(PATIENCE));
    }
}
