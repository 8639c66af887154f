//! Concludes a context: checks the settings, claims the mark file, connects to the driver.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Context;
use super::error_sink::{ErrorSink, epoch_ms};
use super::hooks::TerminationHooks;
use super::mark_file::{self, ClusterMarkFile};
use super::settings::Settings;
use super::trackers::DurationTracker;
use crate::aeron::{self, Aeron, ConductorIdleStrategy, IdleStrategy};
use crate::error::{Error, Result};

/// How the conductor of the container's own client idles. With C's default, a sleep of 16 ms, the start and the first answer to each client
/// take long, since they wait for it several times. In Java the thread that adds something runs the conductor meanwhile. After work the
/// conductor soon has more, an answer of the driver; without work it leaves the cores to others.
const CONDUCTOR_IDLE: ConductorIdleStrategy = ConductorIdleStrategy::BackoffUpTo {
    max_spins: 0,
    max_yields: 0,
    min_park: Duration::from_micros(100),
    max_park: Duration::from_millis(4),
};
/// The variable by which an operator overrides that (`aeron_context.c`).
const CONDUCTOR_SLEEP_VARIABLE: &str = "AERON_CLIENT_IDLE_SLEEP_DURATION";

/// A concluded context: everything is checked, opened and claimed.
pub(super) struct Concluded {
    pub(super) settings: Arc<Settings>,
    pub(super) aeron: Aeron,
    pub(super) errors: Arc<ErrorSink>,
    pub(super) mark_file: Arc<ClusterMarkFile>,
    pub(super) termination_hooks: TerminationHooks,
    pub(super) duty_cycle: DurationTracker,
    pub(super) snapshot_durations: DurationTracker,
    /// One for the container's thread, one for callbacks that wait.
    pub(super) idle_strategies: [Box<dyn IdleStrategy + Send>; 2],
}

impl Context {
    /// Checks the settings, claims the mark file and connects to the driver. Blocks while another owner has the mark file, and until the
    /// driver answers.
    pub(super) fn conclude(mut self) -> Result<Concluded> {
        self.settings.check()?;
        let settings = &mut self.settings;
        settings.service_name = settings.name();
        // Before anything is claimed: it is user code, and may panic.
        let idle_strategies = [(settings.idle_strategy)(), (settings.idle_strategy)()];
        let mut mark_file = self.open_mark_file()?;
        let error_handler = self.error_handler.take();
        let errors = Arc::new(ErrorSink::new(mark_file.error_log().clone(), error_handler));
        match self.connect(&errors, &mut mark_file) {
            Ok((aeron, duty_cycle, snapshot_durations)) => {
                self.settings.aeron_dir = Some(aeron.dir().to_path_buf());
                if self.settings.print_configuration {
                    print(&self.settings);
                }
                Ok(Concluded {
                    settings: Arc::new(self.settings),
                    aeron,
                    duty_cycle,
                    snapshot_durations,
                    errors,
                    mark_file: Arc::new(mark_file),
                    termination_hooks: self.termination_hooks,
                    idle_strategies,
                })
            }
            Err(error) => {
                errors.record(&error);
                // A failure to write the mark file is ignored: the error that matters is the one being returned.
                let _ = mark_file.signal_failed_start();
                Err(error)
            }
        }
    }

    fn open_mark_file(&mut self) -> Result<ClusterMarkFile> {
        let make = |dir: &Path, what: &str| -> Result<PathBuf> {
            std::fs::create_dir_all(dir)
                .and_then(|()| dir.canonicalize())
                .map_err(|error| Error::from(error).context(format!("cannot make the {what} directory {dir:?}")))
        };
        let settings = &mut self.settings;
        settings.cluster_dir = make(&settings.cluster_dir, "cluster")?;
        if let Some(dir) = &settings.mark_file_dir {
            settings.mark_file_dir = Some(make(dir, "mark file")?);
        }
        let (cluster_dir, dir, service_id) = (&settings.cluster_dir, settings.mark_file_dir(), settings.service_id);
        let options = mark_file::Options::new(dir.join(mark_file::mark_file_name(service_id)))
            .error_buffer_length(settings.error_buffer_length)
            .wait(settings.mark_file_wait);
        let mark_file = ClusterMarkFile::open(&options, epoch_ms)?;
        mark_file::ensure_link(cluster_dir, dir, &mark_file::link_file_name(service_id))?;
        Ok(mark_file)
    }

    /// Returns the client, and the trackers of duty cycle and snapshots. Makes the mark file ready.
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
        // All are asked for before any is awaited, so that the client's conductor, which sleeps between its steps, handles them together.
        let error_counter = settings.add_error_counter(&aeron)?;
        let duty_cycle = DurationTracker::of_duty_cycle(&aeron, settings)?;
        let snapshot_durations = DurationTracker::of_snapshots(&aeron, settings)?;
        errors.count_in(error_counter.wait()?);
        let (duty_cycle, snapshot_durations) = (duty_cycle.wait()?, snapshot_durations.wait()?);
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
        // Weak, because the errors hold a counter, which keeps the client alive, whose handler this is.
        let sink: Weak<ErrorSink> = Arc::downgrade(errors);
        let mut context = aeron::Context::new().client_name(&self.settings.service_name).on_error(move |error| {
            if let Some(errors) = sink.upgrade() {
                errors.count(error);
            }
        });
        if let Some(dir) = &self.settings.aeron_dir {
            context = context.dir(dir);
        }
        if std::env::var_os(CONDUCTOR_SLEEP_VARIABLE).is_none() {
            context = context.conductor_idle_strategy(CONDUCTOR_IDLE);
        }
        Aeron::connect(context)
    }
}

/// Unlike `println!` it does not panic if standard output is closed.
fn print(settings: &Settings) {
    let _nobody_reads = writeln!(std::io::stdout(), "{settings}");
}
