//! Why the agent ends, and which failures it survives.
//!
//! A step of the agent returns an [`Outcome`]. If it fails, its [`Fault`] goes up to one of two places, which decide whether the agent ends. If
//! it does, they make a [`Stop`], with which `Agent::close` ends it.
//!
//! ```text
//! a callback panics, on_start fails,
//! the log or the control channel cannot be read
//!   └─► Fault::Error ───────┐
//! a snapshot fails          │                             ┌─► only counted: the agent goes on
//!   └─► Fault::Survivable ──┼─► Core::settle              │
//! asked to end, no client,  │   (starting: Agent::fatal) ─┤
//! wrong log, no space left  │                             └─► Stop ─► Agent::close ─► Termination, or an error
//!   └─► Fault::Stop(Stop) ──┘
//! ```
//!
//! | Fault | while running (`settle`) | while starting (`fatal`) |
//! |---|---|---|
//! | `Stop` | ends with this `Stop` | ends with this `Stop` |
//! | any other, and the client is closed | counted; ends as `Aborted` | counted; ends as `Aborted` |
//! | `Error`, under `FailurePolicy::Terminate` | ends as `Failed` | ends as `Failed` |
//! | `Error`, under `FailurePolicy::LogAndContinue` | counted; goes on | ends as `Failed` |
//! | `Survivable` | counted; goes on | ends as `Failed` |
//!
//! `Agent::settled` is `settle` for a step with a value. After a panic of the service under `Terminate`, a closed client makes no difference.
//! Errors that need no decision are counted at once and go no further: the last acknowledgement failed (`control.rs`), or the log
//! could not be joined and will be tried again (`joining.rs`).
//!
//! What `Agent::close` does with a `Stop`:
//!
//! | Stop | error log | termination hooks | `on_terminate` | result |
//! |---|---|---|---|---|
//! | `Closed` | nothing | no | yes | `Ok(Closed)` |
//! | `Terminated`, expected | nothing | yes | yes | `Ok(Expected)` |
//! | `Terminated`, unexpected | recorded | yes | yes | `Ok(Unexpected)` |
//! | `Failed` | recorded and counted | yes | unless it panicked | the error |
//! | `Aborted` | recorded | yes | no | an error of kind `DriverDead` |
//!
//! `on_terminate` is called only if the service has started, and only once. A panic while the service is dropped makes every result an error,
//! as does a mark file that cannot be written after `Closed`.
//!
//! A callback cannot return a `Stop`. What comes up while one runs (`Cluster::terminate`, or a tick while it idles) is kept in `State`: the first
//! reason wins, and sends are refused from then on. `Core::call` and `Core::idle` take it from there after the callback.
//!
//! Panics: `Core::call` turns those of callbacks into `Fault::Error`; [`without_panic`] catches those of other user code
//! that the agent calls. Making and dropping the service have a `catch_unwind` of their own.

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

/// Runs a part of the agent, and converts a panic with `failed`: to `Stop::Failed` around the whole duty cycle, to `Fault::Error` around a part
/// whose outcome must be acknowledged to the consensus module in any case. Panics of the callbacks of the service are caught in `Core::call`;
/// those of other user code end here: an idle strategy, a version validator, a credentials supplier.
pub(super) fn without_panic<T, E>(
    part: impl FnOnce() -> Result<T, E>,
    failed: impl FnOnce(Error) -> E,
) -> Result<T, E> {
    // Unwind safe: parts keep their state consistent wherever that code is called, or the agent ends.
    catch_unwind(AssertUnwindSafe(part))
        .unwrap_or_else(|payload| Err(failed(panicked("the container", payload.as_ref()))))
}

/// The result of a step of the agent. See the module.
pub(super) type Outcome<T> = Result<T, Fault>;

/// The message of a panic.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a payload that is no text")
}

/// The error for a panic in `what`.
pub(super) fn panicked(what: &str, payload: &(dyn Any + Send)) -> Error {
    Error::new(ErrorKind::Terminated, format!("{what} panicked: {}", panic_text(payload)))
}
