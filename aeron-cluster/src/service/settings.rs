//! The settings of a container, once its context is concluded: checked, with defaults filled in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::context::FailurePolicy;
use super::{affinity, mark_file, send_limits};
use crate::aeron::{self, Aeron, AsyncAdd, BackoffIdleStrategy, ChannelUri, Counter, IdleStrategy};
use crate::archive::{self, SharedSupplier};
use crate::codec::SemanticVersion;
use crate::error::{Error, ErrorKind, Result};

/// The most services that a node can have (`ClusteredServiceContainer.Configuration.MAX_SERVICE_COUNT`).
const MAX_SERVICE_COUNT: i32 = 10;
/// The longest name of an Aeron client, in bytes: the driver's limit (`Aeron.Configuration.MAX_CLIENT_NAME_LENGTH`).
const MAX_SERVICE_NAME_LENGTH: usize = 100;
/// How long the owner of a mark file counts as alive after its last heartbeat, and some time for one that is just ending.
const MARK_FILE_WAIT: Duration = Duration::from_secs(12);
/// How long the archive may take to answer (`AeronArchive.Configuration.MESSAGE_TIMEOUT_DEFAULT_NS`).
const ARCHIVE_MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// The type of the error counter (`AeronCounters.CLUSTER_CLUSTERED_SERVICE_ERROR_COUNT_TYPE_ID`).
const ERROR_COUNTER_TYPE_ID: i32 = 215;

/// Makes the idle strategies of a container: one for its thread, one for callbacks that wait.
pub(super) type IdleStrategySupplier = Box<dyn Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync>;
/// Says whether the application of the first version can go on with a snapshot or log of the second.
pub(super) type VersionValidator = Box<dyn Fn(SemanticVersion, SemanticVersion) -> bool + Send + Sync>;

/// The settings of a container, read-only: see [`Cluster::settings`](super::Cluster::settings). Each is named like the method of
/// [`Context`](super::Context) that sets and documents it. `Display` prints one per line, under the name of Java's property if there is one.
pub struct Settings {
    pub(super) aeron_dir: Option<PathBuf>,
    pub(super) cluster_dir: PathBuf,
    pub(super) mark_file_dir: Option<PathBuf>,
    pub(super) mark_file_wait: Duration,
    pub(super) error_buffer_length: usize,
    pub(super) print_configuration: bool,
    pub(super) cluster_id: i32,
    pub(super) service_id: i32,
    pub(super) service_name: String,
    pub(super) app_version: SemanticVersion,
    pub(super) version_validator: VersionValidator,
    pub(super) control_channel: String,
    pub(super) consensus_module_stream_id: i32,
    pub(super) service_stream_id: i32,
    pub(super) replay_channel: String,
    pub(super) replay_stream_id: i32,
    pub(super) snapshot_channel: String,
    pub(super) snapshot_stream_id: i32,
    pub(super) is_responding_service: bool,
    pub(super) response_mtu_length: usize,
    pub(super) response_term_length: usize,
    pub(super) log_fragment_limit: usize,
    pub(super) idle_strategy: IdleStrategySupplier,
    pub(super) idle_strategy_name: &'static str,
    pub(super) cpu_affinity: Option<usize>,
    pub(super) failure_policy: FailurePolicy,
    pub(super) divergence_policy: FailurePolicy,
    pub(super) cycle_threshold: Duration,
    pub(super) snapshot_duration_threshold: Duration,
    pub(super) archive_control_channel: String,
    pub(super) archive_control_stream_id: i32,
    pub(super) archive_response_channel: Option<String>,
    pub(super) archive_response_stream_id: Option<i32>,
    pub(super) archive_message_timeout: Duration,
    pub(super) archive_credentials_supplier: Option<SharedSupplier>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            aeron_dir: None,
            cluster_dir: "aeron-cluster".into(),
            mark_file_dir: None,
            mark_file_wait: MARK_FILE_WAIT,
            error_buffer_length: mark_file::ERROR_BUFFER_MIN_LENGTH,
            print_configuration: false,
            cluster_id: 0,
            service_id: 0,
            service_name: String::new(),
            app_version: SemanticVersion::new(0, 0, 1),
            version_validator: Box::new(|ours, theirs| ours.major() == theirs.major()),
            control_channel: "aeron:ipc?term-length=128k".into(),
            consensus_module_stream_id: 105,
            service_stream_id: 104,
            replay_channel: "aeron:ipc".into(),
            replay_stream_id: 103,
            snapshot_channel: "aeron:ipc?alias=snapshot".into(),
            snapshot_stream_id: 106,
            is_responding_service: true,
            response_mtu_length: 1408,
            response_term_length: 16 * 1024 * 1024,
            log_fragment_limit: 50,
            idle_strategy: Box::new(|| Box::new(BackoffIdleStrategy::default())),
            idle_strategy_name: "backoff",
            cpu_affinity: None,
            failure_policy: FailurePolicy::default(),
            divergence_policy: FailurePolicy::LogAndContinue,
            cycle_threshold: Duration::from_millis(100),
            snapshot_duration_threshold: Duration::from_secs(1),
            archive_control_channel: "aeron:ipc?term-length=64k".into(),
            archive_control_stream_id: 10,
            archive_response_channel: None,
            archive_response_stream_id: None,
            archive_message_timeout: ARCHIVE_MESSAGE_TIMEOUT,
            archive_credentials_supplier: None,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
        let max_id = MAX_SERVICE_COUNT - 1;
        if !(0..=max_id).contains(&self.service_id) {
            return invalid(format!("service id outside allowed range [0,{max_id}]: {}", self.service_id));
        }
        if self.log_fragment_limit == 0 {
            return invalid("log fragment limit must be at least 1: 0".to_owned());
        }
        if self.service_name.len() > MAX_SERVICE_NAME_LENGTH || self.service_name.contains('\0') {
            let name = &self.service_name;
            return invalid(format!(
                "service name must have at most {MAX_SERVICE_NAME_LENGTH} bytes, none of them 0: {name:?}"
            ));
        }
        send_limits::check(self)?;
        let least = mark_file::ERROR_BUFFER_MIN_LENGTH;
        if self.error_buffer_length < least {
            return invalid(format!("error buffer length must be at least {least}: {}", self.error_buffer_length));
        }
        if self.service_stream_id == self.consensus_module_stream_id {
            let stream_id = self.service_stream_id;
            return invalid(format!("the streams to and from the consensus module must differ: {stream_id}"));
        }
        for (name, channel) in [
            ("control", self.control_channel.as_str()),
            ("replay", &self.replay_channel),
            ("snapshot", &self.snapshot_channel),
            ("archive control", &self.archive_control_channel),
            ("archive response", self.archive_responses()),
        ] {
            ChannelUri::parse(channel).map_err(|error| error.context(format!("{name} channel")))?;
        }
        for channel in [&self.archive_control_channel, self.archive_responses()] {
            if !channel.starts_with("aeron:ipc") {
                return invalid(format!("local archive control must be IPC: {channel}"));
            }
        }
        archive::timeout_nanos(self.archive_message_timeout)?;
        self.cpu_affinity.map_or(Ok(()), affinity::check)
    }

    /// The service's name, or the default name.
    pub(super) fn name(&self) -> String {
        match self.service_name.as_str() {
            "" => format!("clustered-service-{}-{}", self.cluster_id, self.service_id),
            name => name.to_owned(),
        }
    }

    /// Starts to add the error counter.
    pub(super) fn add_error_counter(&self, aeron: &Aeron) -> Result<AsyncAdd<Counter>> {
        let label = self.counter_label("Cluster Container Errors");
        let label = format!("{label} version={} commit={}", aeron::version(), aeron::commit());
        aeron.async_add_counter(ERROR_COUNTER_TYPE_ID, &self.counter_key(), &label)
    }

    /// Starts to add a counter of this service, with key and label as Java's tools read them.
    pub(super) fn add_counter(&self, aeron: &Aeron, type_id: i32, name: &str) -> Result<AsyncAdd<Counter>> {
        aeron.async_add_counter(type_id, &self.counter_key(), &self.counter_label(name))
    }

    fn counter_label(&self, name: &str) -> String {
        format!("{name} - clusterId={} serviceId={}", self.cluster_id, self.service_id)
    }

    fn counter_key(&self) -> [u8; 8] {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&self.cluster_id.to_le_bytes());
        key[4..].copy_from_slice(&self.service_id.to_le_bytes());
        key
    }
}

/// Defines the getters.
macro_rules! readers {
    ($($name:ident: $type:ty = |$settings:ident| $value:expr;)*) => {
        impl Settings {
            $(
                #[doc = concat!("See [`Context::", stringify!($name), "`](super::Context::", stringify!($name), ").")]
                pub fn $name(&self) -> $type {
                    let $settings = self;
                    $value
                }
            )*
        }
    };
}

readers! {
    aeron_directory_name: Option<&Path> = |settings| settings.aeron_dir.as_deref();
    cluster_directory_name: &Path = |settings| &settings.cluster_dir;
    mark_file_dir: &Path = |settings| settings.mark_file_dir.as_deref().unwrap_or(&settings.cluster_dir);
    mark_file_wait: Duration = |settings| settings.mark_file_wait;
    error_buffer_length: usize = |settings| settings.error_buffer_length;
    print_configuration: bool = |settings| settings.print_configuration;
    cluster_id: i32 = |settings| settings.cluster_id;
    service_id: i32 = |settings| settings.service_id;
    service_name: &str = |settings| &settings.service_name;
    app_version: SemanticVersion = |settings| settings.app_version;
    control_channel: &str = |settings| &settings.control_channel;
    consensus_module_stream_id: i32 = |settings| settings.consensus_module_stream_id;
    service_stream_id: i32 = |settings| settings.service_stream_id;
    replay_channel: &str = |settings| &settings.replay_channel;
    replay_stream_id: i32 = |settings| settings.replay_stream_id;
    snapshot_channel: &str = |settings| &settings.snapshot_channel;
    snapshot_stream_id: i32 = |settings| settings.snapshot_stream_id;
    is_responding_service: bool = |settings| settings.is_responding_service;
    response_mtu_length: usize = |settings| settings.response_mtu_length;
    response_term_length: usize = |settings| settings.response_term_length;
    log_fragment_limit: usize = |settings| settings.log_fragment_limit;
    failure_policy: FailurePolicy = |settings| settings.failure_policy;
    divergence_policy: FailurePolicy = |settings| settings.divergence_policy;
    cycle_threshold: Duration = |settings| settings.cycle_threshold;
    snapshot_duration_threshold: Duration = |settings| settings.snapshot_duration_threshold;
    cpu_affinity: Option<usize> = |settings| settings.cpu_affinity;
    archive_control_channel: &str = |settings| &settings.archive_control_channel;
    archive_control_stream_id: i32 = |settings| settings.archive_control_stream_id;
    archive_response_channel: &str = |settings| settings.archive_responses();
    archive_response_stream_id: i32 = |settings| settings.archive_response_stream();
    archive_message_timeout: Duration = |settings| settings.archive_message_timeout;
}
