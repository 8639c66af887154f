//! Where the container's errors go: the mark file, the error counter, the events, and the user.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error_log::ErrorLog;
use crate::aeron::Counter;
use crate::error::Error;

/// The user's error handler. Called on the container's thread or on the client's conductor.
pub(super) type ErrorHandler = Box<dyn Fn(&Error) + Send + Sync>;

/// Records errors where operators look for them. Mirrors Java's `CountedErrorHandler` over the mark file's error log.
pub(super) struct ErrorSink {
    log: ErrorLog,
    counter: OnceLock<Counter>,
    handler: Option<ErrorHandler>,
    log_ended: AtomicBool,
}

impl ErrorSink {
    pub(super) fn new(log: ErrorLog, handler: Option<ErrorHandler>) -> Self {
        ErrorSink { log, counter: OnceLock::new(), handler, log_ended: AtomicBool::new(false) }
    }

    /// Sets the counter in which errors are counted from now on. A second call changes nothing.
    pub(super) fn count_in(&self, counter: Counter) {
        let _ = self.counter.set(counter);
    }

    /// Stops writing to the log: its mark file is being released, and may soon have another owner.
    pub(super) fn end_log(&self) {
        self.log_ended.store(true, Ordering::Release);
    }

    /// Records an error and counts it.
    pub(super) fn count(&self, error: &Error) {
        // A closed counter's id may have been reused by the driver.
        if let Some(counter) = self.counter.get().filter(|counter| !counter.is_closed()) {
            counter.increment();
        }
        self.record(error);
    }

    /// Records an error without counting it, as Java does for those that end the agent.
    pub(super) fn record(&self, error: &Error) {
        tracing::error!(kind = ?error.kind(), code = error.code(), "{error}");
        let text = format!("{:?}: {error}", error.kind());
        let recorded = !self.log_ended.load(Ordering::Acquire) && self.log.record(epoch_ms(), &text);
        if self.handler.is_none() || !recorded {
            print(&text);
        }
        if let Some(handler) = &self.handler
            && catch_unwind(AssertUnwindSafe(|| handler(error))).is_err()
        {
            // A panic here must not keep the container from ending in an orderly way.
            print("the error handler panicked");
        }
    }
}

/// Prints to standard error. Unlike `eprintln!` it does not panic if that is closed.
fn print(text: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "aeron-cluster: {text}");
}

/// Milliseconds since the epoch.
pub(super) fn epoch_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
