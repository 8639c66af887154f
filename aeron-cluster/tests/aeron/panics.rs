//! Panics in what a user gives to be called: none crosses C, and what C was doing is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::{
    Action, Aeron, Context, ExclusivePublication, FragmentAssembler, ImageHandlers, Subscription,
};

use crate::rig::{Rig, awaited, context, image_of, until};

const STREAM: i32 = 27;
const TYPE: i32 = 1027;

/// Takes messages of one byte.
type Take<'t> = &'t mut dyn FnMut(u8) -> Action;
/// One poll that gives what there is.
type Poll = Box<dyn FnMut(Take<'_>)>;

/// Makes one of a subscription that has one image, of the session given.
type Make = fn(Subscription, i32) -> Poll;

/// Every way to poll.
const POLLS: [(&str, Make); 7] = [
    ("Subscription::poll", |mut from, _| Box::new(move |take| _ = from.poll(9, |m, _| _ = take(m[0])).unwrap())),
    ("Subscription::controlled_poll", |mut from, _| {
        Box::new(move |take| _ = from.controlled_poll(9, |m, _| take(m[0])).unwrap())
    }),
    ("FragmentAssembler", |mut from, _| {
        let mut assembler = FragmentAssembler::new();
        Box::new(move |take| {
            let taken =
                from.controlled_poll(9, |fragment, header| assembler.on_fragment(fragment, header, |m, _| take(m[0])));
            taken.unwrap();
        })
    }),
    ("Image::poll", |from, session| {
        let mut image = image_of(from, session);
        Box::new(move |take| _ = image.poll(9, |m, _| _ = take(m[0])).unwrap())
    }),
    ("Image::bounded_poll", |from, session| {
        let mut image = image_of(from, session);
        Box::new(move |take| _ = image.bounded_poll(i64::MAX, 9, |m, _| _ = take(m[0])).unwrap())
    }),
    ("Image::controlled_poll", |from, session| {
        let mut image = image_of(from, session);
        Box::new(move |take| _ = image.controlled_poll(9, |m, _| take(m[0])).unwrap())
    }),
    ("Image::bounded_controlled_poll", |from, session| {
        let mut image = image_of(from, session);
        Box::new(move |take| _ = image.bounded_controlled_poll(i64::MAX, 9, |m, _| take(m[0])).unwrap())
    }),
];

#[test]
fn every_poll_resumes_a_panic_at_every_message_and_loses_none() {
    let rig = Rig::new();
    for (name, make) in POLLS {
        let subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
        let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
        until("the connection", || publication.is_connected() && subscription.is_connected());
        let mut poll = make(subscription, publication.session_id());
        for panics_at in 0..3 {
            (0..3).for_each(|message| until("room to send", || publication.offer(&[message]).is_ok()));
            let mut taken = Vec::new();
            let payload = catch_unwind(AssertUnwindSafe(|| {
                poll(&mut |message| {
                    assert!(message <= panics_at, "{name} calls again after a panic");
                    if message == panics_at {
                        std::panic::panic_any(message);
                    }
                    taken.push(message);
                    Action::Commit
                });
            }))
            .expect_err(name);
            assert_eq!(payload.downcast_ref(), Some(&panics_at), "{name}");
            poll(&mut |message| {
                taken.push(message);
                Action::Commit
            });
            assert_eq!(taken, [0, 1, 2], "{name}, panic at {panics_at}");
        }
    }
}

#[test]
fn a_handler_of_blocks_may_panic_at_every_image_and_the_others_keep_theirs() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut publications: Vec<_> =
        (0..3).map(|_| rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap()).collect();
    until("the images", || subscription.image_count() == 3);
    for panics_at in 0..3 {
        for publication in &mut publications {
            until("room to send", || publication.offer(b"block").is_ok());
        }
        let mut taken = Vec::new();
        let payload = catch_unwind(AssertUnwindSafe(|| {
            subscription.block_poll(4096, |block| {
                taken.push(block.session_id);
                if taken.len() == panics_at + 1 {
                    std::panic::panic_any(panics_at);
                }
            })
        }))
        .expect_err("the panic comes back");
        assert_eq!((payload.downcast_ref(), taken.len()), (Some(&panics_at), panics_at + 1));
        let rest = subscription.block_poll(4096, |block| taken.push(block.session_id)).unwrap();
        assert_eq!(rest, 64 * (2 - panics_at));
        taken.sort_unstable();
        let mut sessions: Vec<_> = publications.iter().map(ExclusivePublication::session_id).collect();
        sessions.sort_unstable();
        assert_eq!(taken, sessions, "a block of each, once; the panic was at {panics_at}");
    }
}

#[test]
fn a_visitor_of_images_may_panic_at_every_image_and_holds_none() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut publications: Vec<_> =
        (0..3).map(|_| rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap()).collect();
    until("the images", || subscription.image_count() == 3);
    let mut all = Vec::new();
    subscription.for_each_image(|image| all.push(image.session_id()));
    assert_eq!(all.len(), 3);
    for panics_at in 0..3 {
        let mut seen = Vec::new();
        let payload = catch_unwind(AssertUnwindSafe(|| {
            subscription.for_each_image(|image| {
                if seen.len() == panics_at {
                    std::panic::panic_any(panics_at);
                }
                seen.push(image.session_id());
            });
        }))
        .expect_err("the panic comes back");
        assert_eq!((payload.downcast_ref(), &seen[..]), (Some(&panics_at), &all[..panics_at]));
        publications.iter_mut().for_each(|publication| until("room to send", || publication.offer(&[7]).is_ok()));
        let mut taken = 0;
        until("what was sent", || {
            taken += subscription.poll(9, |_, _| {}).unwrap();
            taken == 3
        });
    }
    drop(publications);
    until("the images to go", || subscription.image_count() == 0);
}

/// Counts calls of handlers by their names, each of which panics.
#[derive(Clone, Default)]
struct Panicking(Arc<Mutex<Vec<&'static str>>>);

impl Panicking {
    fn handler(&self, name: &'static str) -> impl Fn() + Send + use<> {
        let called = Arc::clone(&self.0);
        move || {
            called.lock().unwrap().push(name);
            panic!("{name}, as told");
        }
    }

    fn wait_for(&self, name: &str, mut work: impl FnMut()) {
        until(name, || {
            work();
            self.0.lock().unwrap().contains(&name)
        });
    }
}

/// Panics when it goes.
struct Clinging(Panicking);

impl Drop for Clinging {
    fn drop(&mut self) {
        self.0.handler("dropped")();
    }
}

#[test]
fn every_handler_of_the_conductor_may_panic_and_the_client_goes_on() {
    for invoker in [false, true] {
        let mut rig = Rig::new();
        let panicking = Panicking::default();
        let of = |name| panicking.handler(name);
        let (error, registered, publication_error) = (of("error"), of("registered"), of("publication error"));
        let (came, went, closed) = (of("counter came"), of("counter went"), of("closed"));
        let context = context(&rig.dir)
            .use_conductor_agent_invoker(invoker)
            .on_error(move |_| error())
            .on_registered(move |_| registered())
            .on_publication_error(move |_| publication_error());
        let aeron = Aeron::connect(context).unwrap();
        let work = || {
            // Of a client with a thread this is an error that changes nothing.
            let _ = aeron.do_work();
        };
        aeron.add_available_counter_handler(move |_| came());
        aeron.add_unavailable_counter_handler(move |_| went());
        aeron.add_close_handler(closed);

        let counter = rig.aeron.add_counter(TYPE, &[], "comes and goes").unwrap();
        panicking.wait_for("counter came", work);
        drop(counter);
        panicking.wait_for("counter went", work);

        let (available, unavailable, clinging) = (of("available"), of("unavailable"), Clinging(panicking.clone()));
        let handlers = ImageHandlers::new().on_available(move |_| available()).on_unavailable(move |_| {
            let _ = &clinging;
            unavailable();
        });
        let subscription = aeron.add_subscription_with("aeron:ipc", STREAM, handlers).unwrap();
        let registered = || panicking.0.lock().unwrap().iter().filter(|name| **name == "registered").count();
        until("the registration to be told", || registered() == 1);
        drop(aeron.add_publication("aeron:ipc", STREAM + 1).unwrap());
        until("that of a publication", || registered() == 2);
        drop(aeron.add_exclusive_publication("aeron:ipc", STREAM + 1).unwrap());
        until("that of an exclusive one", || registered() == 3);
        let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
        panicking.wait_for("available", work);
        drop(publication);
        panicking.wait_for("unavailable", work);
        drop(subscription);
        panicking.wait_for("dropped", work);

        let subscription = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
        let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
        let publication = aeron.add_publication(&channel, STREAM).unwrap();
        image_of(subscription, publication.session_id()).reject("not wanted").unwrap();
        panicking.wait_for("publication error", work);

        assert!(!aeron.is_closed());
        rig.kill_driver();
        panicking.wait_for("error", work);
        until("the client's end", || aeron.is_closed());
        drop(publication);
        drop(aeron);
        panicking.wait_for("closed", || {});
    }
}

/// Gives a client a handler that holds this.
type Hold = fn(&Aeron, Clinging);
/// The same, before it is one.
type HoldBefore = fn(Context, Clinging) -> Context;

#[test]
fn what_handlers_hold_may_panic_when_it_goes_with_the_client() {
    const HEARTBEAT: i32 = 11;
    let before: [HoldBefore; 3] = [
        |context, held| context.on_error(move |_| _ = &held),
        |context, held| context.on_registered(move |_| _ = &held),
        |context, held| context.on_publication_error(move |_| _ = &held),
    ];
    let after: [Hold; 3] = [
        |aeron, held| _ = aeron.add_available_counter_handler(move |_| _ = &held),
        |aeron, held| _ = aeron.add_unavailable_counter_handler(move |_| _ = &held),
        |aeron, held| _ = aeron.add_close_handler(move || _ = &held),
    ];
    let rig = Rig::new();
    // The driver has known a client since it first asked for something.
    let _known = rig.aeron.add_counter(TYPE, &[], "of the rig").unwrap();
    for number in 0..before.len() + after.len() {
        for invoker in [false, true] {
            let panicking = Panicking::default();
            let held = Clinging(panicking.clone());
            let context = context(&rig.dir).use_conductor_agent_invoker(invoker);
            let aeron = match before.get(number) {
                Some(hold) => Aeron::connect(hold(context, held)).unwrap(),
                None => {
                    let aeron = Aeron::connect(context).unwrap();
                    after[number - before.len()](&aeron, held);
                    aeron
                }
            };
            drop(aeron.add_counter(TYPE, &[], "known").unwrap());
            assert_eq!(rig.count(HEARTBEAT), 2);
            let met = catch_unwind(AssertUnwindSafe(|| drop(aeron))).err();
            let met = met.and_then(|payload| payload.downcast::<String>().ok());
            // Handlers of the close go as they are called, where panics are logged. All others come to whoever lets the client go.
            let is_logged = number == before.len() + after.len() - 1;
            assert_eq!(met.is_none(), is_logged, "{number}: {met:?}");
            assert_eq!(*panicking.0.lock().unwrap(), ["dropped"], "{number}");
            until("the driver to have let the client go", || rig.count(HEARTBEAT) == 1);
        }
    }
}

#[test]
fn a_supplier_of_reserved_values_may_panic_at_every_fragment() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
    until("the images", || subscription.image_count() == 2);
    let message = vec![7; publication.max_payload_length() * 2 + 1];
    for panics_at in 0..3 {
        for shared in [true, false] {
            let calls = AtomicUsize::new(0);
            let supplier = |_: &[u8]| {
                assert!(calls.fetch_add(1, Ordering::Relaxed) != panics_at, "as told");
                1
            };
            let offer = || match shared {
                true => publication.offer_with_reserved_value(&message, supplier),
                false => exclusive.offer_with_reserved_value(&message, supplier),
            };
            let payload = catch_unwind(AssertUnwindSafe(offer)).expect_err("the panic comes back");
            assert_eq!(payload.downcast_ref(), Some(&"as told"));
            assert_eq!(calls.into_inner(), panics_at + 1, "called again after a panic");
            // C asks while it writes: what it began it ends, and nothing waits for a fragment that does not come.
            let mut length = 0;
            until("the whole message", || {
                subscription.poll(9, |fragment, _| length += fragment.len()).unwrap();
                length == message.len()
            });
        }
    }
}
