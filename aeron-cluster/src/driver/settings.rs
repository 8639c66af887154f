//! The driver's settings, one method each.

use std::ops::RangeInclusive;
use std::time::Duration;

use aeron_sys as sys;

use super::ThreadingMode;
use super::context::DriverContext;
use crate::aeron::ConductorIdleStrategy;

/// A setter for each setting.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($value:ident: $type:ty) => $native:ident($($converted:expr),+);)*) => {
        impl DriverContext {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(self, $value: $type) -> Self {
                    // SAFETY: the context is live, and the value a number that C copies (aeronmd.h).
                    self.set(stringify!($name), |raw| unsafe { sys::$native(raw, $($converted),+) })
                }
            )*
        }
    };
}

/// A setter for the idle strategy of each thread.
macro_rules! idle_strategies {
    ($($(#[$doc:meta])* $name:ident => $args:ident, $native:ident;)*) => {
        impl DriverContext {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(self, strategy: ConductorIdleStrategy) -> Self {
                    self.set_idle(stringify!($name), strategy, [sys::$args, sys::$native])
                }
            )*
        }
    };
}

// Threads, directory and files.
settings! {
    /// How the driver divides its work among threads. Default: dedicated.
    threading_mode(mode: ThreadingMode) => aeron_driver_context_set_threading_mode(mode.native());
    /// Whether a directory that a dead driver left is deleted first. One that a living driver uses is deleted too, so make
    /// sure that it is yours. Default: false.
    dir_delete_on_start(delete: bool) => aeron_driver_context_set_dir_delete_on_start(delete);
    /// Whether the directory is deleted when the driver ends. Default: false.
    dir_delete_on_shutdown(delete: bool) => aeron_driver_context_set_dir_delete_on_shutdown(delete);
    /// Whether an existing directory is mentioned on standard error. Default: false.
    dir_warn_if_exists(warn: bool) => aeron_driver_context_set_dir_warn_if_exists(warn);
    /// Whether the driver prints its settings on standard output when it starts. Default: false.
    print_configuration(print: bool) => aeron_driver_context_set_print_configuration(print);
    /// Whether the driver looks for enough storage before it allocates. Default: true.
    perform_storage_checks(check: bool) => aeron_driver_context_set_perform_storage_checks(check);
    /// The driver warns if less than this many bytes of storage are left. Default: 160 MiB.
    low_file_store_warning_threshold(length: u64) => aeron_driver_context_set_low_file_store_warning_threshold(length);
    /// The page size in bytes to which files are rounded up. Default: 4 KiB.
    file_page_size(size: usize) => aeron_driver_context_set_file_page_size(size);
    /// The length in bytes of the queue of commands from clients, at least 1 MiB and 768 bytes: a power of two and the trailer of 768.
    /// Default: that.
    to_conductor_buffer_length(length: usize) => aeron_driver_context_set_to_conductor_buffer_length(length);
    /// The length in bytes of the broadcast to clients, at least 1 MiB and 128 bytes: a power of two and the trailer of 128. Default:
    /// that.
    to_clients_buffer_length(length: usize) => aeron_driver_context_set_to_clients_buffer_length(length);
    /// The length in bytes of the values of counters, 128 each. Default: 8 MiB.
    counters_values_buffer_length(length: usize) => aeron_driver_context_set_counters_buffer_length(length);
    /// The length in bytes of the error log. Default: 4 MiB, which is also the least.
    error_buffer_length(length: usize) => aeron_driver_context_set_error_buffer_length(length);
    /// The length in bytes of the loss report. Default: 1 MiB.
    loss_report_buffer_length(length: usize) => aeron_driver_context_set_loss_report_buffer_length(length);
    /// How often the conductor checks its time-outs. Default: 1 s.
    timer_interval(interval: Duration) => aeron_driver_context_set_timer_interval_ns(nanos(interval));
    /// How long the id of a freed counter is not reused. Default: 1 s.
    counters_free_to_reuse_timeout(timeout: Duration) =>
        aeron_driver_context_set_counters_free_to_reuse_timeout_ns(nanos(timeout));
    /// How long another driver found in the directory may be without a heartbeat before it counts as dead. Default: 10 s.
    driver_timeout(timeout: Duration) =>
        aeron_driver_context_set_driver_timeout_ms(long(timeout.as_millis()));
    /// How long a client may be without a heartbeat. Default: 10 s.
    client_liveness_timeout(timeout: Duration) => aeron_driver_context_set_client_liveness_timeout_ns(nanos(timeout));
    /// The most log buffers that the conductor frees per duty cycle. Default: 1.
    resource_free_limit(limit: u32) => aeron_driver_context_set_resource_free_limit(limit);
}

// Publications.
settings! {
    /// The length in bytes of a term of a network publication, a power of two from 64 KiB to 1 GiB. Default: 16 MiB.
    term_buffer_length(length: usize) => aeron_driver_context_set_term_buffer_length(length);
    /// The length in bytes of a term of an IPC publication. Default: 64 MiB.
    ipc_term_buffer_length(length: usize) => aeron_driver_context_set_ipc_term_buffer_length(length);
    /// Whether term buffers are sparse files, which take up disk or memory only as they are written. Default: true.
    term_buffer_sparse_file(sparse: bool) => aeron_driver_context_set_term_buffer_sparse_file(sparse);
    /// The longest frame of a network publication in bytes, its header included: a multiple of 32 up to 65,504. Default: 1,408.
    mtu_length(length: usize) => aeron_driver_context_set_mtu_length(length);
    /// The longest frame of an IPC publication. Otherwise as [`mtu_length`](Self::mtu_length).
    ipc_mtu_length(length: usize) => aeron_driver_context_set_ipc_mtu_length(length);
    /// How far a network publication may be ahead of its slowest subscriber, in bytes; 0 for half a term. Default: 0.
    publication_term_window_length(length: usize) => aeron_driver_context_set_publication_term_window_length(length);
    /// How far an IPC publication may be ahead of its slowest subscriber, in bytes; 0 for half a term. Default: 0.
    ipc_publication_term_window_length(length: usize) =>
        aeron_driver_context_set_ipc_publication_term_window_length(length);
    /// Whether a spy subscription counts as a connected subscriber of a network publication. Default: false.
    spies_simulate_connection(simulate: bool) => aeron_driver_context_set_spies_simulate_connection(simulate);
    /// How long a publication stays connected without status messages from subscribers. Default: 5 s.
    publication_connection_timeout(timeout: Duration) =>
        aeron_driver_context_set_publication_connection_timeout_ns(nanos(timeout));
    /// After how long a claim that was never committed is unblocked; longer than the client liveness timeout. Default: 15 s.
    publication_unblock_timeout(timeout: Duration) =>
        aeron_driver_context_set_publication_unblock_timeout_ns(nanos(timeout));
    /// How long a closed publication lingers for those that lag behind. Default: 5 s.
    publication_linger_timeout(timeout: Duration) =>
        aeron_driver_context_set_publication_linger_timeout_ns(nanos(timeout));
    /// The lowest of the session ids that the driver never chooses by itself. Default: -1.
    publication_reserved_session_id_low(id: i32) => aeron_driver_context_set_publication_reserved_session_id_low(id);
    /// The highest of the session ids that the driver never chooses by itself. Default: 1,000.
    publication_reserved_session_id_high(id: i32) => aeron_driver_context_set_publication_reserved_session_id_high(id);
    /// How long a publication waits before it retransmits. Default: 0.
    retransmit_unicast_delay(delay: Duration) => aeron_driver_context_set_retransmit_unicast_delay_ns(nanos(delay));
    /// How long it then ignores further requests for the same data. Default: 10 ms.
    retransmit_unicast_linger(linger: Duration) => aeron_driver_context_set_retransmit_unicast_linger_ns(nanos(linger));
    /// The most retransmissions that a publication has in progress. Default: 16.
    max_resend(count: u32) => aeron_driver_context_set_max_resend(count);
    /// The tag of the receivers that [`Tagged`](super::MulticastFlowControl::Tagged) flow control waits for. Default: -1.
    flow_control_group_tag(tag: i64) => aeron_driver_context_set_flow_control_group_tag(tag);
    /// How many such receivers there must be before the publication is connected. Default: 0.
    flow_control_group_min_size(count: i32) => aeron_driver_context_set_flow_control_group_min_size(count);
    /// How long the publication waits for such a receiver that is silent. Default: 5 s.
    flow_control_receiver_timeout(timeout: Duration) =>
        aeron_driver_context_set_flow_control_receiver_timeout_ns(nanos(timeout));
}

// Subscriptions.
settings! {
    /// How long an image lives without data or heartbeats from its publication. Default: 10 s.
    image_liveness_timeout(timeout: Duration) => aeron_driver_context_set_image_liveness_timeout_ns(nanos(timeout));
    /// The receiver's window: how much may be sent to it ahead of its last status message, in bytes; at most the socket's buffer. Default: 128 KiB.
    initial_window_length(length: usize) => aeron_driver_context_set_rcv_initial_window_length(length);
    /// The longest interval between a receiver's status messages. Default: 200 ms.
    status_message_timeout(timeout: Duration) => aeron_driver_context_set_rcv_status_message_timeout_ns(nanos(timeout));
    /// Whether lost data is requested again, if the channel does not say (`reliable`). Default: true.
    reliable_stream(reliable: bool) => aeron_driver_context_set_reliable_stream(reliable);
    /// Whether a slow subscriber holds up the others, if the channel does not say (`tether`). Default: true.
    tether_subscriptions(tether: bool) => aeron_driver_context_set_tether_subscriptions(tether);
    /// Whether a subscription rejoins a stream after losing it, if the channel does not say (`rejoin`). Default: true.
    rejoin_stream(rejoin: bool) => aeron_driver_context_set_rejoin_stream(rejoin);
    /// How long an untethered subscriber may lag behind before it is left behind. Default: 5 s.
    untethered_window_limit_timeout(timeout: Duration) =>
        aeron_driver_context_set_untethered_window_limit_timeout_ns(nanos(timeout));
    /// How long an untethered subscriber may then still read what it has. Default: as the window limit time-out.
    untethered_linger_timeout(timeout: Duration) =>
        aeron_driver_context_set_untethered_linger_timeout_ns(nanos(timeout));
    /// How long an untethered subscriber rests before it joins again. Default: 10 s.
    untethered_resting_timeout(timeout: Duration) =>
        aeron_driver_context_set_untethered_resting_timeout_ns(nanos(timeout));
    /// The group tag of this driver's receivers, for tagged flow control. Default: none.
    receiver_group_tag(tag: Option<i64>) =>
        aeron_driver_context_set_receiver_group_tag(tag.is_some(), tag.unwrap_or(-1));
    /// How long a receiver of a unicast stream waits before it requests missing data. Default: 1 µs.
    nak_unicast_delay(delay: Duration) => aeron_driver_context_set_nak_unicast_delay_ns(nanos(delay));
    /// The estimated number of receivers of a multicast stream, among which requests for missing data are spread.
    /// Default: 10.
    nak_multicast_group_size(count: usize) => aeron_driver_context_set_nak_multicast_group_size(count);
    /// How long a receiver of a multicast stream waits at most before it requests missing data. Default: 10 ms.
    nak_multicast_max_backoff(backoff: Duration) => aeron_driver_context_set_nak_multicast_max_backoff_ns(nanos(backoff));
    /// How many sessions a subscription may have on a stream. Default: no limit.
    stream_session_limit(limit: i32) => aeron_driver_context_set_stream_session_limit(limit);
}

// The network.
settings! {
    /// The length in bytes of a socket's receive buffer; 0 for what the system gives. Default: 128 KiB.
    socket_rcvbuf_length(length: usize) => aeron_driver_context_set_socket_so_rcvbuf(length);
    /// The length in bytes of a socket's send buffer; 0 for what the system gives. Default: 0.
    socket_sndbuf_length(length: usize) => aeron_driver_context_set_socket_so_sndbuf(length);
    /// The time to live of multicast packets, in hops; 0 for the system's default. Default: 0.
    socket_multicast_ttl(ttl: u8) => aeron_driver_context_set_socket_multicast_ttl(ttl);
    /// How often the names of unresponsive peers are resolved again. Default: 1 s.
    re_resolution_check_interval(interval: Duration) =>
        aeron_driver_context_set_re_resolution_check_interval_ns(nanos(interval));
}

impl DriverContext {
    /// The range of ports to send from, for publications whose channel has port 0. Default: the system's.
    #[must_use]
    pub fn sender_wildcard_ports(self, ports: RangeInclusive<u16>) -> Self {
        self.set_ports("sender_wildcard_ports", ports, sys::aeron_driver_context_set_sender_wildcard_port_range)
    }

    /// The range of ports to receive at, for subscriptions whose channel has port 0. Default: the system's.
    #[must_use]
    pub fn receiver_wildcard_ports(self, ports: RangeInclusive<u16>) -> Self {
        self.set_ports("receiver_wildcard_ports", ports, sys::aeron_driver_context_set_receiver_wildcard_port_range)
    }
}

idle_strategies! {
    /// The idle strategy of the conductor's thread. Default: backoff.
    conductor_idle_strategy => aeron_driver_context_set_conductor_idle_strategy_init_args,
        aeron_driver_context_set_conductor_idle_strategy;
    /// The idle strategy of the sender's thread. Default: backoff.
    sender_idle_strategy => aeron_driver_context_set_sender_idle_strategy_init_args,
        aeron_driver_context_set_sender_idle_strategy;
    /// The idle strategy of the receiver's thread. Default: backoff.
    receiver_idle_strategy => aeron_driver_context_set_receiver_idle_strategy_init_args,
        aeron_driver_context_set_receiver_idle_strategy;
    /// The idle strategy of the shared thread of sender and receiver. Default: backoff.
    shared_network_idle_strategy => aeron_driver_context_set_sharednetwork_idle_strategy_init_args,
        aeron_driver_context_set_sharednetwork_idle_strategy;
    /// The idle strategy of a driver with one thread. Default: backoff.
    shared_idle_strategy => aeron_driver_context_set_shared_idle_strategy_init_args,
        aeron_driver_context_set_shared_idle_strategy;
}

fn nanos(duration: Duration) -> u64 {
    long(duration.as_nanos())
}

/// Cuts times that C, which uses signed 64-bit numbers, could not add to the time of day.
fn long(time: u128) -> u64 {
    const LONGEST: u64 = i64::MAX as u64 / 2;
    u64::try_from(time).map_or(LONGEST, |time| time.min(LONGEST))
}
