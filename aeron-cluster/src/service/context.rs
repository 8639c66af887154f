//! The settings of a container.

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
    /// The node ends, in order, and what failed is not consumed: a replica that applied half a message must not go on.
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
    /// Settings with Java's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The media driver's directory. Default: the C client's (`AERON_DIR`, else by platform).
    #[must_use]
    pub fn aeron_directory_name(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.aeron_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// A client to use instead of one of the container's own; the driver is then the client's. The conductor of the container's own looks for
    /// work every 4 ms, and 0.1 ms after it found some, or as often as `AERON_CLIENT_IDLE_SLEEP_DURATION` says: start and first answers wait
    /// for it, and an idle container wakes up for it. C's default for others is 16 ms ([`conductor_idle_strategy`](crate::aeron::Context::conductor_idle_strategy)). The container works the conductor of one
    /// that has no thread for it ([`use_conductor_agent_invoker`](crate::aeron::Context::use_conductor_agent_invoker)).
    ///
    /// The consensus module knows that the service is alive by the heartbeat of this client. If the container ends while the
    /// program keeps the client, the consensus module goes on as if the service were there, and waits for
    /// acknowledgements that never come. So let the client go, all clones and handles of it, when the container ends: in
    /// [`termination_hook`](Self::termination_hook), or by ending the process. Errors that the client's conductor reports go
    /// to the client's own error handler.
    #[must_use]
    pub fn aeron(mut self, aeron: Aeron) -> Self {
        self.aeron = Some(aeron);
        self
    }

    /// The directory of the node, which the consensus module uses too. Made if it is not there. Default: `aeron-cluster`
    /// in the working directory.
    #[must_use]
    pub fn cluster_directory_name(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.cluster_dir = dir.as_ref().to_path_buf();
        self
    }

    /// The directory of the mark file, if it is not to be the cluster directory.
    #[must_use]
    pub fn mark_file_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.mark_file_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// How long to wait for a mark file that is still active: after a crash where nothing proves the owner dead. Default:
    /// 12 s. Zero fails at once, as Java does.
    #[must_use]
    pub fn mark_file_wait(mut self, wait: Duration) -> Self {
        self.settings.mark_file_wait = wait;
        self
    }

    /// The length of the error log in the mark file, in bytes. Default and least: 1 MiB.
    #[must_use]
    pub fn error_buffer_length(mut self, length: usize) -> Self {
        self.settings.error_buffer_length = length;
        self
    }

    /// The id of the cluster, as its consensus modules have it. Default: 0.
    #[must_use]
    pub fn cluster_id(mut self, cluster_id: i32) -> Self {
        self.settings.cluster_id = cluster_id;
        self
    }

    /// The id of the service within its node, 0 to 9 and below the consensus module's service count. Default: 0.
    #[must_use]
    pub fn service_id(mut self, service_id: i32) -> Self {
        self.settings.service_id = service_id;
        self
    }

    /// The name of the service: of its thread, of its Aeron client, and in the mark file. Default:
    /// `clustered-service-<cluster id>-<service id>`. At most 100 bytes; of a thread's name Linux shows the first 15.
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

    /// Whether the application of the first version, this one, can go on with a snapshot or a log of the second. Default:
    /// if the major versions are the same.
    #[must_use]
    pub fn app_version_validator(
        mut self,
        validator: impl Fn(SemanticVersion, SemanticVersion) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.version_validator = Box::new(validator);
        self
    }

    /// The channel between consensus module and services. Default: `aeron:ipc?term-length=128k`.
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

    /// Whether the service answers clients. If not, no publications to clients are added and sends to them answer
    /// `NotConnected`. Default: true.
    #[must_use]
    pub fn is_responding_service(mut self, responding: bool) -> Self {
        self.settings.is_responding_service = responding;
        self
    }

    /// The MTU of publications to clients whose channel names none, in bytes: what the media drivers of the members have. Default: 1408,
    /// theirs. From the environment it is read under the drivers' name, `AERON_MTU_LENGTH`.
    ///
    /// A send answers the same on every member, leader or not, and this is what it knows of the length of a packet; so the setting must be
    /// the same on all. Where a driver has less, what does not fit is answered with `NotConnected` and recorded.
    #[must_use]
    pub fn response_mtu_length(mut self, bytes: usize) -> Self {
        self.settings.response_mtu_length = bytes;
        self
    }

    /// The term length of publications to clients whose channel names none, in bytes: an eighth of it is the longest message. Default:
    /// 16 MiB, the drivers'. Otherwise as [`response_mtu_length`](Self::response_mtu_length), with `AERON_TERM_BUFFER_LENGTH`.
    #[must_use]
    pub fn response_term_length(mut self, bytes: usize) -> Self {
        self.settings.response_term_length = bytes;
        self
    }

    /// The most fragments of the log to process before looking at anything else. Default: 50.
    #[must_use]
    pub fn log_fragment_limit(mut self, limit: usize) -> Self {
        self.settings.log_fragment_limit = limit;
        self
    }

    /// How the container passes the time without work. Called twice: for its thread, and for callbacks that wait.
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

    /// What to do when a message of this service comes back from the log otherwise than this member sent it:
    /// [`Cluster::divergence`](super::Cluster::divergence). Default: record and count it, and go on. To end the node is safer: what it would do
    /// next cannot be right on all members. It may be in order again once it has replayed the log.
    #[must_use]
    pub fn divergence_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.divergence_policy = policy;
        self
    }

    /// How long a duty cycle may take: longer ones are counted (counter 219). Default: 100 ms.
    #[must_use]
    pub fn cycle_threshold(mut self, threshold: Duration) -> Self {
        self.settings.cycle_threshold = threshold;
        self
    }

    /// How long a snapshot may take: longer ones are counted (counter 237). Default: 1 s.
    #[must_use]
    pub fn snapshot_duration_threshold(mut self, threshold: Duration) -> Self {
        self.settings.snapshot_duration_threshold = threshold;
        self
    }

    /// What to do with errors, besides recording and counting them. Called on the container's thread or on the client's
    /// conductor; must not block. Default: print to standard error.
    #[must_use]
    pub fn error_handler(mut self, handler: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.error_handler = Some(Box::new(handler));
        self
    }

    /// What to do when the container ends for another reason than being closed, told why. Called on the container's thread,
    /// also when the start failed. Default: nothing.
    #[must_use]
    pub fn extended_termination_hook(mut self, hook: impl FnOnce(&Error) + Send + 'static) -> Self {
        self.termination_hooks.extended = Some(Box::new(hook));
        self
    }

    /// What to do when the container ends for another reason than being closed, after
    /// [`extended_termination_hook`](Self::extended_termination_hook), and even if that one panicked. Default: nothing.
    #[must_use]
    pub fn termination_hook(mut self, hook: impl FnOnce() + Send + 'static) -> Self {
        self.termination_hooks.plain = Some(Box::new(hook));
        self
    }

    /// The processor on which the container's thread is to stay, counted as the operating system does. Linux only, and only for a
    /// container with a thread of its own; its Aeron client's conductor stays free. Default: none.
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

    /// The settings made so far.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("aeron", &self.aeron).field("settings", &self.settings).finish_non_exhaustive()
    }
}
