//! Adding and closing again and again: memory, counters and file descriptors stay as they were.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use aeron_cluster::aeron::{Aeron, ExclusivePublication, ImageHandlers};
use aeron_cluster::testing::PortBlock;

use crate::rig::{Rig, awaited, client, context, until};

const STREAM: i32 = 21;
const TYPE: i32 = 1021;
/// Of publications, and of subscribers that are connected to them.
const PUBLISHER_LIMIT: i32 = 1;
const SUBSCRIPTION_POSITION: i32 = 4;
/// Behind the broadcast to clients (`AERON_BROADCAST_BUFFER_TRAILER_LENGTH`).
const BROADCAST_TRAILER: usize = 128;

/// One of each, added and closed; `to_several` gains and loses a destination.
fn cycle(aeron: &Aeron, to_several: &ExclusivePublication, destination: &str, number: i32) {
    // Streams take turns, so that what lingers in the driver is not met again.
    let stream = STREAM + number % 50;
    let publication = aeron.add_publication("aeron:ipc", stream).unwrap();
    let exclusive = aeron.add_exclusive_publication("aeron:ipc", stream).unwrap();
    let subscription =
        aeron.add_subscription_with("aeron:ipc", stream, ImageHandlers::new().on_available(|_| {})).unwrap();
    let counter = aeron.add_counter(TYPE, &[], "cycling").unwrap();
    drop(aeron.async_add_publication("aeron:ipc", stream).unwrap());
    drop(aeron.async_next_session_id(stream).unwrap());
    let id = aeron.add_close_handler(|| {});
    assert!(aeron.remove_handler(id));
    drop(to_several.async_add_destination(destination).unwrap());
    to_several.remove_destination(destination).unwrap();
    let destination = to_several.add_destination(destination).unwrap();
    to_several.remove_destination_by_id(destination).unwrap();
    let mut subscription = Some(subscription);
    let image = awaited("the image", || {
        aeron.do_work().unwrap();
        match subscription.take()?.into_image(publication.session_id()) {
            Ok(image) => Some(image),
            Err(back) => {
                subscription = Some(back);
                None
            }
        }
    });
    match number % 3 {
        0 => drop((publication, exclusive, image, counter)),
        1 => drop((image, counter, publication, exclusive)),
        _ => drop((counter, exclusive, image, publication)),
    }
}

/// Resident memory in KiB, and open file descriptors.
fn footprint() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    // What is not mapped from a file: the logs are.
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let memory = memory.trim().trim_end_matches(" kB").parse().unwrap();
    (memory, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Whether memory says something: AddressSanitizer and valgrind, which is preloaded, keep what was freed, and find leaks by themselves;
/// ThreadSanitizer remembers who touched what.
fn memory_counts() -> bool {
    let preloaded = std::env::var("LD_PRELOAD").unwrap_or_default();
    let is_sanitized = ["ASAN_OPTIONS", "TSAN_OPTIONS"].iter().any(|options| std::env::var_os(options).is_some());
    !is_sanitized && !preloaded.contains("valgrind")
}

fn cycles(warm_up: i32, count: i32, clients: i32) {
    // No client dies here that is slow to hear what the driver says.
    let rig = Rig::with(|driver| driver.to_clients_buffer_length((64 << 20) + BROADCAST_TRAILER));
    let ports = PortBlock::reserve().unwrap();
    let destination = format!("aeron:udp?endpoint=127.0.0.1:{}", ports.port(0));
    let (clients, mut to_several): (Vec<_>, Vec<_>) = (0..clients)
        .map(|_| {
            let context = context(&rig.dir).use_conductor_agent_invoker(true);
            let aeron = Aeron::connect(context).unwrap();
            let to_several = aeron.add_exclusive_publication("aeron:udp?control-mode=manual", STREAM).unwrap();
            (aeron, to_several)
        })
        .unzip();
    let settled = |what: &str| {
        until(what, || {
            for aeron in &clients {
                aeron.do_work().unwrap();
            }
            let left = [(TYPE, 0), (PUBLISHER_LIMIT, clients.len()), (SUBSCRIPTION_POSITION, 0)];
            left.iter().all(|(type_id, count)| rig.count(*type_id) == *count)
        });
    };
    let mut run = |count: i32| {
        let (next, start) = (AtomicI32::new(0), Instant::now());
        let work = |aeron: &Aeron, to_several: &ExclusivePublication| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                cycle(aeron, to_several, &destination, number);
                if number % 50_000 == 49_999 {
                    println!("{} cycles in {:?}: {:?} KiB and files", number + 1, start.elapsed(), footprint());
                }
            }
        };
        let work = &work;
        std::thread::scope(|scope| {
            for (aeron, to_several) in clients.iter().zip(&mut to_several) {
                scope.spawn(move || work(aeron, to_several));
            }
        });
    };
    run(warm_up);
    settled("the driver to have removed all before the measurement");
    let (memory, files) = footprint();
    run(count);
    settled("the driver to have removed all");
    let (memory_after, files_after) = footprint();
    assert!(files_after <= files, "{files} files before, {files_after} after");
    // The allocator's own waste; a leak of one struct a cycle is more.
    let limit = memory + 1024 + count as usize / 16;
    assert!(!memory_counts() || memory_after < limit, "{memory} KiB before, {memory_after} KiB after");
    println!("{count} cycles: {memory} KiB before, {memory_after} KiB after, {files_after} files");
}

#[test]
fn cycles_of_adding_and_closing_leave_nothing() {
    cycles(200, 600, 1);
}

/// `cargo test --package aeron-cluster --features testing --release --test aeron -- --ignored --nocapture a_million`
#[test]
#[ignore = "takes long"]
fn a_million_cycles_of_adding_and_closing_leave_nothing() {
    cycles(10_000, 1_000_000, 8);
}

#[test]
fn cycles_of_clients_leave_nothing() {
    let rig = Rig::new();
    let connect = |number: usize| {
        let aeron = client(&rig.dir);
        let _publication = aeron.add_publication("aeron:ipc", STREAM);
        if number.is_multiple_of(2) {
            let _ = aeron.async_add_subscription("aeron:ipc", STREAM);
        }
    };
    (0..10).for_each(connect);
    let (memory, files) = footprint();
    (0..50).for_each(connect);
    let (memory_after, files_after) = footprint();
    assert!(files_after <= files, "{files} files before, {files_after} after");
    assert!(!memory_counts() || memory_after < memory + 2048, "{memory} KiB before, {memory_after} KiB after");
}
