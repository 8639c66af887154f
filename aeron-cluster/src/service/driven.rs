//! The container without a thread of its own.

use std::sync::Arc;

use super::agent::Agent;
use super::container::Prepared;
use super::stop::Stop;
use super::{Closer, ClusteredService, Context, Settings, Termination};
use crate::error::{Error, ErrorKind, Result};

/// What [`ClusteredServiceAgent::do_work`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it may tell that the service ended"]
pub enum Work {
    /// This amount of work; 0 if there was nothing to do.
    Done(usize),
    /// The service ended, in this way, and is closed.
    Ended(Termination),
}

/// A clustered service driven by its caller's duty cycle, on the caller's thread. Java has no such thing.
///
/// It is what [`ClusteredServiceContainer`](super::ClusteredServiceContainer) runs on a thread of its own, and otherwise behaves the same. Call
/// [`do_work`](Self::do_work) in a loop, and idle yourself when there was nothing to do. After ten seconds without a call the service is
/// taken for dead. It is not `Send`, so it stays on its thread. Dropping it closes it.
#[must_use = "dropping it closes the service"]
pub struct ClusteredServiceAgent<S: ClusteredService> {
    agent: Option<Agent<S>>,
    closer: Closer,
    settings: Arc<Settings>,
}

impl<S: ClusteredService> ClusteredServiceAgent<S> {
    /// Prepares a service to be driven. Blocks, and fails, as
    /// [`ClusteredServiceContainer::launch`](super::ClusteredServiceContainer::launch).
    pub fn new(context: Context, service: S) -> Result<Self> {
        if let Some(cpu) = context.settings().cpu_affinity() {
            let message = format!("cpu affinity {cpu}: the thread is the caller's, who may pin it");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let prepared = Prepared::new(context)?;
        let (closer, settings) = (prepared.closer.clone(), prepared.settings());
        let agent = prepared.start(|parts, _| Ok(Agent::new(parts, service)))?;
        Ok(ClusteredServiceAgent { agent: Some(agent), closer, settings })
    }

    /// Runs one duty cycle.
    ///
    /// # Blocking
    ///
    /// The first call starts the service and blocks until the consensus module is there; a [`Closer`] ends that wait. Later calls process at
    /// most a batch of the log, and block only while an acknowledgement is not taken, and while a snapshot is taken.
    ///
    /// # Errors
    ///
    /// The service failed or panicked, the driver died, or the log cannot be read; the service is closed then.
    /// [`State`](ErrorKind::State) if it had already ended.
    pub fn do_work(&mut self) -> Result<Work> {
        let Some(agent) = &mut self.agent else {
            return Err(Error::new(ErrorKind::State, "the service has ended: there is no more work to do"));
        };
        match agent.caught_cycle() {
            Ok(work_count) => Ok(Work::Done(work_count)),
            Err(stop) => self.end(stop).map(Work::Ended),
        }
    }

    /// Ends the service in an orderly way. Blocks for as long as its `on_terminate` takes.
    ///
    /// # Errors
    ///
    /// What went wrong while it ended.
    pub fn close(mut self) -> Result<Termination> {
        self.end(Stop::Closed)
    }

    /// The settings in effect.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A handle to close this service from any thread: the next [`do_work`](Self::do_work) ends it.
    pub fn closer(&self) -> Closer {
        self.closer.clone()
    }

    fn end(&mut self, stop: Stop) -> Result<Termination> {
        self.agent.take().map_or(Ok(Termination::Closed), |agent| agent.close(stop))
    }
}

impl<S: ClusteredService> Drop for ClusteredServiceAgent<S> {
    fn drop(&mut self) {
        if let Err(error) = self.end(Stop::Closed) {
            tracing::error!("the service failed while it was dropped: {error}");
        }
    }
}

impl<S: ClusteredService> std::fmt::Debug for ClusteredServiceAgent<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusteredServiceAgent").field("ended", &self.agent.is_none()).finish()
    }
}
