//! The container as a program uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::agent::Parts;
use super::conclude::Concluded;
use super::{ClusteredService, Context, Settings};
use crate::error::{Error, ErrorKind, Result};

/// How a container ended, when nothing went wrong in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// The program closed it.
    Closed,
    /// The consensus module asked for it or is gone, or the service called [`Cluster::terminate`](super::Cluster::terminate) with `true`.
    Expected,
    /// The consensus module failed, or the service called [`Cluster::terminate`](super::Cluster::terminate) with `false`.
    Unexpected,
}

/// A running clustered service, on a thread of its own. Mirrors
/// `io.aeron.cluster.service.ClusteredServiceContainer`.
///
/// The consensus module may be started before or after it: the container waits for it. The container ends by itself when
/// the consensus module asks for it or is gone, when the media driver dies, and when the service fails;
/// [`wait`](Self::wait) says which. Dropping it closes it and blocks until it has ended.
#[must_use = "dropping it closes the container"]
pub struct ClusteredServiceContainer {
    thread: Option<JoinHandle<Result<Termination>>>,
    closer: Closer,
    settings: Arc<Settings>,
}

/// Closes a container from any thread, such as one that waits for signals.
#[derive(Debug, Clone)]
pub struct Closer {
    close_requested: Arc<AtomicBool>,
}

impl Closer {
    /// Asks the container to end. Does not block.
    pub fn close(&self) {
        self.close_requested.store(true, Ordering::Release);
    }
}

/// A concluded context, before the service exists.
pub(super) struct Prepared {
    concluded: Concluded,
    pub(super) closer: Closer,
}

impl Prepared {
    pub(super) fn new(context: Context) -> Result<Self> {
        let closer = Closer { close_requested: Arc::new(AtomicBool::new(false)) };
        Ok(Prepared { concluded: context.conclude()?, closer })
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.concluded.settings)
    }

    /// Connects to the consensus module and calls `start` with the service's name. A failure of either is recorded,
    /// and the mark file marked as a failed start.
    pub(super) fn start<T>(self, start: impl FnOnce(Parts, String) -> Result<T>) -> Result<T> {
        let Prepared { concluded, closer } = self;
        let name = concluded.settings.service_name.clone();
        let (mark_file, errors) = (concluded.mark_file.clone(), concluded.errors.clone());
        Parts::new(concluded, closer.close_requested).and_then(|parts| start(parts, name)).inspect_err(|error| {
            errors.record(error);
            // A failure to write the mark file is ignored: the error that matters is the one being returned.
            let _ = mark_file.signal_failed_start();
        })
    }
}

impl ClusteredServiceContainer {
    /// Starts a container for `service`.
    ///
    /// # Blocking
    ///
    /// Until the driver has answered, and while the mark file of an earlier container is still active
    /// ([`Context::mark_file_wait`]). It does not wait for the consensus module.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a setting, [`State`](ErrorKind::State) for an active mark file,
    /// [`StorageSpace`](ErrorKind::StorageSpace) for a full disk, [`DriverDead`](ErrorKind::DriverDead) without a driver; the message names
    /// the setting, file or directory. The mark file is then marked as a failed start.
    pub fn launch<S: ClusteredService + Send + 'static>(context: Context, service: S) -> Result<Self> {
        Self::launch_with(context, move || service)
    }

    /// As [`launch`](Self::launch), but `make_service` creates the service on the container's thread, so it need not be `Send`. Meanwhile the
    /// mark file shows a heartbeat; if `make_service` panics, the start is acknowledged as failed.
    pub fn launch_with<S: ClusteredService + 'static>(
        context: Context,
        make_service: impl FnOnce() -> S + Send + 'static,
    ) -> Result<Self> {
        let prepared = Prepared::new(context)?;
        let (closer, settings) = (prepared.closer.clone(), prepared.settings());
        let thread = prepared.start(|parts, name| {
            std::thread::Builder::new()
                .name(name)
                .spawn(move || parts.run(make_service))
                .map_err(|error| Error::from(error).context("cannot start the container's thread"))
        })?;
        Ok(ClusteredServiceContainer { thread: Some(thread), closer, settings })
    }

    /// The settings in effect. Mirrors `ClusteredServiceContainer.context`.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A handle to close this container from any thread.
    pub fn closer(&self) -> Closer {
        self.closer.clone()
    }

    /// Whether the container has ended.
    pub fn is_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Blocks until the container ends, and returns how.
    ///
    /// # Errors
    ///
    /// The service failed or panicked, the driver died, or the log cannot be read. [`State`](ErrorKind::State) on the container's own thread,
    /// which would wait for itself.
    pub fn wait(mut self) -> Result<Termination> {
        self.join()
    }

    /// Ends the container and blocks until it has ended: at most a second, whatever the container is waiting for, unless a callback of the
    /// service does not return.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn close(mut self) -> Result<Termination> {
        self.closer.close();
        self.join()
    }

    fn join(&mut self) -> Result<Termination> {
        let thread = self.thread.take();
        if thread.as_ref().is_some_and(|thread| thread.thread().id() == std::thread::current().id()) {
            return Err(Error::new(
                ErrorKind::State,
                "a container cannot wait for its own thread: close it from a callback or a hook with a Closer",
            ));
        }
        match thread.map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Error::new(ErrorKind::Terminated, "the container's thread panicked")),
            None => Ok(Termination::Closed),
        }
    }
}

impl Drop for ClusteredServiceContainer {
    fn drop(&mut self) {
        self.closer.close();
        if let Err(error) = self.join() {
            tracing::error!("the container failed while it was dropped: {error}");
        }
    }
}

impl std::fmt::Debug for ClusteredServiceContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusteredServiceContainer").field("ended", &self.is_ended()).finish()
    }
}
