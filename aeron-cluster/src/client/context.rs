//! The settings of a cluster client.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::reconnect::Reconnect;
use crate::aeron::{Aeron, BackoffIdleStrategy, IdleStrategy};
use crate::error::Error;
use crate::security::{CredentialsSupplier, NullCredentialsSupplier};

/// What the settings share with their copies.
pub(super) type Shared<T> = Arc<Mutex<T>>;
pub(super) type ErrorHandler = dyn FnMut(&Error) + Send;
type MakeIdleStrategy = dyn Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync;
pub(super) type AgentInvoker = dyn FnMut() -> usize + Send;
pub(super) type Clock = dyn Fn() -> Instant + Send + Sync;

/// The settings of a cluster client. Mirrors `AeronCluster.Context`.
///
/// Nothing is checked before the client connects; then all of it is, and an error names the setting and the value. A client
/// never changes its settings: to connect again with the same ones, keep a copy. A copy shares credentials supplier, error
/// handler and Aeron client with its original, as Java's does.
#[derive(Clone)]
pub struct Context {
    pub(super) message_timeout: Duration,
    pub(super) new_leader_timeout: Option<Duration>,
    pub(super) ingress_channel: String,
    pub(super) ingress_endpoints: Option<String>,
    pub(super) ingress_stream_id: i32,
    pub(super) egress_channel: String,
    pub(super) egress_stream_id: i32,
    pub(super) ingress_exclusive: bool,
    pub(super) client_name: String,
    pub(super) aeron_dir: Option<PathBuf>,
    pub(super) driver_timeout: Option<Duration>,
    pub(super) aeron: Option<Aeron>,
    pub(super) idle_strategy: Arc<MakeIdleStrategy>,
    pub(super) credentials_supplier: Shared<dyn CredentialsSupplier + Send>,
    pub(super) error_handler: Option<Shared<ErrorHandler>>,
    pub(super) keep_alive_interval: Option<Duration>,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) clock: Arc<Clock>,
    pub(super) agent_invoker: Option<Shared<AgentInvoker>>,
}

impl Default for Context {
    fn default() -> Self {
        let idle = BackoffIdleStrategy::new(1, 10, Duration::from_micros(1), Duration::from_micros(1));
        Self {
            message_timeout: Duration::from_secs(5),
            new_leader_timeout: None,
            ingress_channel: String::new(),
            ingress_endpoints: None,
            ingress_stream_id: 101,
            egress_channel: String::new(),
            egress_stream_id: 102,
            ingress_exclusive: true,
            client_name: String::new(),
            aeron_dir: None,
            driver_timeout: None,
            aeron: None,
            idle_strategy: Arc::new(move || Box::new(idle.clone())),
            credentials_supplier: Arc::new(Mutex::new(NullCredentialsSupplier)),
            error_handler: None,
            keep_alive_interval: None,
            reconnect: None,
            clock: Arc::new(Instant::now),
            agent_invoker: None,
        }
    }
}

impl Context {
    /// Settings with Java's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long connecting may take, and connecting to a new leader. Default: 5 s.
    #[must_use]
    pub fn message_timeout(mut self, timeout: Duration) -> Self {
        self.message_timeout = timeout;
        self
    }

    /// How long the client waits for a new leader once it lost the old one. Default: twice the leader's heartbeat timeout
    /// as the cluster states it, or 20 s if it does not.
    #[must_use]
    pub fn new_leader_timeout(mut self, timeout: Duration) -> Self {
        self.new_leader_timeout = Some(timeout);
        self
    }

    /// The channel to the cluster; with [`ingress_endpoints`](Self::ingress_endpoints) usually plain `aeron:udp`. It may be
    /// shared memory, UDP to one address, multicast, or have several destinations. Must be set.
    #[must_use]
    pub fn ingress_channel(mut self, channel: impl Into<String>) -> Self {
        self.ingress_channel = channel.into();
        self
    }

    /// Where the members take ingress, as `id=host:port,…`. Default: none, the channel alone says where. Not with IPC.
    #[must_use]
    pub fn ingress_endpoints(mut self, endpoints: impl Into<String>) -> Self {
        self.ingress_endpoints = Some(endpoints.into());
        self
    }

    /// The stream of the ingress. Default: 101.
    #[must_use]
    pub fn ingress_stream_id(mut self, stream_id: i32) -> Self {
        self.ingress_stream_id = stream_id;
        self
    }

    /// The channel on which this client listens for egress. With UDP, port 0 lets the driver choose; `rejoin=false` is added
    /// always, so that a gap is noticed. Must be set.
    #[must_use]
    pub fn egress_channel(mut self, channel: impl Into<String>) -> Self {
        self.egress_channel = channel.into();
        self
    }

    /// The stream of the egress. Default: 102.
    #[must_use]
    pub fn egress_stream_id(mut self, stream_id: i32) -> Self {
        self.egress_stream_id = stream_id;
        self
    }

    /// Whether the ingress publication is an exclusive one. Default: true.
    #[must_use]
    pub fn is_ingress_exclusive(mut self, exclusive: bool) -> Self {
        self.ingress_exclusive = exclusive;
        self
    }

    /// A name of at most 100 bytes that the cluster's counters show. Default: empty.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// The media driver's directory, for a client that makes an Aeron client of its own. Default: as in
    /// [`aeron::Context::dir`](crate::aeron::Context::dir).
    #[must_use]
    pub fn aeron_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.aeron_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// How long the media driver may be silent before the client's own Aeron client gives it up. Default: as in
    /// [`aeron::Context::driver_timeout`](crate::aeron::Context::driver_timeout). Of no use with [`aeron`](Self::aeron).
    #[must_use]
    pub fn driver_timeout(mut self, timeout: Duration) -> Self {
        self.driver_timeout = Some(timeout);
        self
    }

    /// An Aeron client to use. Default: one of its own, closed with it. One
    /// [without a thread](crate::aeron::Context::use_conductor_agent_invoker) is worked by connecting and by every poll.
    #[must_use]
    pub fn aeron(mut self, aeron: Aeron) -> Self {
        self.aeron = Some(aeron);
        self
    }

    /// What else to work while the client waits for the cluster, such as a media driver that shares its thread: it is called while
    /// connecting, and by polls while a new leader is connected to; it returns how much it did. Clients made from
    /// copies of this context share it, and pass it over while another is at it. Default: nothing. Mirrors
    /// `AeronCluster.Context.agentInvoker`.
    #[must_use]
    pub fn agent_invoker(mut self, invoker: impl FnMut() -> usize + Send + 'static) -> Self {
        self.agent_invoker = Some(Arc::new(Mutex::new(invoker)));
        self
    }

    /// How the calls that wait pass the time; each client has a copy of it. Default: [`BackoffIdleStrategy`] with 1 spin, 10
    /// yields, 1 µs.
    #[must_use]
    pub fn idle_strategy(mut self, idle_strategy: impl IdleStrategy + Clone + Send + Sync + 'static) -> Self {
        self.idle_strategy = Arc::new(move || Box::new(idle_strategy.clone()));
        self
    }

    /// What the client proves itself with. Default: empty credentials.
    #[must_use]
    pub fn credentials_supplier(mut self, supplier: impl CredentialsSupplier + Send + 'static) -> Self {
        self.credentials_supplier = Arc::new(Mutex::new(supplier));
        self
    }

    /// What to do with errors that the conductor of the client's own Aeron client reports. See
    /// [`aeron::Context::on_error`](crate::aeron::Context::on_error); of no use with [`aeron`](Self::aeron).
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&Error) + Send + 'static) -> Self {
        self.error_handler = Some(Arc::new(Mutex::new(handler)));
        self
    }

    /// Lets the client tell the cluster by itself that it is alive when it has sent nothing for this long: a poll does it. Must
    /// be shorter than the cluster's session timeout, 10 s by default; 1 s is a good choice. What was claimed does not count as
    /// sent. Default: never, [`AeronCluster::send_keep_alive`](super::AeronCluster::send_keep_alive) is the caller's to call.
    ///
    /// Java has nothing like it.
    #[must_use]
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.keep_alive_interval = Some(interval);
        self
    }

    /// Lets the client open a new session by itself when it has lost its session or the cluster. Default: it closes.
    ///
    /// Polling does the work. Meanwhile the state is [`Reconnecting`](super::State::Reconnecting) and sends answer
    /// [`NotConnected`](crate::aeron::OfferError::NotConnected). The new session is told as a change of state with
    /// [`Reason::NewSession`](super::Reason::NewSession): what was not answered before it may be lost or done, and is not sent
    /// again. An Aeron client of its own that was closed, as it is when the media driver died, is made anew once a driver is
    /// there; one that was [given](Self::aeron) cannot be, and ends the client. A session that the service closed, credentials
    /// that are rejected, and the limits of the policy end it too. The first connection is not repeated.
    ///
    /// Java has nothing like it.
    #[must_use]
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// Where the client looks for the time of its time-outs, for tests that make it up. It must never go back. Default: the
    /// system's monotonic clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("message_timeout", &self.message_timeout)
            .field("new_leader_timeout", &self.new_leader_timeout)
            .field("ingress_channel", &self.ingress_channel)
            .field("ingress_endpoints", &self.ingress_endpoints)
            .field("ingress_stream_id", &self.ingress_stream_id)
            .field("egress_channel", &self.egress_channel)
            .field("egress_stream_id", &self.egress_stream_id)
            .field("ingress_exclusive", &self.ingress_exclusive)
            .field("client_name", &self.client_name)
            .field("aeron_dir", &self.aeron_dir)
            .field("driver_timeout", &self.driver_timeout)
            .field("aeron", &self.aeron)
            .field("keep_alive_interval", &self.keep_alive_interval)
            .field("reconnect", &self.reconnect)
            .finish_non_exhaustive()
    }
}
