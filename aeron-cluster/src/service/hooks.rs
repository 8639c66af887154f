//! What runs when a container ends by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error_sink::ErrorSink;
use super::stop::panicked;
use crate::error::Error;

/// Gets the reason why the container ends.
type ExtendedHook = Box<dyn FnOnce(&Error) + Send>;
type Hook = Box<dyn FnOnce() + Send>;

/// The termination hooks of a container. Mirrors `ClusteredServiceAgent.runTerminationHooks`.
#[derive(Default)]
pub(super) struct TerminationHooks {
    pub(super) extended: Option<ExtendedHook>,
    pub(super) plain: Option<Hook>,
}

impl TerminationHooks {
    /// Runs the extended hook with the cause, then the plain one. A panic in either is recorded and stops nothing else.
    pub(super) fn run(self, cause: &Error, errors: &ErrorSink) {
        let TerminationHooks { extended, plain } = self;
        if let Some(hook) = extended
            && let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook(cause)))
        {
            errors.count(&panicked("the extended termination hook", payload.as_ref()));
        }
        if let Some(hook) = plain
            && let Err(payload) = catch_unwind(AssertUnwindSafe(hook))
        {
            errors.count(&panicked("the termination hook", payload.as_ref()));
        }
    }
}
