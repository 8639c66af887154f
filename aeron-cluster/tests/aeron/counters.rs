//! Counters: their own, those of others, and those that are gone.

use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aeron_cluster::aeron::{Aeron, CncFile, CounterState};
use aeron_cluster::testing::WorkDir;

use crate::driver_files::{self, VALUES};
use crate::rig::{Rig, awaited, client, until};

const TYPE: i32 = 1001;

#[test]
fn a_counter_is_what_its_owner_made_it() {
    let rig = Rig::new();
    let counter = rig.aeron.add_counter(TYPE, &[1, 2, 3], "größer").unwrap();
    counter.set(41);
    assert_eq!(counter.increment(), 41);
    counter.propose_max(7);
    assert_eq!(counter.get(), 42);
    assert!(!counter.is_closed());

    let other = client(&rig.dir);
    let counters = other.counters();
    assert!(counters.is_allocated(counter.id()));
    assert_eq!(counters.value(counter.id()), Some(42));
    assert_eq!(counters.registration_id(counter.id()), Some(counter.registration_id()));
    assert_eq!(counters.owner_id(counter.id()), Some(rig.aeron.client_id()));
    let mut seen = 0;
    counters.for_each(|view| {
        if view.type_id == TYPE {
            seen += 1;
            assert_eq!((view.id, view.value, view.label), (counter.id(), 42, "größer"));
            assert_eq!((&view.key[..3], view.key.len()), (&[1, 2, 3][..], 112));
            assert!(view.key[3..].iter().all(|byte| *byte == 0));
        }
    });
    assert_eq!(seen, 1);
    assert_eq!(counters.find(|view| view.label == "größer"), Some(counter.id()));
    assert_eq!(counters.find(|view| view.label == "kleiner"), None);
}

#[test]
fn the_longest_key_and_label_are_kept_whole() {
    let rig = Rig::new();
    let (key, label) = ([9; 112], "l".repeat(380));
    let longest = rig.aeron.add_counter(TYPE, &key, &label).unwrap();
    let empty = rig.aeron.add_counter(TYPE, &[], "").unwrap();
    let (mut found_longest, mut found_empty) = (false, false);
    rig.aeron.counters().for_each(|view| {
        found_longest |= view.id == longest.id() && view.key == key && view.label == label;
        found_empty |= view.id == empty.id() && view.key == [0; 112] && view.label.is_empty();
    });
    assert!(found_longest && found_empty);
}

#[test]
fn ids_that_no_counter_has_read_as_not_there() {
    let rig = Rig::new();
    let counters = rig.aeron.counters();
    for id in [-1, i32::MIN, i32::MAX, 8191, 8192, 1_000_000] {
        assert!(!counters.is_allocated(id), "{id}");
        assert_eq!((counters.value(id), counters.registration_id(id), counters.owner_id(id)), (None, None, None));
        assert!(counters.readable_counter(id).is_none());
    }
}

#[test]
fn a_readable_counter_closes_with_its_counter_and_stays_closed() {
    let rig = Rig::new();
    let other = client(&rig.dir);
    let counter = rig.aeron.add_counter(TYPE, &[], "first").unwrap();
    let readable = other.counters().readable_counter(counter.id()).unwrap();
    counter.set(17);
    assert_eq!(
        (readable.get(), readable.id(), readable.registration_id()),
        (17, counter.id(), counter.registration_id())
    );
    assert!(!readable.is_closed());
    assert_eq!(readable.value(), Some(17));
    let id = counter.id();
    drop(counter);
    until("the counter to go", || readable.is_closed());
    assert_eq!(readable.value(), None);
    assert_eq!(other.counters().value(id), None);

    let mut successors = Vec::new();
    until("the id to be used again", || {
        successors.push(rig.aeron.add_counter(TYPE, &[], "successor").unwrap());
        successors.last().is_some_and(|successor| successor.id() == id)
    });
    assert!(readable.is_closed(), "the id is another counter's now");
    successors.last().unwrap().set(1 << 40);
    assert_eq!((readable.get(), readable.value()), (1 << 40, None));
    assert!(!other.counters().readable_counter(id).unwrap().is_closed());
}

/// A driver marks a counter as allocated first, and sets its registration id afterwards.
#[test]
fn a_readable_counter_found_before_its_registration_id_is_set_stays_open() {
    const ID: i32 = 2;
    let dir = WorkDir::new().unwrap();
    let path = dir.path().join("cnc.dat");
    std::fs::write(&path, driver_files::cnc()).unwrap();
    let written = std::fs::File::options().write(true).open(&path).unwrap();
    let register = |id: i64| written.write_all_at(&id.to_le_bytes(), (VALUES + ID as usize * 128 + 8) as u64).unwrap();

    register(0);
    let file = CncFile::open(dir.path(), Duration::ZERO).unwrap();
    let [first, second] = [(); 2].map(|()| file.counters().readable_counter(ID).unwrap());
    assert_eq!((first.is_closed(), first.registration_id(), first.value()), (false, 0, Some(43)));
    register(72);
    assert_eq!((first.is_closed(), first.registration_id(), first.value()), (false, 72, Some(43)));
    assert_eq!(second.registration_id(), 72);
    // From now on another registration is another counter's.
    register(73);
    for readable in [first, second] {
        assert_eq!((readable.is_closed(), readable.registration_id(), readable.value()), (true, 72, None));
    }
}

#[test]
fn a_readable_counter_outlives_its_client_handle_and_its_driver() {
    let mut rig = Rig::new();
    let other = client(&rig.dir);
    let counter = rig.aeron.add_counter(TYPE, &[], "kept").unwrap();
    counter.set(5);
    let readable = other.counters().readable_counter(counter.id()).unwrap();
    drop(other);
    assert_eq!(readable.get(), 5);
    rig.kill_driver();
    assert_eq!(readable.get(), 5);
}

#[test]
fn a_panic_of_a_visitor_is_resumed() {
    let rig = Rig::new();
    let mut visits = 0;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        rig.aeron.counters().for_each(|_| {
            visits += 1;
            panic!("of the visitor");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(visits, 1);
}

#[test]
fn a_counter_is_described_by_its_id() {
    let rig = Rig::new();
    let counter = rig.aeron.add_counter(1001, b"key", "my label").unwrap();
    let (counters, id) = (rig.aeron.counters(), counter.id());
    let key = counters.key(id).unwrap();
    assert_eq!((&key[..3], &key[3..]), (&b"key"[..], &[0; 109][..]));
    assert_eq!((counters.type_id(id), counters.label(id).as_deref()), (Some(1001), Some("my label")));
    assert_eq!(counters.find_by_registration_id(1001, counter.registration_id()), Some(id));
    assert_eq!(counters.find_by_registration_id(1002, counter.registration_id()), None);
    assert_eq!((counters.state(id), counters.reference_id(id)), (Some(CounterState::Allocated), Some(0)));
    assert_eq!(counters.free_for_reuse_deadline_ms(id), Some(i64::MAX));
    assert_eq!((counter.add(5), counter.swap(9), counter.compare_and_set(9, 1), counter.get()), (0, 5, true, 1));
    assert!(!counter.compare_and_set(9, 2));
    drop(counter);
    until("it to go", || counters.state(id) == Some(CounterState::Reclaimed));
    assert_eq!((counters.key(id), counters.label(id), counters.type_id(id)), (None, None, None));
    for nowhere in [-1, counters.max_counter_id() + 1, i32::MAX, i32::MIN] {
        assert_eq!((counters.state(nowhere), counters.label(nowhere)), (None, None));
        assert_eq!(counters.free_for_reuse_deadline_ms(nowhere), None);
    }
    assert_eq!(counters.state(counters.max_counter_id()), Some(CounterState::Unused));
}

#[test]
fn a_static_counter_belongs_to_nobody_and_stays() {
    let rig = Rig::new();
    let first = rig.aeron.add_static_counter(1003, b"k", "static", 77).unwrap();
    first.set(5);
    let other = client(&rig.dir);
    let second = other.add_static_counter(1003, b"ignored", "ignored", 77).unwrap();
    assert_eq!((second.id(), second.get(), second.registration_id()), (first.id(), 5, 77));
    drop((first, second));
    // The conductor carries out what it is told in order: C forgets static counters that a client has when it closes.
    let flush = |aeron: &Aeron| drop(aeron.add_counter(1004, &[], "behind it").unwrap());
    flush(&other);
    drop(other);
    let counters = rig.aeron.counters();
    let id = counters.find_by_registration_id(1003, 77).unwrap();
    assert_eq!((counters.owner_id(id), counters.value(id)), (Some(-1), Some(5)));
    // One that nobody waits for is there all the same.
    drop(rig.aeron.async_add_static_counter(1003, &[], "unwatched", 78).unwrap());
    awaited("the counter", || counters.find_by_registration_id(1003, 78));
    flush(&rig.aeron);
    flush(&rig.aeron);
}
