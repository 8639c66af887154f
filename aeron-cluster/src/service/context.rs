//! The settings of a container.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::error_sink::{ErrorHandler, ErrorSink, epoch_ms};
use super::mark_file::{self, ClusterMarkFile};
use super::trackers::DurationTracker;
use crate::aeron::{self, Aeron, BackoffIdleStrategy, ChannelUri, Counter, IdleStrategy};
use crate::codec::SemanticVersion;
use crate::error::{Error, ErrorKind, Result};

/// The most services that a node can have (`ClusteredServiceContainer.Configuration.MAX_SERVICE_COUNT`).
const MAX_SERVICE_COUNT: i32 = 10;
/// The type of the error counter (`AeronCounters.CLUSTER_CLUSTERED_SERVICE_ERROR_COUNT_TYPE_ID`).
const ERROR_COUNTER_TYPE_ID: i32 = 215;
/// How long an owner of the mark file that died without a word counts as alive.
const LIVENESS_TIMEOUT: Duration = Duration::from_secs(10);
/// Room on top of that for the owner that is just ending.
const MARK_FILE_WAIT: Duration = Duration::from_secs(12);

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

/// Makes the idle strategies of a container: one for its thread, one for callbacks that wait.
pub(super) type IdleStrategySupplier = Box<dyn Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync>;
/// Says whether the application of the first version can go on with what that of the second left.
pub(super) type VersionValidator = Box<dyn Fn(SemanticVersion, SemanticVersion) -> bool + Send + Sync>;
/// What to run when the container ends for another reason than `close`.
pub(super) type TerminationHook = Box<dyn FnOnce(&Error) + Send>;

/// The settings of a [`ClusteredServiceContainer`](super::ClusteredServiceContainer), with Java's names and defaults.
/// Mirrors `ClusteredServiceContainer.Context`.
pub struct Context {
    settings: Settings,
    aeron: Option<Aeron>,
    aeron_dir: Option<PathBuf>,
    cluster_dir: PathBuf,
    mark_file_dir: Option<PathBuf>,
    error_buffer_length: usize,
    mark_file_wait: Duration,
    error_handler: Option<ErrorHandler>,
    termination_hook: Option<TerminationHook>,
}

/// What the container works with, once the context is concluded.
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

/// A concluded context: everything is open and claimed.
pub(super) struct Concluded {
    pub(super) settings: Arc<Settings>,
    pub(super) aeron: Aeron,
    pub(super) errors: Arc<ErrorSink>,
    pub(super) mark_file: Arc<ClusterMarkFile>,
    pub(super) termination_hook: Option<TerminationHook>,
    pub(super) duty_cycle: DurationTracker,
    pub(super) snapshot_durations: DurationTracker,
    /// One for the container's thread, one for callbacks that wait.
    pub(super) idle_strategies: [Box<dyn IdleStrategy + Send>; 2],
}

impl Default for Context {
    fn default() -> Self {
        Context {
            settings: Settings {
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
            },
            aeron: None,
            aeron_dir: None,
            cluster_dir: "aeron-cluster".into(),
            mark_file_dir: None,
            error_buffer_length: mark_file::ERROR_BUFFER_MIN_LENGTH,
            mark_file_wait: MARK_FILE_WAIT,
            error_handler: None,
            termination_hook: None,
        }
    }
}

impl Context {
    /// Settings with Java's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The media driver's directory. Default: the C client's (`AERON_DIR`, else by platform).
    #[must_use]
    pub fn aeron_directory_name(mut self, dir: impl AsRef<Path>) -> Self {
        self.aeron_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// A client to use instead of one of the container's own; the driver is then the client's.
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
        self.cluster_dir = dir.as_ref().to_path_buf();
        self
    }

    /// The directory of the mark file, if it is not to be the cluster directory.
    #[must_use]
    pub fn mark_file_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.mark_file_dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// How long to wait for a mark file that is still active: after a crash where nothing proves the owner dead. Default:
    /// 12 s. Zero fails at once, as Java does.
    #[must_use]
    pub fn mark_file_wait(mut self, wait: Duration) -> Self {
        self.mark_file_wait = wait;
        self
    }

    /// The length of the error log in the mark file, in bytes. Default and least: 1 MiB.
    #[must_use]
    pub fn error_buffer_length(mut self, length: usize) -> Self {
        self.error_buffer_length = length;
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
    /// `clustered-service-<cluster id>-<service id>`.
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

    /// The most fragments of the log to process before looking at anything else. Default: 50.
    #[must_use]
    pub fn log_fragment_limit(mut self, limit: usize) -> Self {
        self.settings.log_fragment_limit = limit;
        self
    }

    /// How the container passes the time without work. Called twice: for its thread, and for callbacks that wait.
    /// Default: [`BackoffIdleStrategy`].
    #[must_use]
    pub fn idle_strategy_supplier(
        mut self,
        supplier: impl Fn() -> Box<dyn IdleStrategy + Send> + Send + Sync + 'static,
    ) -> Self {
        self.settings.idle_strategy = Box::new(supplier);
        self
    }

    /// What to do when a callback panics or the log cannot be read. Default: end the node.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.failure_policy = policy;
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

    /// The local control channel of the archive, an `aeron:ipc` one. Default: `aeron:ipc?term-length=64k`.
    #[must_use]
    pub fn archive_control_channel(mut self, channel: impl Into<String>) -> Self {
        self.settings.archive_control_channel = channel.into();
        self
    }

    /// The stream on which the archive takes local requests. Default: 10.
    #[must_use]
    pub fn archive_control_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.archive_control_stream_id = stream_id;
        self
    }

    /// The stream on which the archive answers, different for all who share its driver. Default:
    /// 121 + 100 × cluster id + service id.
    #[must_use]
    pub fn archive_response_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.archive_response_stream_id = Some(stream_id);
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
    pub fn termination_hook(mut self, hook: impl FnOnce(&Error) + Send + 'static) -> Self {
        self.termination_hook = Some(Box::new(hook));
        self
    }

    /// Checks everything, claims the mark file and connects to the driver. Waits as the mark file and the driver make it.
    pub(super) fn conclude(mut self) -> Result<Concluded> {
        self.settings.check()?;
        let settings = &mut self.settings;
        if settings.service_name.is_empty() {
            settings.service_name = format!("clustered-service-{}-{}", settings.cluster_id, settings.service_id);
        }
        // Before anything is claimed: it is user code, and may panic.
        let idle_strategies = [(settings.idle_strategy)(), (settings.idle_strategy)()];
        let mut mark_file = self.open_mark_file()?;
        let error_handler = self.error_handler.take();
        let errors = Arc::new(ErrorSink::new(mark_file.error_log().clone(), error_handler));
        match self.connect(&errors, &mut mark_file) {
            Ok((aeron, duty_cycle, snapshot_durations)) => Ok(Concluded {
                settings: Arc::new(self.settings),
                aeron,
                duty_cycle,
                snapshot_durations,
                errors,
                mark_file: Arc::new(mark_file),
                termination_hook: self.termination_hook,
                idle_strategies,
            }),
            Err(error) => {
                errors.record(&error);
                // The file says so as well as it can: the error that matters is the one being returned.
                let _ = mark_file.signal_failed_start();
                Err(error)
            }
        }
    }

    fn open_mark_file(&self) -> Result<ClusterMarkFile> {
        let make = |dir: &Path, what: &str| -> Result<PathBuf> {
            std::fs::create_dir_all(dir)
                .and_then(|()| dir.canonicalize())
                .map_err(|error| Error::from(error).context(format!("cannot make the {what} directory {dir:?}")))
        };
        let cluster_dir = make(&self.cluster_dir, "cluster")?;
        let dir = match &self.mark_file_dir {
            Some(dir) => make(dir, "mark file")?,
            None => cluster_dir.clone(),
        };
        let service_id = self.settings.service_id;
        let options = mark_file::Options::new(dir.join(mark_file::mark_file_name(service_id)))
            .error_buffer_length(self.error_buffer_length)
            .liveness_timeout(LIVENESS_TIMEOUT)
            .wait(self.mark_file_wait);
        let mark_file = ClusterMarkFile::open(&options, epoch_ms)?;
        mark_file::ensure_link(&cluster_dir, &dir, &mark_file::link_file_name(service_id))?;
        Ok(mark_file)
    }

    /// The client, and the trackers of duty cycle and snapshots.
    fn connect(
        &self,
        errors: &Arc<ErrorSink>,
        mark_file: &mut ClusterMarkFile,
    ) -> Result<(Aeron, DurationTracker, DurationTracker)> {
        let settings = &self.settings;
        let aeron = match &self.aeron {
            Some(supplied) => supplied.clone(),
            None => self.connect_own(errors)?,
        };
        errors.count_in(settings.add_error_counter(&aeron)?);
        let duty_cycle = DurationTracker::of_duty_cycle(&aeron, settings)?;
        let snapshot_durations = DurationTracker::of_snapshots(&aeron, settings)?;
        mark_file.set_properties(&mark_file::Properties {
            archive_stream_id: settings.archive_control_stream_id,
            service_stream_id: settings.service_stream_id,
            consensus_module_stream_id: settings.consensus_module_stream_id,
            service_id: settings.service_id,
            cluster_id: settings.cluster_id,
            aeron_directory: &aeron.dir().display().to_string(),
            control_channel: &settings.control_channel,
            service_name: &settings.service_name,
        })?;
        mark_file.signal_ready(epoch_ms())?;
        Ok((aeron, duty_cycle, snapshot_durations))
    }

    fn connect_own(&self, errors: &Arc<ErrorSink>) -> Result<Aeron> {
        // Weak: the errors hold a counter of the client, and the client would hold the errors.
        let sink: Weak<ErrorSink> = Arc::downgrade(errors);
        let mut context = aeron::Context::new().client_name(&self.settings.service_name).on_error(move |error| {
            if let Some(errors) = sink.upgrade() {
                errors.count(error);
            }
        });
        if let Some(dir) = &self.aeron_dir {
            context = context.dir(dir);
        }
        Aeron::connect(context)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("aeron", &self.aeron)
            .field("aeron_dir", &self.aeron_dir)
            .field("cluster_dir", &self.cluster_dir)
            .field("mark_file_dir", &self.mark_file_dir)
            .field("error_buffer_length", &self.error_buffer_length)
            .field("mark_file_wait", &self.mark_file_wait)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
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

impl Settings {
    fn check(&self) -> Result<()> {
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

    fn add_error_counter(&self, aeron: &Aeron) -> Result<Counter> {
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
