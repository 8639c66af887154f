//! The settings of a cluster client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::credentials::{CredentialsSupplier, NullCredentialsSupplier};
use super::endpoints::{self, Endpoint};
use crate::aeron::{Aeron, BackoffIdleStrategy, ChannelUri, Context as AeronContext, IdleStrategy};
use crate::error::{Error, ErrorKind, Result};

/// The longest client name. Java's `Aeron.Configuration.MAX_CLIENT_NAME_LENGTH`.
const MAX_CLIENT_NAME_LENGTH: usize = 100;
const DEFAULT_CLIENT_NAME: &str = "cluster-client";

type ErrorHandler = Box<dyn FnMut(&Error) + Send>;

/// The settings of a cluster client. Mirrors `AeronCluster.Context`.
///
/// Nothing is checked before the client connects; then all of it is, and an error names the setting and the value.
pub struct Context {
    message_timeout: Duration,
    new_leader_timeout: Option<Duration>,
    ingress_channel: String,
    ingress_endpoints: Option<String>,
    ingress_stream_id: i32,
    egress_channel: String,
    egress_stream_id: i32,
    ingress_exclusive: bool,
    client_name: String,
    aeron_dir: Option<PathBuf>,
    aeron: Option<Aeron>,
    idle_strategy: Box<dyn IdleStrategy + Send>,
    credentials_supplier: Box<dyn CredentialsSupplier + Send>,
    error_handler: Option<ErrorHandler>,
}

impl Default for Context {
    fn default() -> Self {
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
            aeron: None,
            idle_strategy: Box::new(BackoffIdleStrategy::new(
                1,
                10,
                Duration::from_micros(1),
                Duration::from_micros(1),
            )),
            credentials_supplier: Box::new(NullCredentialsSupplier),
            error_handler: None,
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

    /// The channel to the cluster; with [`ingress_endpoints`](Self::ingress_endpoints) usually plain `aeron:udp`. Must be
    /// set.
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

    /// An Aeron client to use. Default: one of its own, closed with it.
    #[must_use]
    pub fn aeron(mut self, aeron: Aeron) -> Self {
        self.aeron = Some(aeron);
        self
    }

    /// How the calls that wait pass the time. Default: [`BackoffIdleStrategy`] with 1 spin, 10 yields, 1 µs.
    #[must_use]
    pub fn idle_strategy(mut self, idle_strategy: impl IdleStrategy + Send + 'static) -> Self {
        self.idle_strategy = Box::new(idle_strategy);
        self
    }

    /// What the client proves itself with. Default: empty credentials.
    #[must_use]
    pub fn credentials_supplier(mut self, supplier: impl CredentialsSupplier + Send + 'static) -> Self {
        self.credentials_supplier = Box::new(supplier);
        self
    }

    /// What to do with errors that the conductor of the client's own Aeron client reports. See
    /// [`aeron::Context::on_error`](crate::aeron::Context::on_error); of no use with [`aeron`](Self::aeron).
    #[must_use]
    pub fn on_error(mut self, handler: impl FnMut(&Error) + Send + 'static) -> Self {
        self.error_handler = Some(Box::new(handler));
        self
    }

    /// Checks everything, and connects to the media driver if no Aeron client was given. Mirrors
    /// `AeronCluster.Context.conclude`.
    pub(super) fn conclude(self) -> Result<Settings> {
        let (ingress_channel, members) = self.check_ingress()?;
        let egress_channel = self.check_egress()?;
        self.check_rest()?;
        let aeron = match self.aeron {
            Some(aeron) => aeron,
            None => connect(self.aeron_dir, &self.client_name, self.error_handler)?,
        };
        Ok(Settings {
            message_timeout: self.message_timeout,
            new_leader_timeout: self.new_leader_timeout,
            ingress_channel,
            members,
            ingress_stream_id: self.ingress_stream_id,
            egress_channel,
            egress_stream_id: self.egress_stream_id,
            ingress_exclusive: self.ingress_exclusive,
            client_name: self.client_name,
            aeron,
            idle_strategy: self.idle_strategy,
            credentials_supplier: self.credentials_supplier,
        })
    }

    fn check_ingress(&self) -> Result<(ChannelUri, Option<Vec<Endpoint>>)> {
        if self.ingress_channel.is_empty() {
            return Err(invalid("ingressChannel must be specified".to_owned()));
        }
        let channel = ChannelUri::parse(&self.ingress_channel).map_err(|error| error.context("ingressChannel"))?;
        if channel.is_ipc() && self.ingress_endpoints.is_some() {
            return Err(invalid(
                "AeronCluster.Context ingressEndpoints must be null when using IPC ingress".to_owned(),
            ));
        }
        let members = self.ingress_endpoints.as_deref().map(endpoints::parse).transpose();
        Ok((channel, members.map_err(|error| error.context("ingressEndpoints"))?))
    }

    fn check_egress(&self) -> Result<String> {
        if self.egress_channel.is_empty() {
            return Err(invalid("egressChannel must be specified".to_owned()));
        }
        let mut channel = ChannelUri::parse(&self.egress_channel).map_err(|error| error.context("egressChannel"))?;
        if channel.is_udp() {
            channel.put("rejoin", "false");
        }
        Ok(channel.to_string())
    }

    fn check_rest(&self) -> Result<()> {
        if self.client_name.len() > MAX_CLIENT_NAME_LENGTH {
            return Err(invalid(format!(
                "AeronCluster.Context.clientName length must be <= {MAX_CLIENT_NAME_LENGTH}: {:?}",
                self.client_name
            )));
        }
        if self.message_timeout.is_zero() {
            return Err(invalid("messageTimeout must be positive, but was 0".to_owned()));
        }
        if self.new_leader_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(invalid("newLeaderTimeout must be positive, but was 0".to_owned()));
        }
        Ok(())
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

fn connect(dir: Option<PathBuf>, client_name: &str, error_handler: Option<ErrorHandler>) -> Result<Aeron> {
    let name = if client_name.is_empty() { DEFAULT_CLIENT_NAME } else { client_name };
    let mut context = AeronContext::new().client_name(name);
    if let Some(dir) = dir {
        context = context.dir(dir);
    }
    if let Some(handler) = error_handler {
        context = context.on_error(handler);
    }
    Aeron::connect(context)
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
            .field("aeron", &self.aeron)
            .finish_non_exhaustive()
    }
}

/// The settings after they were checked.
pub(super) struct Settings {
    pub(super) message_timeout: Duration,
    pub(super) new_leader_timeout: Option<Duration>,
    pub(super) ingress_channel: ChannelUri,
    pub(super) members: Option<Vec<Endpoint>>,
    pub(super) ingress_stream_id: i32,
    pub(super) egress_channel: String,
    pub(super) egress_stream_id: i32,
    pub(super) ingress_exclusive: bool,
    pub(super) client_name: String,
    pub(super) aeron: Aeron,
    pub(super) idle_strategy: Box<dyn IdleStrategy + Send>,
    pub(super) credentials_supplier: Box<dyn CredentialsSupplier + Send>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(context: Context) -> String {
        match context.conclude() {
            Ok(_) => panic!("not refused"),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn what_must_be_set_is_named_in_the_words_of_java() {
        let ipc = || Context::new().ingress_channel("aeron:ipc");
        assert_eq!(refused(Context::new()), "ingressChannel must be specified");
        assert_eq!(refused(ipc()), "egressChannel must be specified");
        assert_eq!(
            refused(ipc().ingress_endpoints("0=a:1")),
            "AeronCluster.Context ingressEndpoints must be null when using IPC ingress"
        );
        let udp = || Context::new().ingress_channel("aeron:udp").egress_channel("aeron:udp?endpoint=localhost:0");
        assert_eq!(refused(udp().ingress_endpoints("a:1")), "ingressEndpoints: endpoint missing '=' separator: a:1");
        let long = "x".repeat(101);
        assert!(refused(udp().client_name(&long)).starts_with("AeronCluster.Context.clientName length must be <= 100"));
        assert!(refused(udp().new_leader_timeout(Duration::ZERO)).contains("newLeaderTimeout must be positive"));
        assert!(refused(udp().message_timeout(Duration::ZERO)).contains("messageTimeout must be positive"));
        assert!(refused(Context::new().ingress_channel("udp")).starts_with("ingressChannel: "));
    }

    #[test]
    fn udp_egress_never_rejoins() {
        let egress = |channel: &str| Context::new().egress_channel(channel).check_egress().expect("a channel");
        assert_eq!(egress("aeron:udp?endpoint=localhost:0"), "aeron:udp?endpoint=localhost:0|rejoin=false");
        assert_eq!(egress("aeron:udp?rejoin=true|endpoint=a:1"), "aeron:udp?rejoin=false|endpoint=a:1");
        assert_eq!(egress("aeron:ipc"), "aeron:ipc");
    }
}
