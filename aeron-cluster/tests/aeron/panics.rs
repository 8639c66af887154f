//! Panics in what a user gives to be called: none crosses C, and what C was doing is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::{Action, Aeron, FragmentAssembler, ImageHandlers, Subscription};

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
        panicking.wait_for("registered", work);
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
