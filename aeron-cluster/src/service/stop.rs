//! Why the agent ends, and which failures it survives.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind};

/// Why the agent ends.
#[derive(Debug)]
pub(super) enum Stop {
    /// The container was closed.
    Closed,
    /// The consensus module asked for it or is gone, or the service asked for it.
    Terminated { expected: bool },
    /// An error that must end the node.
    Failed(Error),
    /// The media driver died or the client was closed, so nothing can be sent any more.
    Aborted,
}

impl Stop {
    /// The cause for the termination hook and the error log. `None` if the container was closed.
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

/// Why a step of the agent did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The agent ends.
    Stop(Stop),
    /// An error. The failure policy decides whether it ends the agent.
    Error(Error),
    /// An error that the agent always survives: a failed snapshot.
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

/// Runs a part whose outcome must be acknowledged to the consensus module in any case, and turns a panic into an error. Only user code that is
/// not a callback of the service can panic here: a version validator, a credentials supplier.
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
