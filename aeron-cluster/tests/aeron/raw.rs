//! Clients and handles that C code and Rust share, with the C code played by the test.

use std::ptr::{NonNull, null_mut};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context, Counter, ExclusivePublication, Publication, Subscription};
use aeron_sys as sys;

use crate::rig::{Rig, awaited, receive, until};

const STREAM: i32 = 22;
const TYPE: i32 = 1022;

/// What C gives out for an add, by its functions.
macro_rules! added {
    ($poll:ident, $start:expr) => {{
        let mut adding = null_mut();
        // SAFETY: the client is live, and the strings are constants.
        assert_eq!(unsafe { $start(&mut adding) }, 0);
        awaited("the driver", || {
            let mut raw = null_mut();
            // SAFETY: the add is live, and is not polled after it was answered.
            let result = unsafe { sys::$poll(&mut raw, adding) };
            assert!(result >= 0);
            NonNull::new(raw)
        })
    }};
}

#[test]
fn what_c_has_added_is_taken_over() {
    let rig = Rig::new();
    let (client, channel) = (rig.aeron.as_ptr(), c"aeron:ipc".as_ptr());
    let publication =
        added!(aeron_async_add_publication_poll, |out| sys::aeron_async_add_publication(out, client, channel, STREAM));
    let exclusive = added!(aeron_async_add_exclusive_publication_poll, |out| {
        sys::aeron_async_add_exclusive_publication(out, client, channel, STREAM)
    });
    let subscription = added!(aeron_async_add_subscription_poll, |out| sys::aeron_async_add_subscription(
        out,
        client,
        channel,
        STREAM,
        None,
        null_mut(),
        None,
        null_mut()
    ));
    let counter = added!(aeron_async_add_counter_poll, |out| sys::aeron_async_add_counter(
        out,
        client,
        TYPE,
        null_mut(),
        0,
        c"of C".as_ptr(),
        4
    ));
    // SAFETY: each was just added through this client, and nothing else has it.
    let (publication, mut exclusive, mut subscription, counter) = unsafe {
        (
            Publication::from_raw(&rig.aeron, publication).unwrap(),
            ExclusivePublication::from_raw(&rig.aeron, exclusive).unwrap(),
            Subscription::from_raw(&rig.aeron, subscription).unwrap(),
            Counter::from_raw(&rig.aeron, counter).unwrap(),
        )
    };
    until("the images", || subscription.image_count() == 2);
    until("room", || publication.offer(b"shared").is_ok());
    assert_eq!(receive(&mut subscription), b"shared");
    until("room", || exclusive.offer(b"exclusive").is_ok());
    assert_eq!(receive(&mut subscription), b"exclusive");
    // SAFETY: the counter is live.
    unsafe { *sys::aeron_counter_addr(counter.as_ptr()) = 5 };
    assert_eq!((counter.get(), rig.aeron.counters().label(counter.id()).as_deref()), (5, Some("of C")));
    drop((publication, exclusive, subscription, counter));
    until("the driver to have removed all", || rig.count(TYPE) == 0);
}

#[test]
fn a_client_of_c_is_added_to_and_not_closed() {
    let rig = Rig::new();
    // SAFETY: the rig closes it after this.
    let borrowed = unsafe { Aeron::from_raw(NonNull::new(rig.aeron.as_ptr()).unwrap()) }.unwrap();
    assert_eq!((borrowed.dir(), borrowed.client_id()), (&*rig.dir, rig.aeron.client_id()));
    let mut subscription = borrowed.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = borrowed.add_publication("aeron:ipc", STREAM).unwrap();
    until("room", || publication.offer(b"through it").is_ok());
    assert_eq!(receive(&mut subscription), b"through it");
    assert!(!borrowed.is_invoker() && borrowed.do_work().is_err());
    drop((borrowed, subscription, publication));
    assert!(!rig.aeron.is_closed());
    rig.aeron.add_counter(TYPE, &[], "still there").unwrap();

    let invoker = Aeron::connect(Context::new().dir(&rig.dir).use_conductor_agent_invoker(true)).unwrap();
    // SAFETY: it is closed after this.
    let refused = unsafe { Aeron::from_raw(NonNull::new(invoker.as_ptr()).unwrap()) };
    assert_eq!(refused.expect_err("it has no conductor thread").kind(), ErrorKind::InvalidArgument);
}
