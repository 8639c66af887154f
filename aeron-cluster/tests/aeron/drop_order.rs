//! Handles go in any order, with a living driver and with a dead one.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};

use aeron_cluster::aeron::{Aeron, ImageHandlers};
use aeron_cluster::driver::MediaDriver;

use crate::rig::{Rig, client, context, driver_context, until};

const STREAM: i32 = 13;
const HANDLES: usize = 6;
const THREADS: usize = 8;
/// How far the streams of adds that nobody asks about are from the others.
const UNANSWERED: i32 = 10_000;
/// Of publications, and of subscribers that are connected to them.
const PUBLISHER_LIMIT: i32 = 1;
const SUBSCRIPTION_POSITION: i32 = 4;

type Order = [usize; HANDLES];
type Handles = [Option<Box<dyn Any + Send>>; HANDLES];

/// All orders, by Heap's way.
fn orders() -> Vec<Order> {
    let mut order: Order = std::array::from_fn(|index| index);
    let (mut all, mut counts, mut at) = (vec![order], [0; HANDLES], 0);
    while at < HANDLES {
        if counts[at] < at {
            order.swap(if at % 2 == 0 { 0 } else { counts[at] }, at);
            all.push(order);
            counts[at] += 1;
            at = 0;
        } else {
            counts[at] = 0;
            at += 1;
        }
    }
    all
}

/// One handle of each kind, of one client, with a message on its way. No other client may use the stream: one that starts
/// meanwhile receives what was left unread on it.
fn handles(aeron: Aeron, stream: i32) -> Handles {
    let image = aeron.async_add_subscription("aeron:ipc", stream).unwrap();
    let publication = aeron.async_add_publication("aeron:ipc", stream).unwrap();
    let handlers = ImageHandlers::new().on_available(|_| {}).on_unavailable(|_| {});
    let subscription = aeron.async_add_subscription_with("aeron:ipc", stream, handlers).unwrap();
    let unanswered = aeron.async_add_publication("aeron:ipc", stream + UNANSWERED).unwrap();
    let exclusive = aeron.async_add_exclusive_publication("aeron:ipc", stream).unwrap();
    let aside = aeron.clone();
    // Nothing for a client with a conductor thread.
    let work = || drop(aside.do_work());
    let (mut image, mut publication) = (image, publication);
    let (mut subscription, mut exclusive) = (subscription, exclusive);
    let counter = aeron.add_counter(1001, &[], "own").unwrap();
    let readable = aeron.counters().readable_counter(counter.id()).unwrap();
    let mut added = (None, None, None, None);
    until("all to be added", || {
        work();
        added.0 = added.0.take().or_else(|| image.poll().unwrap());
        added.1 = added.1.take().or_else(|| publication.poll().unwrap());
        added.2 = added.2.take().or_else(|| subscription.poll().unwrap());
        added.3 = added.3.take().or_else(|| exclusive.poll().unwrap());
        added.0.is_some() && added.1.is_some() && added.2.is_some() && added.3.is_some()
    });
    let (Some(image), Some(publication), Some(subscription), Some(exclusive)) = added else { unreachable!() };
    until("the images", || {
        work();
        image.image_count() == 2 && subscription.image_count() == 2
    });
    drop(aside);
    until("room to send", || publication.offer(b"on its way").is_ok());
    let image = image.into_image(publication.session_id()).unwrap();
    [
        Some(Box::new(aeron)),
        Some(Box::new(publication)),
        Some(Box::new(exclusive)),
        Some(Box::new(subscription)),
        Some(Box::new(image)),
        Some(Box::new((counter, readable, unanswered))),
    ]
}

#[test]
fn handles_go_in_every_order_with_a_living_driver() {
    let rig = Rig::new();
    let orders = orders();
    assert_eq!(orders.iter().collect::<std::collections::HashSet<_>>().len(), 720);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(order) = orders.get(index) else { return };
                    let mut handles = handles(client(&rig.dir), STREAM + index as i32);
                    for index in order {
                        handles[*index] = None;
                    }
                }
            });
        }
    });
    until("the driver to have removed all", || {
        rig.count(PUBLISHER_LIMIT) == 0 && rig.count(SUBSCRIPTION_POSITION) == 0
    });
    assert!(!rig.aeron.is_closed());
}

#[test]
fn handles_go_in_many_orders_with_a_dead_driver() {
    let mut rig = Rig::new();
    // Each kind is the first to go, and the last, several times.
    let orders: Vec<Order> = orders().into_iter().step_by(31).collect();
    let mut sets: Vec<_> = (0i32..)
        .zip(&orders)
        .map(|(index, _)| {
            let aeron = client(&rig.dir);
            (aeron.clone(), handles(aeron, STREAM + index))
        })
        .collect();
    rig.kill_driver();
    // Half of them go before their client has noticed.
    let noticed = sets.split_off(sets.len() / 2);
    let (early, late) = orders.split_at(sets.len());
    drop_all(sets, early);
    until("the clients to notice", || noticed.iter().all(|(aeron, _)| aeron.is_closed()));
    drop_all(noticed, late);
}

/// Clients whose conductors have no threads, so that there can be one for each order: a third of them goes before anybody has noticed that
/// the driver is dead, a third after that, and a third when another driver is there.
#[test]
fn handles_go_in_every_order_with_a_dead_driver_and_with_another() {
    let mut rig = Rig::new();
    let orders = orders();
    let mut sets: Vec<(Aeron, Handles)> = Vec::new();
    for (index, _) in (0i32..).zip(&orders) {
        let aeron = Aeron::connect(context(&rig.dir).use_conductor_agent_invoker(true)).unwrap();
        sets.push((aeron.clone(), handles(aeron, STREAM + index)));
        if index % 50 == 0 {
            work(&sets);
        }
    }
    rig.kill_driver();
    let mut parts = orders.chunks(orders.len() / 3);
    let mut part = || parts.next().unwrap();
    let order = part();
    drop_all(sets.drain(..order.len()).collect(), order);
    until("the clients to notice", || {
        work(&sets);
        sets.iter().all(|(aeron, _)| aeron.is_closed())
    });
    let order = part();
    drop_all(sets.drain(..order.len()).collect(), order);

    rig.driver = Some(MediaDriver::launch(driver_context(&rig.dir)).unwrap());
    rig.aeron = client(&rig.dir);
    let _alive = handles(client(&rig.dir), STREAM);
    let count = || (rig.count(PUBLISHER_LIMIT), rig.count(SUBSCRIPTION_POSITION));
    until("all of the living one", || count() == (3, 4));
    drop_all(sets, part());
    assert_eq!(count(), (3, 4));
}

/// Works all clients; those that have ended stay so.
fn work(sets: &[(Aeron, Handles)]) {
    for (aeron, _) in sets {
        let _ = aeron.do_work();
    }
}

fn drop_all(sets: Vec<(Aeron, Handles)>, orders: &[Order]) {
    for ((aeron, mut handles), order) in sets.into_iter().zip(orders) {
        drop(aeron);
        for index in order {
            handles[*index] = None;
        }
    }
}
