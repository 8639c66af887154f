//! The services of a test cluster: what makes them, and one that runs.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::parts::release_mark_file;
use super::patience::{PATIENCE, wait_until};
use super::processes::Process;
use crate::service::{ClusteredService, ClusteredServiceContainer, Context, Termination};
use crate::{Error, ErrorKind, Result};

/// Where a service of a [`TestCluster`](super::TestCluster) runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(super) member: usize,
    pub(super) service_id: usize,
    pub(super) aeron_dir: PathBuf,
    pub(super) cluster_dir: PathBuf,
}

impl Place {
    /// The member's number, from 0.
    pub fn member(&self) -> usize {
        self.member
    }

    /// The service's id within the member, from 0.
    pub fn service_id(&self) -> usize {
        self.service_id
    }

    /// The directory of the member's media driver.
    pub fn aeron_dir(&self) -> &Path {
        &self.aeron_dir
    }

    /// The member's cluster directory.
    pub fn cluster_dir(&self) -> &Path {
        &self.cluster_dir
    }

    fn context(&self) -> Context {
        Context::new()
            .aeron_directory_name(&self.aeron_dir)
            .cluster_directory_name(&self.cluster_dir)
            .service_id(i32::try_from(self.service_id).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {} of member {}", self.service_id, self.member)
    }
}

type ChangeContext = dyn Fn(&Place, Context) -> Context + Send + Sync;

/// Changes the settings of a container.
#[derive(Clone)]
pub(super) struct Configure(pub(super) Arc<ChangeContext>);

impl fmt::Debug for Configure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configure")
    }
}

type Launch = Arc<dyn Fn(&Place, Context) -> Result<ClusteredServiceContainer> + Send + Sync>;
type MakeCommand = Arc<dyn Fn(&Place) -> Command + Send + Sync>;

/// What makes a service, on each member.
#[derive(Clone)]
pub(super) enum Source {
    Container(Launch),
    Program(MakeCommand),
}

impl Source {
    /// A service in this process, made on its container's thread.
    pub(super) fn container<S: ClusteredService + 'static>(
        make: impl Fn(&Place) -> S + Send + Sync + 'static,
    ) -> Source {
        let make = Arc::new(make);
        Source::Container(Arc::new(move |place, context| {
            let (place, make) = (place.clone(), Arc::clone(&make));
            ClusteredServiceContainer::launch_with(context, move || make(&place))
        }))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Container(_) => "Container",
            Source::Program(_) => "Program",
        })
    }
}

#[derive(Debug)]
enum Running {
    Container(ClusteredServiceContainer),
    Program(Process),
}

/// A service of a member, running or not.
#[derive(Debug)]
pub(super) struct Hosted {
    place: Place,
    running: Option<Running>,
    /// What a container failed with.
    failed: Option<Error>,
    /// Whether it was asked to end.
    is_dismissed: bool,
}

impl Hosted {
    pub(super) fn new(place: Place) -> Hosted {
        Hosted { place, running: None, failed: None, is_dismissed: false }
    }

    /// Starts it; one that runs already stays.
    pub(super) fn start(&mut self, source: &Source, configure: Option<&Configure>) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        (self.running, self.failed, self.is_dismissed) = (None, None, false);
        let running = match source {
            Source::Container(launch) => {
                let context = self.place.context();
                let context = match configure {
                    Some(Configure(configure)) => configure(&self.place, context),
                    None => context,
                };
                let launched = launch(&self.place, context);
                Running::Container(launched.map_err(|error| error.context(format!("cannot start {}", self.place)))?)
            }
            Source::Program(command) => {
                // A Java container would be locked out by the mark file of a killed one.
                let mark_file = format!("cluster-mark-service-{}.dat", self.place.service_id);
                release_mark_file(&self.place.cluster_dir.join(mark_file))?;
                Running::Program(Process::spawn(self.place.to_string(), &command(&self.place))?)
            }
        };
        self.running = Some(running);
        Ok(())
    }

    pub(super) fn is_running(&mut self) -> bool {
        match &mut self.running {
            Some(Running::Container(container)) => !container.is_ended(),
            Some(Running::Program(process)) => process.is_running(),
            None => false,
        }
    }

    pub(super) fn process(&mut self) -> Option<&mut Process> {
        match &mut self.running {
            Some(Running::Program(process)) => Some(process),
            _ => None,
        }
    }

    /// Asks a container to end, without waiting.
    pub(super) fn request_stop(&self) {
        if let Some(Running::Container(container)) = &self.running {
            container.closer().close();
        }
    }

    /// Ends it in order.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.is_dismissed = true;
        match &mut self.running {
            Some(Running::Program(process)) => {
                process.stop()?;
                Ok(())
            }
            Some(Running::Container(_)) => {
                self.request_stop();
                self.wait_for_end()
            }
            None => Ok(()),
        }
    }

    /// Kills a program; closes a container, which cannot be killed, whatever it says.
    pub(super) fn kill(&mut self) {
        self.is_dismissed = true;
        match &mut self.running {
            Some(Running::Program(process)) => process.kill(),
            Some(Running::Container(_)) => self.running = None,
            None => {}
        }
    }

    /// Waits until it has ended by itself. An error says what was wrong with it.
    pub(super) fn wait_for_end(&mut self) -> Result<()> {
        if let Some(Running::Program(process)) = &mut self.running {
            return process.wait_for_success(PATIENCE);
        }
        wait_until(&format!("the end of {}", self.place), PATIENCE, || {
            Ok(if self.is_running() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        if let Some(Running::Container(container)) = self.running.take() {
            self.failed = match container.wait() {
                Ok(Termination::Closed | Termination::Expected) => None,
                Ok(Termination::Unexpected) => {
                    Some(Error::new(ErrorKind::Terminated, format!("{} ended unexpectedly", self.place)))
                }
                Err(error) => Some(error.context(&self.place)),
            };
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// What it ended with, if nobody asked for that.
    pub(super) fn failure(&mut self) -> Option<Error> {
        let has_ended = self.failed.is_some() || self.running.is_some() && !self.is_running();
        if has_ended && !self.is_dismissed { self.wait_for_end().err() } else { None }
    }
}
