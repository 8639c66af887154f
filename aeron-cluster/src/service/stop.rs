//! Why the agent ends, and what it survives.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Runs what must be answered to the consensus module however it ends: a panic in it is an error. Only user code that is no
/// callback of the service can panic in it: a version validator, a supplier of credentials.
pub(super) fn without_panic<T>(part: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(part))
        .unwrap_or_else(|payload| Err(panicked("the container", payload.as_ref()).into()))
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
