//! The settings of a cluster client, after they have been checked.

use std::cell::Cell;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::context::{AgentInvoker, Clock, Context, ErrorHandler, Shared};
use super::endpoints::{self, Endpoint};
use super::reconnect::Reconnect;
use crate::aeron::{Aeron, ChannelUri, Context as AeronContext, IdleStrategy, driver_is_alive};
use crate::error::{Error, ErrorKind, Result};
use crate::security::CredentialsSupplier;

/// The longest client name. Java's `Aeron.Configuration.MAX_CLIENT_NAME_LENGTH`.
const MAX_CLIENT_NAME_LENGTH: usize = 100;
/// Longer time-outs are cut to this, so that adding them to a time cannot overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long to wait for a closed Aeron client to report why.
const LAST_WORDS: Duration = Duration::from_millis(500);
const DEFAULT_CLIENT_NAME: &str = "cluster-client";

pub(super) struct Settings {
    pub(super) message_timeout: Duration,
    pub(super) new_leader_timeout: Option<Duration>,
    pub(super) ingress_channel: ChannelUri,
    /// As the user gave them. What the cluster later says about its members does not change them.
    pub(super) members: Option<Vec<Endpoint>>,
    pub(super) ingress_stream_id: i32,
    pub(super) egress_channel: String,
    pub(super) egress_stream_id: i32,
    pub(super) ingress_exclusive: bool,
    pub(super) client_name: String,
    pub(super) aeron: Aeron,
    /// How to make the client's own Aeron client; `None` if one was supplied.
    own_aeron: Option<OwnAeron>,
    pub(super) idle_strategy: Box<dyn IdleStrategy + Send>,
    credentials_supplier: Shared<dyn CredentialsSupplier + Send>,
    pub(super) keep_alive_interval: Option<Duration>,
    pub(super) reconnect: Option<Reconnect>,
    clock: Arc<Clock>,
    agent_invoker: Option<Shared<AgentInvoker>>,
    /// When the Aeron client was first seen closed.
    closed_since: Cell<Option<Instant>>,
}

impl Settings {
    #[inline]
    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Runs the conductor of an Aeron client that has no thread for it, and the user's invoker. Returns the amount of work done.
    /// Mirrors `AeronCluster.Context.runAgentInvokers`.
    pub(super) fn run_invokers(&self) -> usize {
        // Clients made from clones of one context share the invoker. If it is running already, perhaps further up this stack, it is skipped.
        let work = self.agent_invoker.as_ref().map_or(0, |invoker| match invoker.try_lock() {
            Ok(mut invoker) => invoker(),
            Err(TryLockError::Poisoned(invoker)) => invoker.into_inner()(),
            Err(TryLockError::WouldBlock) => 0,
        });
        work + self.aeron.drive()
    }

    pub(super) fn encoded_credentials(&self) -> Vec<u8> {
        self.credentials_supplier.lock().unwrap_or_else(PoisonError::into_inner).encoded_credentials()
    }

    pub(super) fn on_challenge(&self, encoded_challenge: &[u8]) -> Vec<u8> {
        self.credentials_supplier.lock().unwrap_or_else(PoisonError::into_inner).on_challenge(encoded_challenge)
    }

    /// Whether [`renew_aeron`](Self::renew_aeron) can replace the Aeron client when it is closed.
    pub(super) fn owns_aeron(&self) -> bool {
        self.own_aeron.is_some()
    }

    /// `Some` if the Aeron client is closed, with the error that closed it if it reported one.
    pub(super) fn end_of_aeron(&self) -> Option<Option<Error>> {
        if !self.aeron.is_closed() {
            return None;
        }
        // C closes the client before it reports why.
        let since = self.closed_since.get().unwrap_or_else(Instant::now);
        self.closed_since.set(Some(since));
        let why = self.aeron.last_error();
        (why.is_some() || since.elapsed() > LAST_WORDS).then_some(why)
    }

    /// Replaces a closed Aeron client. Without a live driver this is an error at once; otherwise it blocks until the driver answers.
    pub(super) fn renew_aeron(&mut self) -> Result<()> {
        let Some(own) = self.own_aeron.as_ref().filter(|_| self.aeron.is_closed()) else { return Ok(()) };
        let dir = self.aeron.dir();
        if !driver_is_alive(dir, self.aeron.driver_timeout())? {
            let message = format!("the media driver in {} shows no sign of life", dir.display());
            return Err(Error::new(ErrorKind::DriverDead, message));
        }
        self.aeron = own.connect()?;
        self.closed_since.set(None);
        Ok(())
    }
}

/// The settings of a client's own Aeron client.
struct OwnAeron {
    dir: Option<std::path::PathBuf>,
    driver_timeout: Option<Duration>,
    name: String,
    error_handler: Option<Shared<ErrorHandler>>,
}

impl OwnAeron {
    fn connect(&self) -> Result<Aeron> {
        let mut context = AeronContext::new().client_name(&self.name);
        if let Some(dir) = &self.dir {
            context = context.dir(dir);
        }
        if let Some(timeout) = self.driver_timeout {
            context = context.driver_timeout(timeout);
        }
        if let Some(handler) = self.error_handler.clone() {
            context = context.on_error(move |error| (handler.lock().unwrap_or_else(PoisonError::into_inner))(error));
        }
        Aeron::connect(context)
    }
}

impl Context {
    /// Checks the settings, and connects to the media driver if no Aeron client was given. Mirrors
    /// `AeronCluster.Context.conclude`.
    pub(super) fn conclude(self) -> Result<Settings> {
        let (ingress_channel, members) = self.check_ingress()?;
        let egress_channel = self.check_egress()?;
        self.check_rest()?;
        let name = if self.client_name.is_empty() { DEFAULT_CLIENT_NAME } else { &self.client_name };
        let own = OwnAeron {
            dir: self.aeron_dir,
            driver_timeout: self.driver_timeout,
            name: name.to_owned(),
            error_handler: self.error_handler,
        };
        let (aeron, own_aeron) = match self.aeron {
            Some(aeron) => (aeron, None),
            None => (own.connect()?, Some(own)),
        };
        Ok(Settings {
            message_timeout: self.message_timeout.min(LONGEST_TIMEOUT),
            new_leader_timeout: self.new_leader_timeout.map(|timeout| timeout.min(LONGEST_TIMEOUT)),
            ingress_channel,
            members,
            ingress_stream_id: self.ingress_stream_id,
            egress_channel,
            egress_stream_id: self.egress_stream_id,
            ingress_exclusive: self.ingress_exclusive,
            client_name: self.client_name,
            aeron,
            own_aeron,
            idle_strategy: (self.idle_strategy)(),
            credentials_supplier: self.credentials_supplier,
            keep_alive_interval: self.keep_alive_interval,
            reconnect: self.reconnect,
            clock: self.clock,
            agent_invoker: self.agent_invoker,
            closed_since: Cell::new(None),
        })
    }

    fn check_ingress(&self) -> Result<(ChannelUri, Option<Vec<Endpoint>>)> {
        if self.ingress_channel.is_empty() {
            return Err(invalid("ingressChannel must be specified"));
        }
        let channel = ChannelUri::parse(&self.ingress_channel).map_err(|error| error.context("ingressChannel"))?;
        if channel.is_ipc() && self.ingress_endpoints.is_some() {
            return Err(invalid("AeronCluster.Context ingressEndpoints must be null when using IPC ingress"));
        }
        let members = self.ingress_endpoints.as_deref().map(endpoints::parse).transpose();
        Ok((channel, members.map_err(|error| error.context("ingressEndpoints"))?))
    }

    fn check_egress(&self) -> Result<String> {
        if self.egress_channel.is_empty() {
            return Err(invalid("egressChannel must be specified"));
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
        for (name, duration) in [
            ("messageTimeout", Some(self.message_timeout)),
            ("newLeaderTimeout", self.new_leader_timeout),
            ("keepAliveInterval", self.keep_alive_interval),
        ] {
            if duration.is_some_and(|duration| duration.is_zero()) {
                return Err(invalid(format!("{name} must be positive, but was 0")));
            }
        }
        self.reconnect.as_ref().map_or(Ok(()), Reconnect::check)
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
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
        assert!(refused(udp().keep_alive_interval(Duration::ZERO)).contains("keepAliveInterval must be positive"));
        assert!(refused(udp().reconnect(Reconnect::new().max_attempts(0))).contains("maxAttempts"));
        assert!(refused(Context::new().ingress_channel("udp")).starts_with("ingressChannel: "));
    }

    #[test]
    fn a_copy_has_the_same_settings() {
        let original =
            Context::new().message_timeout(Duration::from_nanos(42)).new_leader_timeout(Duration::from_nanos(43));
        let original = original.aeron_dir("custom-dir").client_name("desk").ingress_endpoints("0=a:1");
        assert_eq!(format!("{:?}", original.clone()), format!("{original:?}"));
    }

    #[test]
    fn udp_egress_never_rejoins() {
        let egress = |channel: &str| Context::new().egress_channel(channel).check_egress().expect("a channel");
        assert_eq!(egress("aeron:udp?endpoint=localhost:0"), "aeron:udp?endpoint=localhost:0|rejoin=false");
        assert_eq!(egress("aeron:udp?rejoin=true|endpoint=a:1"), "aeron:udp?rejoin=false|endpoint=a:1");
        assert_eq!(egress("aeron:ipc"), "aeron:ipc");
    }
}
