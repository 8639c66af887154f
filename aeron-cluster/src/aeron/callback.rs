//! Tracks which clients have a conductor callback running on this thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::handle::Callbacks;

/// A running callback, and the one that encloses it, if any: a handler of one client may run the conductor of another, or drop it.
struct Running {
    callbacks: *const Callbacks,
    outer: *const Running,
}

thread_local! {
    /// The innermost callback. (The header declares `aeron_context_set_agent_on_start_function`, by which a conductor could say what thread
    /// is its own, but no source of 1.54.0 defines it.)
    static RUNNING: Cell<*const Running> = const { Cell::new(std::ptr::null()) };
}

/// Calls a user's handler on the conductor thread. What the handler drops must not close the client there. Panics are caught.
pub(super) fn in_callback(callbacks: &Callbacks, call: impl FnOnce()) {
    let running = Running { callbacks, outer: RUNNING.get() };
    RUNNING.set(&raw const running);
    let called = catch_unwind(AssertUnwindSafe(call));
    RUNNING.set(running.outer);
    if called.is_err() {
        tracing::error!("a handler panicked on the conductor thread; the client goes on");
    }
}

/// Whether a callback of this client runs on this thread, at any depth.
pub(super) fn is_in_callback(callbacks: &Callbacks) -> bool {
    let mut running = RUNNING.get();
    // SAFETY: each stands on this thread's stack, in a call of `in_callback` that takes it out before it returns.
    while let Some(callback) = unsafe { running.as_ref() } {
        if std::ptr::eq(callback.callbacks, callbacks) {
            return true;
        }
        running = callback.outer;
    }
    false
}
