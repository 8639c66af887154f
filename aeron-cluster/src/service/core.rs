//! The service with its cluster, and every call of the service: what may fail in it, and what a failure means.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::lifecycle::Lifecycle;
use super::stop::{Fault, Outcome, Stop, panic_text};
use super::trackers::DurationTracker;
use super::{Cluster, ClusteredService, FailurePolicy, Role};
use crate::codec::{ActionFlags, SemanticVersion};
use crate::error::{Error, ErrorKind};

/// The service with its cluster.
pub(super) struct Core<S> {
    pub(super) service: S,
    pub(super) cluster: Cluster,
    /// Whether the service started and has not been terminated.
    pub(super) is_active: bool,
    /// Whether a callback panicked under `FailurePolicy::Terminate`: such a service is not called again.
    pub(super) panicked: bool,
    /// Which snapshots besides the cluster's own are to be taken.
    pub(super) standby_snapshot_flags: i32,
    pub(super) snapshot_durations: DurationTracker,
}

impl<S: ClusteredService> Core<S> {
    pub(super) fn new(service: S, cluster: Cluster, snapshot_durations: DurationTracker) -> Self {
        Core {
            service,
            cluster,
            is_active: false,
            panicked: false,
            standby_snapshot_flags: ActionFlags::DEFAULT.0,
            snapshot_durations,
        }
    }

    /// Whether this application can go on with a snapshot or log of version `theirs`; none counts as 0.0.0.
    pub(super) fn is_version_compatible(&self, theirs: Option<SemanticVersion>) -> bool {
        let settings = &self.cluster.state.settings;
        let theirs = theirs.unwrap_or(SemanticVersion::new(0, 0, 0));
        (settings.version_validator)(settings.app_version, theirs)
    }

    /// Tells the service of its role if that has changed.
    pub(super) fn set_role(&mut self, role: Role) -> Outcome<()> {
        if self.cluster.state.role.replace(role) == role {
            return Ok(());
        }
        tracing::info!(%role, "role change");
        self.call_guarded(Lifecycle::OnRoleChange, "on_role_change", |service, cluster| {
            service.on_role_change(cluster, role);
        })
    }

    /// Tells the service that it ends. If the callback fails, that is recorded and changes nothing.
    pub(super) fn terminate_service(&mut self) {
        if !std::mem::take(&mut self.is_active) || self.panicked {
            return;
        }
        let result = self.call_guarded(Lifecycle::OnTerminate, "on_terminate", |service, cluster| {
            service.on_terminate(cluster);
        });
        if let Err(Fault::Error(error) | Fault::Survivable(error)) = result {
            self.count(&error);
        }
    }

    /// Lets the service work between messages. Returns the work it did.
    pub(super) fn background_work(&mut self, now_ns: i64) -> Outcome<usize> {
        self.call_guarded(Lifecycle::DoBackgroundWork, "do_background_work", |service, cluster| {
            service.do_background_work(cluster, now_ns)
        })
    }

    /// Sends an acknowledgement to the consensus module, and waits until the publication takes it.
    pub(super) fn ack(&mut self, log_position: i64, relevant_id: i64) -> Outcome<()> {
        while !self.cluster.state.try_ack(log_position, relevant_id)? {
            self.idle(0)?;
        }
        Ok(())
    }

    /// Idles while the agent itself waits, and runs background work. A failure of that work is handled here: it is not the caller's.
    pub(super) fn idle(&mut self, work_count: usize) -> Result<(), Stop> {
        if self.cluster.state.idle(work_count).is_err() {
            return Err(self.cluster.state.take_stop().unwrap_or(Stop::Closed));
        }
        if self.is_active
            && !self.panicked
            && work_count == 0
            && let Err(fault) = self.background_work(self.cluster.state.now_ns())
            && let Some(stop) = self.settle(fault)
        {
            return Err(stop);
        }
        Ok(())
    }

    /// Decides what a fault means: that the agent ends (`Some`), or only a line in the error log (`None`).
    #[cold]
    pub(super) fn settle(&self, fault: Fault) -> Option<Stop> {
        match fault {
            Fault::Stop(stop) => Some(stop),
            Fault::Error(error) | Fault::Survivable(error) if self.is_aborted() => {
                self.count(&error);
                Some(Stop::Aborted)
            }
            Fault::Error(error) if self.cluster.state.settings.failure_policy == FailurePolicy::Terminate => {
                Some(Stop::Failed(error))
            }
            Fault::Error(error) | Fault::Survivable(error) => {
                self.count(&error);
                None
            }
        }
    }

    /// Whether a failure is due to the death of the media driver. A panic of the service never is.
    pub(super) fn is_aborted(&self) -> bool {
        !self.panicked && self.cluster.state.aeron.is_closed()
    }

    pub(super) fn count(&self, error: &Error) {
        self.cluster.state.errors.count(error);
    }

    /// Calls the service under a guard that forbids sending.
    pub(super) fn call_guarded<T>(
        &mut self,
        lifecycle: Lifecycle,
        name: &'static str,
        callback: impl FnOnce(&mut S, &Cluster) -> T,
    ) -> Outcome<T> {
        let state = self.cluster.state.clone();
        let _guard = state.enter(lifecycle);
        self.call(name, callback)
    }

    /// Calls the service. A panic becomes an error; if a reason to end came up during the call, the agent ends.
    #[inline]
    pub(super) fn call<T>(&mut self, name: &'static str, callback: impl FnOnce(&mut S, &Cluster) -> T) -> Outcome<T> {
        let Core { service, cluster, .. } = self;
        // Unwind safe: a service that panicked is not called again, unless the user chose `LogAndContinue`.
        let result = catch_unwind(AssertUnwindSafe(|| callback(service, cluster)));
        match result {
            Ok(value) => match self.cluster.state.take_stop() {
                None => Ok(value),
                Some(stop) => Err(stop.into()),
            },
            Err(payload) => Err(self.after_panic(name, payload.as_ref())),
        }
    }

    #[cold]
    fn after_panic(&mut self, name: &str, payload: &(dyn Any + Send)) -> Fault {
        let error = self.panicked(name, payload);
        if self.panicked {
            return error.into();
        }
        // Under `LogAndContinue` the panic does not end the agent, but a reason to end that came up before it does.
        match self.cluster.state.take_stop() {
            None => error.into(),
            Some(stop) => {
                self.count(&error);
                stop.into()
            }
        }
    }

    fn panicked(&mut self, name: &str, payload: &(dyn Any + Send)) -> Error {
        self.panicked = self.cluster.state.settings.failure_policy == FailurePolicy::Terminate;
        let what = panic_text(payload);
        let position = self.cluster.log_position();
        Error::new(ErrorKind::Terminated, format!("service panicked in {name} at log position {position}: {what}"))
    }
}

/// A version as Java's error messages show it.
pub(super) fn version_text(version: Option<SemanticVersion>) -> String {
    version.unwrap_or(SemanticVersion::new(0, 0, 0)).to_string()
}
