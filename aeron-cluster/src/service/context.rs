//! The builder of a container's settings.

use std::path::Path;
use std::time::Duration;

use super::error_sink::ErrorHandler;
use super::hooks::TerminationHooks;
use super::settings::Settings;
use crate::aeron::{Aeron, IdleStrategy};
use crate::codec::SemanticVersion;
use crate::error::Error;

/// What to do when a callback panics or the log cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// The node ends in an orderly way, and the message is not consumed: a replica that applied half a message must not go on.
    #[default]
    Terminate,
    /// Java's way: the failure is recorded and counted, the message counts as processed, and the replica goes on.
    LogAndContinue,
}

/// The settings of a [`ClusteredServiceContainer`](super::ClusteredServiceContainer), with Java's names and defaults.
/// Mirrors `ClusteredServiceContainer.Context`.
#[derive(Default)]
pub struct Context {
    pub(super) settings: Settings,
    pub(super) aeron: Option<Aeron>,
    pub(super) error_handler: Option<ErrorHandler>,
    pub(super) termination_hooks: TerminationHooks,
}

impl Context {
    /// A context with Java's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The media driver's directory. Default: the C client's (`AERON_DIR`, else by platform).
    #[must_use]
    pub fn aeron_directory_name(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.aeron_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// An Aeron client to use instead of one that the container makes; the media driver is then that client's. If the client's conductor has no
    /// thread ([`use_conductor_agent_invoker`](crate::aeron::Context::use_conductor_agent_invoker)), the container runs it.
    ///
    /// In a client that the container makes, the conductor runs every 4 ms, and 0.1 ms after a run that found work; or as often as
    /// `AERON_CLIENT_IDLE_SLEEP_DURATION` says. With C's default of 16 ms
    /// ([`conductor_idle_strategy`](crate::aeron::Context::conductor_idle_strategy)) starts and first answers take longer, and an idle
    /// container wakes up less often.
    ///
    /// The consensus module takes the service for alive as long as this client shows a heartbeat. If the container ends while the
    /// program keeps the client, the consensus module goes on as if the service were there, and waits for
    /// acknowledgements that never come. So drop the client, with all its clones and handles, when the container ends: in
    /// [`termination_hook`](Self::termination_hook), or by ending the process. Errors of the client's conductor go
    /// to the client's own error handler.
    #[must_use]
    pub fn aeron(mut self, aeron: Aeron) -> Self {
        self.aeron = Some(aeron);
        self
    }

    /// The cluster directory of the member, the same as its consensus module's. Created if missing. Default: `aeron-cluster`
    /// in the working directory.
    #[must_use]
    pub fn cluster_directory_name(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.cluster_dir = dir.as_ref().to_path_buf();
        self
    }

    /// The directory of the mark file. Created if missing. Default: the cluster directory.
    #[must_use]
    pub fn mark_file_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.mark_file_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// How long to wait for a mark file that still looks active, as after a crash when nothing proves that its owner is dead. Default:
    /// 12 s. Zero fails at once, as Java does.
    #[must_use]
    pub fn mark_file_wait(mut self, wait: Duration) -> Self {
        self.settings.mark_file_wait = wait;
        self
    }

    /// The length of the error log in the mark file, in bytes. Default and minimum: 1 MiB.
    #[must_use]
    pub fn error_buffer_length(mut self, length: usize) -> Self {
        self.settings.error_buffer_length = length;
        self
    }

    /// The id of the cluster, the same as in its consensus modules. Default: 0.
    #[must_use]
    pub fn cluster_id(mut self, cluster_id: i32) -> Self {
        self.settings.cluster_id = cluster_id;
        self
    }

    /// The id of the service within its member: 0 to 9, and less than the consensus module's service count. Default: 0.
    #[must_use]
    pub fn service_id(mut self, service_id: i32) -> Self {
        self.settings.service_id = service_id;
        self
    }

    /// The name of the service, used for its thread, its Aeron client and in the mark file. Default:
    /// `clustered-service-<cluster id>-<service id>`. At most 100 bytes; Linux shows the first 15 of a thread's name.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.settings.service_name = name.into();
        self
    }

    /// The version of the application. Default: 0.0.1.
    #[must_use]
    pub fn app_version(mut self, version: SemanticVersion) -> Self {
        self.settings.app_version = version;
        self
    }

    /// Decides whether this application (first argument) can go on with a snapshot or log of another version (second argument). Called on
    /// the container's thread. Default: if the major versions are equal.
    #[must_use]
    pub fn app_version_validator(
        mut self,
        validator: impl Fn(SemanticVersion, SemanticVersion) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.version_validator = Box::new(validator);
        self
    }

    /// The channel between consensus module and services, the same as in the consensus module. Default: `aeron:ipc?term-length=128k`.
    #[must_use]
    pub fn control_channel(mut self, channel: impl Into<String>) -> Self {
        self.settings.control_channel = channel.into();
        self
    }

    /// The stream from services to the consensus module. Default: 105.
    #[must_use]
    pub fn consensus_module_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.consensus_module_stream_id = stream_id;
        self
    }

    /// The stream from the consensus module to services. Default: 104.
    #[must_use]
    pub fn service_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.service_stream_id = stream_id;
        self
    }

    /// The channel on which the archive replays snapshots. Default: `aeron:ipc`.
    #[must_use]
    pub fn replay_channel(mut self, channel: impl Into<String>) -> Self {
        self.settings.replay_channel = channel.into();
        self
    }

    /// The stream on which the archive replays snapshots. Default: 103.
    #[must_use]
    pub fn replay_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.replay_stream_id = stream_id;
        self
    }

    /// The channel on which snapshots are recorded. Default: `aeron:ipc?alias=snapshot`.
    #[must_use]
    pub fn snapshot_channel(mut self, channel: impl Into<String>) -> Self {
        self.settings.snapshot_channel = channel.into();
        self
    }

    /// The stream on which snapshots are recorded. Default: 106.
    #[must_use]
    pub fn snapshot_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.snapshot_stream_id = stream_id;
        self
    }

    /// Whether the service sends to clients. If not, no publications to clients are added, and sends to them return
    /// `NotConnected`. Default: true.
    #[must_use]
    pub fn is_responding_service(mut self, responding: bool) -> Self {
        self.settings.is_responding_service = responding;
        self
    }

    /// The MTU, in bytes, of publications to clients whose channel does not set one: the MTU of the members' media drivers. Default: 1408,
    /// as theirs. `Context::from_env` reads it from the drivers' variable, `AERON_MTU_LENGTH`.
    ///
    /// From it every member, leader or not, computes how long a message may be, so that a send gets the same answer on all. So set it to the same
    /// value on all members. If a driver's MTU is smaller, a message that does not fit is refused with `NotConnected`, and that is recorded.
    #[must_use]
    pub fn response_mtu_length(mut self, bytes: usize) -> Self {
        self.settings.response_mtu_length = bytes;
        self
    }

    /// The term length, in bytes, of publications to clients whose channel does not set one; the longest message is an eighth of it. Default:
    /// 16 MiB, as the drivers'. Otherwise as [`response_mtu_length`](Self::response_mtu_length), with the variable `AERON_TERM_BUFFER_LENGTH`.
    #[must_use]
    pub fn response_term_length(mut self, bytes: usize) -> Self {
        self.settings.response_term_length = bytes;
        self
    }

    /// The most fragments of the log to process in one duty cycle, before anything else is looked at. Default: 50.
    #[must_use]
    pub fn log_fragment_limit(mut self, limit: usize) -> Self {
        self.settings.log_fragment_limit = limit;
        self
    }

    /// Supplies the strategies by which the container idles. Called twice at launch: for its thread, and for callbacks that wait.
    /// Default: [`BackoffIdleStrategy`](crate::aeron::BackoffIdleStrategy).
    #[must_use]
    pub fn idle_strategy_supplier(
        mut self,
        supplier: impl Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync + 'static,
    ) -> Self {
        self.settings.idle_strategy = Box::new(supplier);
        self.settings.idle_strategy_name = "custom";
        self
    }

    /// What to do when a callback panics or the log cannot be read. Default: end the node.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.failure_policy = policy;
        self
    }

    /// What to do when a message of this service in the log differs from what this member sent; see
    /// [`Cluster::divergence`](super::Cluster::divergence). Default: record and count it, and go on. To end the node is safer, since the members'
    /// states already differ. After a restart, replaying the log may make them equal again.
    #[must_use]
    pub fn divergence_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.divergence_policy = policy;
        self
    }

    /// How long a duty cycle may take. Longer ones are counted (counter type 219). Default: 100 ms.
    #[must_use]
    pub fn cycle_threshold(mut self, threshold: Duration) -> Self {
        self.settings.cycle_threshold = threshold;
        self
    }

    /// How long a snapshot may take. Longer ones are counted (counter type 237). Default: 1 s.
    #[must_use]
    pub fn snapshot_duration_threshold(mut self, threshold: Duration) -> Self {
        self.settings.snapshot_duration_threshold = threshold;
        self
    }

    /// Called with every error, which is recorded in any case. Runs on the container's thread or on the conductor of its
    /// Aeron client, and must not block. Default: print to standard error.
    #[must_use]
    pub fn error_handler(mut self, handler: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.error_handler = Some(Box::new(handler));
        self
    }

    /// Called with the cause when the container ends for any reason but being closed, a failed start included. Runs on the container's
    /// thread. Default: nothing.
    #[must_use]
    pub fn extended_termination_hook(mut self, hook: impl FnOnce(&Error) + Send + 'static) -> Self {
        self.termination_hooks.extended = Some(Box::new(hook));
        self
    }

    /// Called like [`extended_termination_hook`](Self::extended_termination_hook), but without the cause, after it, and even if it
    /// panicked. Default: nothing.
    #[must_use]
    pub fn termination_hook(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.termination_hooks.plain = Some(Box::new(hook));
        self
    }

    /// The processor to pin the container's thread to, numbered as the operating system does. Linux only, and only for a
    /// container with a thread of its own. The conductor of its Aeron client is not pinned. Default: none.
    #[must_use]
    pub fn cpu_affinity(mut self, cpu: usize) -> Self {
        self.settings.cpu_affinity = Some(cpu);
        self
    }

    /// Whether to print the settings to standard output when the container starts. Default: false.
    #[must_use]
    pub fn print_configuration(mut self, print: bool) -> Self {
        self.settings.print_configuration = print;
        self
    }

    /// The settings so far, before checks and defaults.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("aeron", &self.aeron).field("settings", &self.settings).finish_non_exhaustive()
    }
}
