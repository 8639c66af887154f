//! What the conductor tells a program, on its thread or on that of whoever works it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{
    Aeron, AsyncAdd, Context, ImageHandlers, PublicationError, Registered, RegisteredKind, Subscription,
};

use crate::rig::{Rig, awaited, client, context, image_of, until};

const STREAM: i32 = 17;
const TYPE: i32 = 1017;

/// What handlers said, in its order.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn say(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn wait_for(&self, what: &str) {
        until(what, || self.0.lock().unwrap().iter().any(|said| said == what));
    }
}

/// Says when it is dropped.
struct Guard(Said, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

fn image_handlers(said: &Said) -> ImageHandlers {
    let (available, unavailable) = (said.clone(), said.clone());
    let guard = Guard(said.clone(), "dropped");
    ImageHandlers::new()
        .on_available(move |image| {
            assert!(!image.is_closed() && image.position() == image.join_position());
            available.say(format!("available {} {}", image.session_id(), image.correlation_id()));
        })
        .on_unavailable(move |image| {
            let _ = &guard;
            assert!(image.is_closed());
            unavailable.say(format!("unavailable {} {}", image.session_id(), image.correlation_id()));
        })
}

#[test]
fn images_are_told_of_as_they_come_and_go() {
    let rig = Rig::new();
    let said = Said::default();
    let mut subscription = rig.aeron.add_subscription_with("aeron:ipc", STREAM, image_handlers(&said)).unwrap();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    until("the image", || subscription.is_connected());
    let image = subscription.image_at_index(0).unwrap();
    let id = format!("{} {}", image.session_id(), image.correlation_id());
    drop(image);
    assert_eq!(said.all(), [format!("available {id}")]);
    drop(publication);
    said.wait_for(&format!("unavailable {id}"));
    drop(subscription);
    said.wait_for("dropped");
    assert_eq!(said.all(), [format!("available {id}"), format!("unavailable {id}"), "dropped".to_owned()]);
}

#[test]
fn a_subscription_that_goes_takes_its_images_with_it() {
    let rig = Rig::new();
    let said = Said::default();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let subscription = rig.aeron.add_subscription_with("aeron:ipc", STREAM, image_handlers(&said)).unwrap();
    until("the image", || subscription.is_connected());
    drop(subscription);
    said.wait_for("dropped");
    let [available, unavailable, _] = &said.all()[..] else { panic!("{:?}", said.all()) };
    assert_eq!(available.strip_prefix("available"), unavailable.strip_prefix("unavailable"));
    assert!(available.contains(&publication.session_id().to_string()));
}

#[test]
fn handlers_go_with_their_subscription_whatever_becomes_of_it() {
    let mut rig = Rig::new();
    let said = Said::default();
    let add = |channel: &str| rig.aeron.async_add_subscription_with(channel, STREAM, image_handlers(&said));
    let count = || said.all().iter().filter(|said| *said == "dropped").count();
    // Refused by the driver.
    let error = awaited("the refusal", || add("aeron:udp?endpoint=nowhere.invalid:1").unwrap().wait_for_error());
    assert_eq!(error, ErrorKind::Registration);
    until("its handlers to go", || count() == 1);
    // Given up before the answer, and before anybody asked for it.
    drop(add("aeron:ipc").unwrap());
    until("its handlers to go", || count() == 2);
    let mut added = add("aeron:ipc").unwrap();
    drop(awaited("the subscription", || added.poll().unwrap()));
    drop(added);
    until("its handlers to go", || count() == 3);
    // No channel.
    assert!(add("aeron:ipc\0").is_err());
    until("its handlers to go", || count() == 4);
    // Of an owned image.
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let subscription = rig.aeron.add_subscription_with("aeron:ipc", STREAM, image_handlers(&said)).unwrap();
    drop(image_of(subscription, publication.session_id()));
    until("its handlers to go", || count() == 5);
    // The driver dies: C forgets them, the client does not.
    let subscription = add("aeron:ipc").unwrap();
    drop(publication);
    rig.kill_driver();
    until("the client to notice", || rig.aeron.is_closed());
    assert!(rig.aeron.async_add_subscription_with("aeron:ipc", STREAM, image_handlers(&said)).is_err());
    until("its handlers to go", || count() == 6);
    drop(subscription);
    let Rig { aeron, .. } = rig;
    drop(aeron);
    until("its handlers to go", || count() == 7);
}

trait WaitForError {
    fn wait_for_error(self) -> Option<ErrorKind>;
}

impl WaitForError for AsyncAdd<Subscription> {
    fn wait_for_error(mut self) -> Option<ErrorKind> {
        awaited("an answer", || self.poll().map_or_else(|error| Some(Some(error.kind())), |_| None))
    }
}

#[test]
fn a_handler_may_not_wait_and_may_let_the_last_handle_go() {
    let rig = Rig::new();
    let aeron = client(&rig.dir);
    let said = Said::default();
    let (held, says) = (Arc::new(Mutex::new(None)), said.clone());
    let mine = Arc::clone(&held);
    let handlers = ImageHandlers::new().on_available(move |_| {
        let Some((client, subscription)): Option<(Aeron, Subscription)> = mine.lock().unwrap().take() else { return };
        says.say(format!("{:?}", client.add_publication("aeron:ipc", STREAM).map(drop).unwrap_err().kind()));
        says.say(format!("{:?}", client.async_add_publication("aeron:ipc", STREAM).map(drop)));
        drop((client, subscription));
        panic!("a handler that panics");
    });
    let guard = Guard(said.clone(), "closed");
    aeron.add_close_handler(move || {
        let _ = &guard;
    });
    let subscription = aeron.add_subscription_with("aeron:ipc", STREAM, handlers).unwrap();
    *held.lock().unwrap() = Some((aeron, subscription));
    let _publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    said.wait_for("closed");
    assert_eq!(said.all()[..2], ["State", "Ok(())"]);
}

#[test]
fn a_handler_that_removes_itself_may_hold_the_last_handle() {
    let rig = Rig::new();
    let aeron = client(&rig.dir);
    let said = Said::default();
    let guard = Guard(said.clone(), "closed");
    aeron.add_close_handler(move || {
        let _ = &guard;
    });
    let own = Arc::new(Mutex::new(None));
    let (mine, held) = (Arc::clone(&own), aeron.clone());
    let id = aeron.add_available_counter_handler(move |_| {
        if let Some(id) = mine.lock().unwrap().take() {
            assert!(held.remove_handler(id));
        }
    });
    *own.lock().unwrap() = Some(id);
    drop(aeron);
    let _counter = rig.aeron.add_counter(TYPE, &[], "any").unwrap();
    said.wait_for("closed");
}

#[test]
fn counters_are_told_of_as_they_come_and_go() {
    let rig = Rig::new();
    let said = Said::default();
    let (came, went, once) = (said.clone(), said.clone(), said.clone());
    let aeron = rig.aeron.clone();
    let first = rig.aeron.add_available_counter_handler(move |event| {
        let label = event.counters.label(event.counter_id).unwrap();
        assert_eq!(event.counters.registration_id(event.counter_id), Some(event.registration_id));
        came.say(format!("came {label}"));
    });
    rig.aeron.add_unavailable_counter_handler(move |event| went.say(format!("went {}", event.counter_id)));
    // One that removes itself, and adds another.
    let own = Arc::new(Mutex::new(None));
    let mine = Arc::clone(&own);
    let weak = Arc::new(Mutex::new(Some(aeron)));
    *own.lock().unwrap() = Some(rig.aeron.add_available_counter_handler(move |_| {
        let Some(aeron) = weak.lock().unwrap().take() else { return };
        once.say(format!("removed {}", aeron.remove_handler(mine.lock().unwrap().take().unwrap())));
        let added = once.clone();
        aeron.add_available_counter_handler(move |_| added.say("added later"));
    }));
    let one = rig.aeron.add_counter(TYPE, &[], "one").unwrap();
    let id = one.id();
    said.wait_for("came one");
    said.wait_for("removed true");
    drop(one);
    said.wait_for(&format!("went {id}"));
    assert!(rig.aeron.remove_handler(first) && !rig.aeron.remove_handler(first));
    drop(rig.aeron.add_counter(TYPE, &[], "two").unwrap());
    said.wait_for("added later");
    assert!(!said.all().contains(&"came two".to_owned()));
}

#[test]
fn registrations_are_told_of() {
    let rig = Rig::new();
    let said = Said::default();
    let says = said.clone();
    let context = context(&rig.dir).on_registered(move |what| {
        let Registered { kind, channel, stream_id, session_id, registration_id } = *what;
        says.say(format!("{kind:?} {channel} {stream_id} {session_id:?} {registration_id}"));
    });
    let aeron = Aeron::connect(context).unwrap();
    let publication = aeron.add_publication("aeron:ipc?alias=p", STREAM).unwrap();
    let exclusive = aeron.add_exclusive_publication("aeron:ipc?alias=e", STREAM).unwrap();
    let subscription = aeron.add_subscription("aeron:ipc?alias=s", STREAM).unwrap();
    let line = |kind: RegisteredKind, alias: &str, session_id: Option<i32>, id: i64| {
        format!("{kind:?} aeron:ipc?alias={alias} {STREAM} {session_id:?} {id}")
    };
    let expected = [
        line(RegisteredKind::Publication, "p", Some(publication.session_id()), publication.registration_id()),
        line(RegisteredKind::ExclusivePublication, "e", Some(exclusive.session_id()), exclusive.registration_id()),
        line(RegisteredKind::Subscription, "s", None, subscription.registration_id()),
    ];
    said.wait_for(&expected[2]);
    assert_eq!(said.all(), expected);
}

#[test]
fn a_publication_hears_why_it_was_rejected() {
    let rig = Rig::new();
    let errors = Arc::new(Mutex::new(Vec::<PublicationError>::new()));
    let heard = Arc::clone(&errors);
    let context = context(&rig.dir).on_publication_error(move |error| heard.lock().unwrap().push(error.clone()));
    let aeron = Aeron::connect(context).unwrap();
    let subscription = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    let publication = aeron.add_publication(&channel, STREAM).unwrap();
    let mut image = image_of(subscription, publication.session_id());
    image.reject("not wanted").unwrap();
    until("the error", || !errors.lock().unwrap().is_empty());
    let error = errors.lock().unwrap()[0].clone();
    assert_eq!((error.registration_id, error.stream_id), (publication.original_registration_id(), STREAM));
    assert_eq!((error.session_id, error.message.as_str()), (publication.session_id(), "not wanted"));
    let source = error.source.unwrap();
    assert!(source.ip().is_loopback() && source.port() != 0, "{source}");
}

#[test]
fn nobody_else_hears_that_a_publication_was_rejected() {
    let rig = Rig::new();
    let listening = || {
        let errors = Arc::new(Mutex::new(Vec::<PublicationError>::new()));
        let heard = Arc::clone(&errors);
        let context = context(&rig.dir).on_publication_error(move |error| heard.lock().unwrap().push(error.clone()));
        (Aeron::connect(context).unwrap(), errors)
    };
    let (clients, errors): (Vec<_>, Vec<_>) = (0..3).map(|_| listening()).unzip();
    let subscription = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", STREAM).unwrap();
    let channel = awaited("the port", || subscription.try_resolve_channel_endpoint_port().unwrap());
    // The first two share a publication, which is rejected; the third has one of its own on the same stream.
    let shared = [&clients[0], &clients[1]].map(|client| client.add_publication(&channel, STREAM).unwrap());
    let other = clients[2].add_exclusive_publication(&channel, STREAM).unwrap();
    assert_eq!(shared[0].session_id(), shared[1].session_id());
    until("both images", || subscription.image_count() == 2);
    let mut image = image_of(subscription, shared[0].session_id());
    image.reject("not wanted").unwrap();
    for (errors, publication) in errors.iter().zip(&shared) {
        until("who shares the publication", || !errors.lock().unwrap().is_empty());
        assert_eq!(errors.lock().unwrap()[0].registration_id, publication.original_registration_id());
    }
    // The driver answers it after all that it had to say to others.
    drop(clients[2].add_counter(TYPE, &[], "heard later").unwrap());
    assert!(errors[2].lock().unwrap().is_empty() && other.is_connected());
}

#[test]
fn a_client_tells_when_it_closes() {
    let rig = Rig::new();
    let closed = Arc::new(AtomicUsize::new(0));
    for invoker in [false, true] {
        let context = Context::new().dir(&rig.dir).use_conductor_agent_invoker(invoker);
        let aeron = Aeron::connect(context).unwrap();
        let counted = Arc::clone(&closed);
        aeron.add_close_handler(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("a handler that panics");
        });
        let removed = aeron.add_close_handler(|| unreachable!("it was removed"));
        assert!(aeron.remove_handler(removed));
        drop(aeron);
    }
    assert_eq!(closed.load(Ordering::Relaxed), 2);
}
