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
    /// This much; 0 if there was nothing to do.
    Done(usize),
    /// The service ended, in this way. It is closed; there is nothing more to do.
    Ended(Termination),
}

/// A clustered service driven by its caller's duty cycle, on the caller's thread. Java has no such thing.
///
/// It is what [`ClusteredServiceContainer`](super::ClusteredServiceContainer) runs on a thread of its own, and behaves in all as that does. The
/// caller calls [`do_work`](Self::do_work) again and again, and passes the time itself when there was nothing to do. It must not stay
/// away for ten seconds: the service would be taken for dead. It stays on its thread; nothing in it is `Send`. Dropping it closes it.
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
    /// The first call starts the service, and waits for the consensus module; a [`Closer`] ends that wait. Later calls return once a
    /// batch of the log was processed, and wait only where a container waits: for an acknowledgement to be taken, and for a snapshot.
    ///
    /// # Errors
    ///
    /// What went wrong, after which the service is closed: it failed or panicked, the driver died, or the log cannot be read.
    /// [`State`](ErrorKind::State) if it had ended already.
    pub fn do_work(&mut self) -> Result<Work> {
        let Some(agent) = &mut self.agent else {
            return Err(Error::new(ErrorKind::State, "the service has ended: there is no more work to do"));
        };
        match agent.caught_cycle() {
            Ok(work_count) => Ok(Work::Done(work_count)),
            Err(stop) => self.end(stop).map(Work::Ended),
        }
    }

    /// Ends the service, in order.
    ///
    /// # Errors
    ///
    /// What went wrong while it ended.
    pub fn close(mut self) -> Result<Termination> {
        self.end(Stop::Closed)
    }

    /// The settings as they came out.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Something to close this service with, from anywhere: the next [`do_work`](Self::do_work) ends it.
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
