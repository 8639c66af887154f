//! The builder of a cluster client's settings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::reconnect::Reconnect;
use crate::aeron::{Aeron, BackoffIdleStrategy, IdleStrategy};
use crate::error::Error;
use crate::security::{CredentialsSupplier, NullCredentialsSupplier};

/// What a context shares with its clones.
pub(super) type Shared<T> = Arc<Mutex<T>>;
pub(super) type ErrorHandler = dyn FnMut(&Error) + Send;
type MakeIdleStrategy = dyn Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync;
pub(super) type AgentInvoker = dyn FnMut() -> usize + Send;
pub(super) type Clock = dyn Fn() -> Instant + Send + Sync;

/// The settings of a cluster client. Mirrors `AeronCluster.Context`.
///
/// All settings are checked when the client connects; an error names the setting and the value. Connecting consumes the context: to connect
/// again with the same settings, keep a clone. As in Java, a clone shares credentials supplier, error handler, invoker and Aeron client
/// with the original.
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
    /// A context with Java's defaults. Does not read the environment; [`from_env`](Self::from_env) does.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long connecting to the cluster, and later to a new leader, may take. Default: 5 s.
    #[must_use]
    pub fn message_timeout(mut self, timeout: Duration) -> Self {
        self.message_timeout = timeout;
        self
    }

    /// How long the client waits for a new leader once the old one is lost. Default: twice the leader's heartbeat timeout
    /// as reported by the cluster, or 20 s if it does not report one.
    #[must_use]
    pub fn new_leader_timeout(mut self, timeout: Duration) -> Self {
        self.new_leader_timeout = Some(timeout);
        self
    }

    /// The channel to the cluster; plain `aeron:udp` together with [`ingress_endpoints`](Self::ingress_endpoints). It can also be
    /// IPC, UDP to one address, multicast, or multi-destination. Must be set.
    #[must_use]
    pub fn ingress_channel(mut self, channel: impl Into<String>) -> Self {
        self.ingress_channel = channel.into();
        self
    }

    /// The ingress addresses of the members, as `id=host:port,…`. Default: none; then the channel must have the address. Not allowed with IPC.
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

    /// The channel on which this client receives egress. With UDP, port 0 lets the driver choose the port, and the client adds `rejoin=false`,
    /// so that a gap is noticed. Must be set.
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

    /// Whether the ingress publication is exclusive. Default: true.
    #[must_use]
    pub fn is_ingress_exclusive(mut self, exclusive: bool) -> Self {
        self.ingress_exclusive = exclusive;
        self
    }

    /// A name of at most 100 bytes, shown in the cluster's counters. Default: empty.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// The media driver's directory. Ignored with [`aeron`](Self::aeron). Default: as in
    /// [`aeron::Context::dir`](crate::aeron::Context::dir).
    #[must_use]
    pub fn aeron_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.aeron_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// How long the media driver may be silent before the client's own Aeron client takes it for dead. Ignored with [`aeron`](Self::aeron).
    /// Default: as in [`aeron::Context::driver_timeout`](crate::aeron::Context::driver_timeout).
    #[must_use]
    pub fn driver_timeout(mut self, timeout: Duration) -> Self {
        self.driver_timeout = Some(timeout);
        self
    }

    /// An Aeron client to use. If its conductor has
    /// [no thread](crate::aeron::Context::use_conductor_agent_invoker), connecting and every poll run it. Default: the cluster client makes one
    /// and closes it with itself.
    #[must_use]
    pub fn aeron(mut self, aeron: Aeron) -> Self {
        self.aeron = Some(aeron);
        self
    }

    /// Other work to run while the client waits for the cluster, such as a media driver on the same thread. It is called while
    /// connecting, and by polls while connecting to a new leader, and returns the amount of work done. Clients made from
    /// clones of this context share it; a client skips it while another is running it. Default: none. Mirrors
    /// `AeronCluster.Context.agentInvoker`.
    #[must_use]
    pub fn agent_invoker(mut self, invoker: impl FnMut() -> usize + Send + 'static) -> Self {
        self.agent_invoker = Some(Arc::new(Mutex::new(invoker)));
        self
    }

    /// The idle strategy of blocking calls; each client gets a clone. Default: [`BackoffIdleStrategy`] with 1 spin, 10
    /// yields and parks of 1 µs.
    #[must_use]
    pub fn idle_strategy(mut self, idle_strategy: impl IdleStrategy + Clone + Send + Sync + 'static) -> Self {
        self.idle_strategy = Arc::new(move || Box::new(idle_strategy.clone()));
        self
    }

    /// Supplies the credentials. Called on the thread that connects. Default: empty credentials.
    #[must_use]
    pub fn credentials_supplier(mut self, supplier: impl CredentialsSupplier + Send + 'static) -> Self {
        self.credentials_supplier = Arc::new(Mutex::new(supplier));
        self
    }

    /// Called with errors of the conductor of the client's own Aeron client, on the conductor's thread. See
    /// [`aeron::Context::on_error`](crate::aeron::Context::on_error). Ignored with [`aeron`](Self::aeron).
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&Error) + Send + 'static) -> Self {
        self.error_handler = Some(Arc::new(Mutex::new(handler)));
        self
    }

    /// Lets polls send a keep-alive when the client has sent nothing for this long. Must
    /// be shorter than the cluster's session timeout, 10 s by default; 1 s is a good choice. Claims do not count as
    /// sent. Default: never; call [`AeronCluster::send_keep_alive`](super::AeronCluster::send_keep_alive) yourself.
    ///
    /// Java has no such setting.
    #[must_use]
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.keep_alive_interval = Some(interval);
        self
    }

    /// Lets the client open a new session by itself when its session or the cluster is lost. Default: it closes.
    ///
    /// Polls do the work. Until then the state is [`Reconnecting`](super::State::Reconnecting) and sends return
    /// [`NotConnected`](crate::aeron::OfferError::NotConnected). The new session is reported as a change of state with
    /// [`Reason::NewSession`](super::Reason::NewSession). Requests that were unanswered by then may have been lost or processed; they are not sent
    /// again. If the client's own Aeron client was closed, as it is when the media driver dies, a new one is made once a driver is
    /// there. The client still closes if an Aeron client that it was [given](Self::aeron) is closed, if the service closed the session, if
    /// credentials are rejected, and at the limits of the policy. It does not apply to the first connection.
    ///
    /// Java has no such setting.
    #[must_use]
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// The clock of the client's time-outs, for tests. It must never go back. Default: the system's monotonic clock.
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
