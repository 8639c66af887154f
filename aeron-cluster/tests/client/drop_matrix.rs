//! Everything that there is of cluster clients goes in many orders: beside a living driver, when it was killed, and when another is there.

use std::path::Path;
use std::time::Duration;

use aeron_cluster::aeron::{self, Aeron, Subscription};
use aeron_cluster::client::{
    AeronCluster, AsyncConnect, Context, EgressAdapter, EgressPoller, IngressPublication, Reconnect, State,
};
use aeron_cluster::driver::MediaDriver;
use aeron_cluster::testing::{PATIENCE, WorkDir};

use crate::abandoned::{STEPS, reach};
use crate::killable::{DRIVER_TIMEOUT, start_driver};
use crate::orders::{Handle, boxed, let_go, with_each_order};
use crate::rig::*;

const KINDS: usize = 10;
/// Which of them is the connected client that has an Aeron client of its own.
const CONNECTED_ALONE: usize = 5;
/// Streams of one set, of which each client has its own.
const STREAMS: i32 = 10;

/// One of each, and the members that they talk to.
struct Set {
    aeron: Aeron,
    handles: Vec<Handle>,
    members: Vec<Member>,
}

/// A set, and the order in which it goes.
type Ordered = (Set, Vec<usize>);

/// What sets are made with: an Aeron client of the members, and where their driver is.
struct Far<'a> {
    aeron: &'a Aeron,
    dir: &'a Path,
    driver_timeout: Duration,
}

impl Far<'_> {
    fn context(&self, stream: i32) -> Context {
        Context::new()
            .aeron_dir(self.dir)
            .driver_timeout(self.driver_timeout)
            .ingress_channel(IPC)
            .ingress_stream_id(stream)
            .egress_channel(IPC)
            .egress_stream_id(stream + 1)
            .reconnect(Reconnect::new().first_delay(Duration::from_millis(1)).max_delay(Duration::from_millis(20)))
    }

    fn member(&self, stream: i32) -> Member {
        Member::new(self.aeron, IPC, stream)
    }

    /// A subscription from which half a message was taken, and an event.
    fn polled(&self, aeron: &Aeron, stream: i32) -> (Subscription, EgressAdapter, EgressPoller) {
        let mut egress = aeron.add_subscription(IPC, stream + 1).unwrap();
        let mut member = self.member(stream);
        member.open_egress(IPC, stream + 1);
        member.name_leader(TERM + 1, 2, "2=localhost:2");
        member.send_message(SESSION, &[7; 5_000]);
        let (mut adapter, mut poller) = (EgressAdapter::new(SESSION, 1), EgressPoller::new(1));
        until("an event", || {
            // Nothing for a client with a conductor thread.
            let _ = aeron.do_work();
            poller.poll(&mut egress).unwrap();
            poller.is_poll_complete().then_some(())
        });
        let mut journal = Journal::default();
        until("half a message", || (adapter.poll(&mut egress, &mut journal).unwrap() > 0).then_some(()));
        assert!(journal.0.is_empty());
        (egress, adapter, poller)
    }

    /// `number` and `third` tell sets of one driver apart.
    fn set(&self, number: usize, third: usize) -> Set {
        let stream = 1_000 + (number + third * 100) as i32 * STREAMS;
        let context = aeron::Context::new().dir(self.dir).driver_timeout(self.driver_timeout);
        let aeron = Aeron::connect(context.use_conductor_agent_invoker(number % 2 == 1)).unwrap();
        let members: Vec<_> = (0..4).map(|index| self.member(stream + index * 2)).collect();
        let [mut of_first, mut of_second, mut of_third, mut of_fourth] = members.try_into().ok().unwrap();
        let supplied = self.context(stream).aeron(aeron.clone());
        let connected = of_first.connected(supplied.clone());
        let connected_alone = of_second.connected(self.context(stream + 2));
        let connecting = self.connecting(number, self.context(stream + 4).aeron(aeron.clone()), &mut of_third);
        let connecting_alone = self.connecting(number / 2, self.context(stream + 6), &mut of_fourth);
        let (egress, adapter, poller) = self.polled(&aeron, stream + 8);
        let ingress = match number % 4 < 2 {
            true => IngressPublication::Shared(aeron.add_publication(IPC, stream).unwrap()),
            false => IngressPublication::Exclusive(aeron.add_exclusive_publication(IPC, stream).unwrap()),
        };
        let handles = vec![
            boxed(aeron.clone()),
            boxed(supplied),
            boxed(connecting),
            boxed(connecting_alone),
            boxed(connected),
            boxed(connected_alone),
            boxed(ingress),
            boxed(egress),
            boxed(adapter),
            boxed(poller),
        ];
        assert_eq!(handles.len(), KINDS);
        Set { aeron, handles, members: vec![of_first, of_second, of_third, of_fourth] }
    }

    fn connecting(&self, number: usize, context: Context, member: &mut Member) -> AsyncConnect {
        let mut connect = AeronCluster::async_connect(context).unwrap();
        reach(STEPS[number % STEPS.len()], &mut connect, member);
        connect
    }
}

impl Set {
    fn has_noticed(&mut self) -> bool {
        // Nothing for a client with a conductor thread.
        let _ = self.aeron.do_work();
        self.aeron.is_closed() && self.alone().aeron().is_closed()
    }

    fn alone(&mut self) -> &mut AeronCluster {
        self.handles[CONNECTED_ALONE].as_mut().and_then(|handle| handle.downcast_mut()).expect("a client")
    }

    /// Lets the handles go in an order. What was not taken of their messages is the members'.
    fn go(self, order: &[usize]) {
        let Set { aeron, handles, members } = self;
        drop(aeron);
        let_go(handles, order);
        drop(members);
    }
}

#[test]
fn every_kind_with_a_living_driver() {
    let host = Host::start();
    let before = host.census();
    let far = Far { aeron: &host.aeron, dir: host.driver.dir(), driver_timeout: PATIENCE };
    with_each_order(KINDS, |number, order| far.set(number, 0).go(order));
    host.until_back_at(&before, "some order", &mut None);
}

fn notice(sets: &mut [Ordered]) {
    until("the clients to notice", || sets.iter_mut().all(|(set, _)| set.has_noticed()).then_some(()));
}

fn go(sets: Vec<Ordered>) {
    sets.into_iter().for_each(|(set, order)| set.go(&order));
}

/// A third of them before anybody noticed, a third after that, and a third when another driver is there: clients that have an Aeron client of
/// their own have a new one by then, and are opening new sessions.
#[test]
fn every_kind_with_a_killed_driver_and_beside_another() {
    let memory = WorkDir::new().unwrap();
    let dir = memory.path().join("driver");
    let mut killed = start_driver(&dir, &[]);
    let aeron = Aeron::connect(aeron::Context::new().dir(&dir)).unwrap();
    let far = Far { aeron: &aeron, dir: &dir, driver_timeout: DRIVER_TIMEOUT };
    let sets = |third: usize| with_each_order(KINDS, |number, order| (far.set(number, third), order.to_vec()));
    let [unaware, mut aware, mut late] = [sets(0), sets(1), sets(2)];
    killed.kill();
    go(unaware);
    notice(&mut aware);
    notice(&mut late);
    go(aware);

    let driver = MediaDriver::launch(driver_context(&dir)).unwrap();
    let host = Host { aeron: Aeron::connect(aeron::Context::new().dir(&dir)).unwrap(), driver, _dir: memory };
    let (mut client, mut member) = host.connected(host.shared_context(IPC, IPC));
    let before = host.census();
    let mut journal = Journal::default();
    until("new Aeron clients", || {
        let mut have = 0;
        for alone in late.iter_mut().map(|(set, _)| set.alone()) {
            let _ = alone.poll_egress(&mut journal);
            have += usize::from(!alone.aeron().is_closed() && alone.state() == State::Reconnecting);
        }
        (have == late.len()).then_some(())
    });
    go(late);
    host.until_back_at(&before, "what was of another driver", &mut None);
    client.offer(b"untouched").unwrap();
    until("the message", || member.poll(|_| Some(())));
}
