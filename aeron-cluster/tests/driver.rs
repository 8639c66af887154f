//! The media driver in this process: it starts, serves clients, ends, and says what it refuses.
#![cfg(feature = "driver")]

use std::ffi::CStr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, ConductorIdleStrategy, Context, Subscription, request_driver_termination};
use aeron_cluster::driver::{DriverContext, MediaDriver, MulticastFlowControl, ThreadingMode};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long a client, an image or the driver may stand still and live. By default it is ten seconds each, and where a process stands still for longer,
/// as under memcheck on a loaded machine, an echo never comes.
const LONG: Duration = Duration::from_secs(120);

/// A name in shared memory that nothing else has; the driver makes the directory and deletes it.
fn unique_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("/dev/shm/aeron-driver-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

fn small(mode: ThreadingMode) -> DriverContext {
    DriverContext::new()
        .dir(unique_dir())
        .threading_mode(mode)
        .term_buffer_length(64 * 1024)
        .ipc_term_buffer_length(64 * 1024)
        .term_buffer_sparse_file(true)
        .client_liveness_timeout(LONG)
        .image_liveness_timeout(LONG)
        .publication_unblock_timeout(2 * LONG)
        .dir_delete_on_shutdown(true)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::yield_now();
    }
}

/// A subscription, and the channel to reach it at, with the port that the system gave it.
fn reachable(aeron: &Aeron, channel: &str, stream: i32) -> (Subscription, String) {
    let subscription = aeron.add_subscription(channel, stream).expect("subscription");
    let mut resolved = None;
    until("the port", || {
        resolved = subscription.try_resolve_channel_endpoint_port().expect("the channel's status");
        resolved.is_some()
    });
    (subscription, resolved.expect("resolved"))
}

/// Sends messages there and back, and checks each.
fn echo(aeron: &Aeron, channel: &str) {
    let (mut at_service, there) = reachable(aeron, channel, 1);
    let (mut at_client, back) = reachable(aeron, channel, 2);
    let to_service = aeron.add_publication(&there, 1).expect("publication");
    let to_client = aeron.add_publication(&back, 2).expect("publication");
    until("connections", || to_service.is_connected() && to_client.is_connected());
    for number in 0..1000u32 {
        until("room to send", || to_service.offer(&number.to_le_bytes()).is_ok());
        let mut echoed = None;
        until("the echo", || {
            let mut pending = Vec::new();
            at_service.poll(1, |message, _| pending.push(message.to_vec())).expect("poll");
            for message in pending {
                until("room to answer", || to_client.offer(&message).is_ok());
            }
            at_client.poll(1, |message, _| echoed = Some(message.to_vec())).expect("poll");
            echoed.is_some()
        });
        assert_eq!(echoed, Some(number.to_le_bytes().to_vec()));
    }
}

#[test]
fn every_threading_mode_serves_clients() {
    for mode in [ThreadingMode::Dedicated, ThreadingMode::SharedNetwork, ThreadingMode::Shared] {
        let mut driver = MediaDriver::launch(small(mode)).expect("driver");
        assert!(driver.dir().join("cnc.dat").exists());
        let error = driver.do_work().expect_err("it has threads");
        assert!(error.kind() == ErrorKind::State && !driver.is_invoker(), "{error}");
        let aeron = Aeron::connect(Context::new().dir(driver.dir()).driver_timeout(LONG)).expect("client");
        echo(&aeron, "aeron:ipc");
        echo(&aeron, "aeron:udp?endpoint=localhost:0");
        drop(aeron);
        let dir = driver.dir().to_path_buf();
        driver.close().expect("closed");
        assert!(!dir.exists(), "{mode:?} left {}", dir.display());
    }
}

#[test]
fn driver_and_client_are_worked_by_one_thread() {
    let mut driver = MediaDriver::launch(small(ThreadingMode::Invoker)).expect("driver");
    let context = Context::new().dir(driver.dir()).use_conductor_agent_invoker(true);
    let aeron = Aeron::connect(context).expect("client");
    assert!(driver.is_invoker() && aeron.is_invoker());
    let mut work = |what: &str, done: &mut dyn FnMut() -> bool| {
        until(what, || {
            driver.do_work().expect("work");
            aeron.do_work().expect("work");
            done()
        });
    };
    for channel in ["aeron:ipc", "aeron:udp?endpoint=127.0.0.1:0"] {
        let mut adding = aeron.async_add_subscription(channel, 5).expect("started");
        let mut subscription = None;
        work("the subscription", &mut || {
            subscription = adding.poll().expect("added");
            subscription.is_some()
        });
        let mut subscription = subscription.expect("added");
        let mut resolved = None;
        work("the port", &mut || {
            resolved = subscription.try_resolve_channel_endpoint_port().expect("status");
            resolved.is_some()
        });
        let mut adding = aeron.async_add_publication(&resolved.expect("port"), 5).expect("started");
        let mut publication = None;
        work("the publication", &mut || {
            publication = adding.poll().expect("added");
            publication.is_some()
        });
        let publication = publication.expect("added");
        for number in 0..1000u32 {
            work("room to send", &mut || publication.offer(&number.to_le_bytes()).is_ok());
            work("the message", &mut || {
                subscription.poll(1, |message, _| assert_eq!(message, number.to_le_bytes())).expect("poll") == 1
            });
        }
    }
    drop(aeron);
    let dir = driver.dir().to_path_buf();
    driver.close().expect("closed");
    assert!(!dir.exists());
}

/// It is found dead by who waits, as any driver that is silent, and lives again when it is worked.
#[test]
fn a_driver_that_nobody_works_is_dead() {
    let mut driver = MediaDriver::launch(small(ThreadingMode::Invoker)).expect("driver");
    let context = |timeout| Context::new().dir(driver.dir()).driver_timeout(timeout);
    let aeron = Aeron::connect(context(Duration::from_secs(4))).expect("it showed a sign of life when it was started");
    assert!(aeron.add_publication("aeron:ipc", 1).is_err());
    until("the client to notice", || aeron.is_closed());
    let error = Aeron::connect(context(Duration::from_millis(100))).expect_err("it is silent");
    assert_eq!(error.kind(), ErrorKind::DriverDead, "{error}");
    driver.do_work().expect("work");
    let file = driver.cnc_file().expect("file");
    assert!(file.is_driver_active(PATIENCE));
    drop(driver);
    assert!(!file.is_driver_active(PATIENCE));
}

#[test]
fn several_drivers_in_one_process_are_strangers() {
    let drivers: Vec<_> = (0..3).map(|_| MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver")).collect();
    let clients: Vec<_> =
        drivers.iter().map(|driver| Aeron::connect(Context::new().dir(driver.dir())).expect("client")).collect();
    let publication = clients[0].add_publication("aeron:ipc", 7).expect("publication");
    let strangers = clients[1].add_subscription("aeron:ipc", 7).expect("subscription");
    let own = clients[0].add_subscription("aeron:ipc", 7).expect("subscription");
    until("its own subscriber", || publication.is_connected() && own.is_connected());
    assert!(!strangers.is_connected());
}

#[test]
fn a_client_outlives_its_driver_and_finds_it_dead() {
    let interval = Duration::from_millis(100);
    let driver = MediaDriver::launch(small(ThreadingMode::Shared).timer_interval(interval)).expect("driver");
    let timeout = Duration::from_millis(1_000);
    let aeron = Aeron::connect(Context::new().dir(driver.dir()).driver_timeout(timeout)).expect("client");
    let publication = aeron.add_publication("aeron:ipc", 7).expect("publication");
    drop(driver);
    // It says that it is closed before its handles do.
    until("the client to notice", || publication.is_closed());
    assert!(aeron.is_closed());
    assert!(publication.offer(b"too late").is_err());
}

#[test]
fn a_refused_setting_is_named() {
    let error =
        MediaDriver::launch(small(ThreadingMode::Shared).term_buffer_length(12_345)).expect_err("no power of two");
    assert!(error.message().contains("12345"), "{error}");
    let error = MediaDriver::launch(DriverContext::new().dir("a\0b")).expect_err("not for C");
    assert!(error.message().contains("NUL"), "{error}");
    let error = MediaDriver::launch(DriverContext::new().dir("d/".repeat(2500))).expect_err("too long for C");
    assert!(error.kind() == ErrorKind::InvalidArgument && error.message().contains("longer than"), "{error}");
    let error = MediaDriver::launch(DriverContext::new().dir("/proc/no/such/place")).expect_err("no place for files");
    assert!(error.message().contains("/proc/no/such/place"), "{error}");
}

#[test]
fn a_directory_has_one_living_driver() {
    let driver = MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver");
    let second = || DriverContext::new().dir(driver.dir()).dir_delete_on_shutdown(true);
    for timeout in [Duration::from_secs(10), Duration::MAX] {
        let error = MediaDriver::launch(second().driver_timeout(timeout)).expect_err("the first one lives");
        assert!(error.message().contains("Active media driver detected"), "{error}");
    }
    // Never launched, or refused: the directory is the first one's.
    drop(second());
    drop(second().dir("a\0b"));
    let aeron = Aeron::connect(Context::new().dir(driver.dir())).expect("the first one still serves");
    echo(&aeron, "aeron:ipc");
}

#[test]
fn launching_and_closing_leaves_no_mapping() {
    let ours = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
        maps.lines().filter(|line| line.contains("aeron-driver-test-alone")).count()
    };
    let context =
        || small(ThreadingMode::Dedicated).dir(format!("/dev/shm/aeron-driver-test-alone-{}", std::process::id()));
    drop(MediaDriver::launch(context()).expect("driver"));
    assert_eq!(ours(), 0);
    let driver = MediaDriver::launch(context()).expect("driver");
    assert!(ours() > 0);
    drop(driver);
    assert_eq!(ours(), 0);
}

#[test]
fn errors_and_counters_are_read_from_the_handle() {
    let driver = MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver");
    let file = driver.cnc_file().expect("file");
    assert!(file.errors(0).is_empty() && file.losses().expect("losses").is_empty());
    assert_eq!(file.constants().pid, i64::from(std::process::id()));
    let aeron = Aeron::connect(Context::new().dir(driver.dir())).expect("client");
    aeron.add_publication("aeron:udp?endpoint=nowhere.invalid:1", 1).expect_err("no such name");
    until("the error", || !file.errors(0).is_empty());
    assert!(file.errors(0)[0].message.contains("nowhere.invalid"), "{:?}", file.errors(0));
    let own = aeron.add_counter(1001, &[], "seen from the driver").expect("counter");
    own.set(7);
    let found = file.counters().find(|counter| counter.label == "seen from the driver");
    assert_eq!(found.and_then(|id| file.counters().value(id)), Some(7));
}

#[test]
fn who_asks_the_driver_to_end_is_heard() {
    let (tell, told) = mpsc::channel();
    let context = small(ThreadingMode::Shared).on_termination_request(move |token| {
        tell.send(token.to_vec()).expect("heard");
        assert_ne!(token, b"panic", "a handler that panics");
    });
    let driver = MediaDriver::launch(context).expect("driver");
    for token in [&b"panic"[..], b"", b"please"] {
        assert!(request_driver_termination(driver.dir(), token).expect("asked"));
        assert_eq!(told.recv_timeout(PATIENCE).expect("told"), token);
    }
    Aeron::connect(Context::new().dir(driver.dir())).expect("it goes on");
    driver.close().expect("closed");
    told.recv_timeout(PATIENCE).expect_err("the handler went with the driver");
}

/// Each setting is where C looks for it.
#[test]
fn settings_reach_the_driver() {
    use aeron_sys as sys;
    let second = Duration::from_secs(1);
    macro_rules! check {
        ($($setter:ident($value:expr) => $getter:ident $expected:expr;)*) => {
            $({
                let context = small(ThreadingMode::Shared).$setter($value);
                // SAFETY: the context is live.
                let value = unsafe { sys::$getter(context.as_ptr()) };
                assert_eq!(value, $expected, stringify!($setter));
            })*
        };
    }
    check! {
        print_configuration(true) => aeron_driver_context_get_print_configuration true;
        perform_storage_checks(false) => aeron_driver_context_get_perform_storage_checks false;
        dir_warn_if_exists(true) => aeron_driver_context_get_dir_warn_if_exists true;
        low_file_store_warning_threshold(7) => aeron_driver_context_get_low_file_store_warning_threshold 7;
        file_page_size(8192) => aeron_driver_context_get_file_page_size 8192;
        to_conductor_buffer_length(7) => aeron_driver_context_get_to_conductor_buffer_length 7;
        to_clients_buffer_length(7) => aeron_driver_context_get_to_clients_buffer_length 7;
        counters_values_buffer_length(7) => aeron_driver_context_get_counters_buffer_length 7;
        error_buffer_length(7) => aeron_driver_context_get_error_buffer_length 7;
        loss_report_buffer_length(7) => aeron_driver_context_get_loss_report_buffer_length 7;
        timer_interval(second) => aeron_driver_context_get_timer_interval_ns 1_000_000_000;
        driver_timeout(second) => aeron_driver_context_get_driver_timeout_ms 1_000;
        resource_free_limit(7) => aeron_driver_context_get_resource_free_limit 7;
        mtu_length(8192) => aeron_driver_context_get_mtu_length 8192;
        ipc_mtu_length(8192) => aeron_driver_context_get_ipc_mtu_length 8192;
        publication_term_window_length(7) => aeron_driver_context_get_publication_term_window_length 7;
        ipc_publication_term_window_length(7) => aeron_driver_context_get_ipc_publication_term_window_length 7;
        publication_reserved_session_id_low(7) => aeron_driver_context_get_publication_reserved_session_id_low 7;
        publication_reserved_session_id_high(7) => aeron_driver_context_get_publication_reserved_session_id_high 7;
        retransmit_unicast_delay(second) => aeron_driver_context_get_retransmit_unicast_delay_ns 1_000_000_000;
        retransmit_unicast_linger(second) => aeron_driver_context_get_retransmit_unicast_linger_ns 1_000_000_000;
        max_resend(7) => aeron_driver_context_get_max_resend 7;
        flow_control_group_tag(7) => aeron_driver_context_get_flow_control_group_tag 7;
        flow_control_group_min_size(7) => aeron_driver_context_get_flow_control_group_min_size 7;
        flow_control_receiver_timeout(second) => aeron_driver_context_get_flow_control_receiver_timeout_ns 1_000_000_000;
        initial_window_length(7) => aeron_driver_context_get_rcv_initial_window_length 7;
        status_message_timeout(second) => aeron_driver_context_get_rcv_status_message_timeout_ns 1_000_000_000;
        reliable_stream(false) => aeron_driver_context_get_reliable_stream false;
        tether_subscriptions(false) => aeron_driver_context_get_tether_subscriptions false;
        rejoin_stream(false) => aeron_driver_context_get_rejoin_stream false;
        untethered_window_limit_timeout(second) =>
            aeron_driver_context_get_untethered_window_limit_timeout_ns 1_000_000_000;
        untethered_linger_timeout(second) => aeron_driver_context_get_untethered_linger_timeout_ns 1_000_000_000;
        untethered_resting_timeout(second) => aeron_driver_context_get_untethered_resting_timeout_ns 1_000_000_000;
        receiver_group_tag(Some(7)) => aeron_driver_context_get_receiver_group_tag_value 7;
        receiver_group_tag(None) => aeron_driver_context_get_receiver_group_tag_is_present false;
        nak_unicast_delay(second) => aeron_driver_context_get_nak_unicast_delay_ns 1_000_000_000;
        nak_multicast_group_size(7) => aeron_driver_context_get_nak_multicast_group_size 7;
        nak_multicast_max_backoff(second) => aeron_driver_context_get_nak_multicast_max_backoff_ns 1_000_000_000;
        stream_session_limit(7) => aeron_driver_context_get_stream_session_limit 7;
        socket_rcvbuf_length(7) => aeron_driver_context_get_socket_so_rcvbuf 7;
        socket_sndbuf_length(7) => aeron_driver_context_get_socket_so_sndbuf 7;
        socket_multicast_ttl(7) => aeron_driver_context_get_socket_multicast_ttl 7;
        re_resolution_check_interval(second) => aeron_driver_context_get_re_resolution_check_interval_ns 1_000_000_000;
    }
}

#[test]
fn flow_control_and_ranges_of_ports_reach_the_driver_and_what_is_none_is_refused() {
    use aeron_sys as sys;
    // SAFETY: contexts that are live, and a name that is a string.
    unsafe {
        let context = small(ThreadingMode::Shared).multicast_flow_control(MulticastFlowControl::Min);
        let wanted = sys::aeron_flow_control_strategy_supplier_by_name(c"multicast_min".as_ptr());
        let set = sys::aeron_driver_context_get_multicast_flowcontrol_supplier(context.as_ptr());
        assert!(set.is_some() && set.map(|f| f as usize) == wanted.map(|f| f as usize));
        let context = small(ThreadingMode::Shared).receiver_wildcard_ports(7..=9).sender_wildcard_ports(11..=13);
        let mut ports = [0; 4];
        let [a, b, c, d] = &mut ports;
        sys::aeron_driver_context_get_receiver_wildcard_port_range(context.as_ptr(), a, b);
        sys::aeron_driver_context_get_sender_wildcard_port_range(context.as_ptr(), c, d);
        assert_eq!(ports, [7, 9, 11, 13]);
    }
    for ports in [RangeInclusive::new(9, 7), 0..=9] {
        let error =
            MediaDriver::launch(small(ThreadingMode::Shared).sender_wildcard_ports(ports)).expect_err("no range");
        assert!(
            error.kind() == ErrorKind::InvalidArgument && error.message().contains("is no range of ports"),
            "{error}"
        );
    }
    let refused = small(ThreadingMode::Shared).dir("a\0b");
    assert!(refused.as_ptr().is_null());
}

#[test]
fn threads_pass_the_time_as_they_are_told() {
    use aeron_sys as sys;
    let strategy = ConductorIdleStrategy::Sleeping(Duration::from_micros(100));
    for mode in [ThreadingMode::Dedicated, ThreadingMode::SharedNetwork, ThreadingMode::Shared] {
        let context = small(mode)
            .conductor_idle_strategy(strategy)
            .sender_idle_strategy(ConductorIdleStrategy::Yielding)
            .receiver_idle_strategy(ConductorIdleStrategy::Backoff)
            .shared_network_idle_strategy(strategy)
            .shared_idle_strategy(strategy);
        // SAFETY: the context is live, and has strings.
        let [conductor, sender, receiver, network, shared] = unsafe {
            [
                sys::aeron_driver_context_get_conductor_idle_strategy(context.as_ptr()),
                sys::aeron_driver_context_get_sender_idle_strategy(context.as_ptr()),
                sys::aeron_driver_context_get_receiver_idle_strategy(context.as_ptr()),
                sys::aeron_driver_context_get_sharednetwork_idle_strategy(context.as_ptr()),
                sys::aeron_driver_context_get_shared_idle_strategy(context.as_ptr()),
            ]
            .map(|name| CStr::from_ptr(name))
        };
        assert_eq!([conductor, network, shared], [c"sleep-ns"; 3]);
        assert_eq!((sender, receiver), (c"yield", c"backoff"));
        let driver = MediaDriver::launch(context).expect("driver");
        echo(&Aeron::connect(Context::new().dir(driver.dir())).expect("client"), "aeron:ipc");
    }
}

#[test]
fn a_directory_that_somebody_else_deleted_is_no_error() {
    let driver = MediaDriver::launch(small(ThreadingMode::Shared)).expect("driver");
    std::fs::remove_dir_all(driver.dir()).expect("deleted");
    driver.close().expect("closed");
}
