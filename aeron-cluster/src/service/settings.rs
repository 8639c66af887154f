//! What a container works with, once its context is concluded.

use std::time::Duration;

use super::context::FailurePolicy;
use crate::aeron::{self, Aeron, BackoffIdleStrategy, ChannelUri, Counter, IdleStrategy};
use crate::codec::SemanticVersion;
use crate::error::{Error, ErrorKind, Result};

/// The most services that a node can have (`ClusteredServiceContainer.Configuration.MAX_SERVICE_COUNT`).
const MAX_SERVICE_COUNT: i32 = 10;
/// The type of the error counter (`AeronCounters.CLUSTER_CLUSTERED_SERVICE_ERROR_COUNT_TYPE_ID`).
const ERROR_COUNTER_TYPE_ID: i32 = 215;

/// Makes the idle strategies of a container: one for its thread, one for callbacks that wait.
pub(super) type IdleStrategySupplier = Box<dyn Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync>;
/// Says whether the application of the first version can go on with what that of the second left.
pub(super) type VersionValidator = Box<dyn Fn(SemanticVersion, SemanticVersion) -> bool + Send + Sync>;

/// The settings that are no more than values. [`Context`](super::Context) documents each.
pub(super) struct Settings {
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
    pub(super) log_fragment_limit: usize,
    pub(super) idle_strategy: IdleStrategySupplier,
    pub(super) failure_policy: FailurePolicy,
    pub(super) cycle_threshold: Duration,
    pub(super) snapshot_duration_threshold: Duration,
    pub(super) archive_control_channel: String,
    pub(super) archive_control_stream_id: i32,
    pub(super) archive_response_stream_id: Option<i32>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
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
            log_fragment_limit: 50,
            idle_strategy: Box::new(|| Box::new(BackoffIdleStrategy::default())),
            failure_policy: FailurePolicy::default(),
            cycle_threshold: Duration::from_millis(100),
            snapshot_duration_threshold: Duration::from_secs(1),
            archive_control_channel: "aeron:ipc?term-length=64k".into(),
            archive_control_stream_id: 10,
            archive_response_stream_id: None,
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
        if self.service_stream_id == self.consensus_module_stream_id {
            let stream_id = self.service_stream_id;
            return invalid(format!("the streams to and from the consensus module must differ: {stream_id}"));
        }
        for (name, channel) in [
            ("control", &self.control_channel),
            ("replay", &self.replay_channel),
            ("snapshot", &self.snapshot_channel),
            ("archive control", &self.archive_control_channel),
        ] {
            ChannelUri::parse(channel).map_err(|error| error.context(format!("{name} channel")))?;
        }
        if !self.archive_control_channel.starts_with("aeron:ipc") {
            return invalid(format!("local archive control must be IPC: {}", self.archive_control_channel));
        }
        Ok(())
    }

    /// The stream on which the archive answers this service.
    pub(super) fn archive_response_stream_id(&self) -> i32 {
        self.archive_response_stream_id
            .unwrap_or_else(|| self.cluster_id.wrapping_mul(100).wrapping_add(121 + self.service_id))
    }

    /// The archive's control channel with an alias that names this service and `end`, the end of the channel.
    pub(super) fn archive_channel(&self, end: &str) -> Result<String> {
        let mut uri = ChannelUri::parse(&self.archive_control_channel)?;
        if uri.get("alias").is_none() {
            let (service_id, cluster_id) = (self.service_id, self.cluster_id);
            uri.put("alias", format!("sc-{service_id}-archive-ctrl-{end}-cluster-{cluster_id}"));
        }
        Ok(uri.to_string())
    }

    pub(super) fn add_error_counter(&self, aeron: &Aeron) -> Result<Counter> {
        let label = self.counter_label("Cluster Container Errors");
        let label = format!("{label} version={} commit={}", aeron::version(), aeron::commit());
        aeron.add_counter(ERROR_COUNTER_TYPE_ID, &self.counter_key(), &label)
    }

    /// Adds a counter of this service, with key and label as Java's tools read them.
    pub(super) fn add_counter(&self, aeron: &Aeron, type_id: i32, name: &str) -> Result<Counter> {
        aeron.add_counter(type_id, &self.counter_key(), &self.counter_label(name))
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

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("cluster_id", &self.cluster_id)
            .field("service_id", &self.service_id)
            .field("service_name", &self.service_name)
            .field("app_version", &self.app_version)
            .field("control_channel", &self.control_channel)
            .field("consensus_module_stream_id", &self.consensus_module_stream_id)
            .field("service_stream_id", &self.service_stream_id)
            .field("replay_channel", &self.replay_channel)
            .field("replay_stream_id", &self.replay_stream_id)
            .field("snapshot_channel", &self.snapshot_channel)
            .field("snapshot_stream_id", &self.snapshot_stream_id)
            .field("is_responding_service", &self.is_responding_service)
            .field("log_fragment_limit", &self.log_fragment_limit)
            .field("failure_policy", &self.failure_policy)
            .field("cycle_threshold", &self.cycle_threshold)
            .field("snapshot_duration_threshold", &self.snapshot_duration_threshold)
            .field("archive_control_channel", &self.archive_control_channel)
            .field("archive_control_stream_id", &self.archive_control_stream_id)
            .field("archive_response_stream_id", &self.archive_response_stream_id)
            .finish_non_exhaustive()
    }
}
