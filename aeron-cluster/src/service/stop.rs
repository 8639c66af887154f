//! Why the agent ends, and what it survives.

use std::any::Any;

use crate::error::{Error, ErrorKind};

/// Why the agent ends.
#[derive(Debug)]
pub(super) enum Stop {
    /// The container was closed.
    Closed,
    /// The node ends in order: the consensus module asked for it or is gone, or the service did.
    Terminated { expected: bool },
    /// Something is wrong that must end the node.
    Failed(Error),
    /// The media driver died, or the client was closed: nothing can be sent any more.
    Aborted,
}

impl Stop {
    /// What the termination hook and the user are told. `None` where there is nothing to tell: the container was closed.
    pub(super) fn cause(&self) -> Option<Error> {
        match self {
            Stop::Closed => None,
            Stop::Terminated { expected: true } => Some(Error::new(ErrorKind::Terminated, "expected termination")),
            Stop::Terminated { expected: false } => Some(Error::new(ErrorKind::Terminated, "unexpected termination")),
            Stop::Failed(error) => Some(error.clone()),
            Stop::Aborted => Some(Error::new(ErrorKind::DriverDead, "unexpected Aeron close")),
        }
    }
}

/// What a step of the agent meets instead of success.
#[derive(Debug)]
pub(super) enum Fault {
    /// The agent ends.
    Stop(Stop),
    /// Something went wrong; whether the agent ends is for the failure policy to say.
    Error(Error),
    /// Something went wrong that the agent always survives: a snapshot that failed.
    Survivable(Error),
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Fault::Stop(stop)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Error(error)
    }
}

/// The result of a step of the agent.
pub(super) type Outcome<T> = Result<T, Fault>;

/// What a panic said.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a payload that is no text")
}

/// A panic, as an error.
pub(super) fn panicked(what: &str, payload: &(dyn Any + Send)) -> Error {
    Error::new(ErrorKind::Terminated, format!("{what} panicked: {}", panic_text(payload)))
}
