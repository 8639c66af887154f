//! Waiting for a state, with a deadline that starts again whenever something moves.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, ErrorKind, Result};

/// How long nothing may move before a wait of this module gives up. Generous: a loaded machine with two cores starts up to
/// nine Java virtual machines for one test.
pub const PATIENCE: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Observes until `observe` breaks with the awaited value.
///
/// `observe` returns `Continue(progress)` while it must go on; the deadline counts from the last change of `progress`. It
/// is meant for what has no event to block on, such as a counter in a file. Blocks the calling thread, sleeping 5 ms
/// between observations.
///
/// # Errors
///
/// Those of `observe`, and [`ErrorKind::Timeout`] naming `what` and the last progress.
pub fn wait_until<T, P>(
    what: &str,
    patience: Duration,
    mut observe: impl FnMut() -> Result<ControlFlow<T, P>>,
) -> Result<T>
where
    P: PartialEq + std::fmt::Debug,
{
    let mut last = None;
    let mut moved = Instant::now();
    loop {
        let progress = match observe()? {
            ControlFlow::Break(value) => return Ok(value),
            ControlFlow::Continue(progress) => Some(progress),
        };
        if progress != last {
            last = progress;
            moved = Instant::now();
        } else if moved.elapsed() > patience {
            let message = format!("gave up on {what}: nothing moved for {patience:?}, last seen {last:?}");
            return Err(Error::new(ErrorKind::Timeout, message));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_extends_the_deadline() {
        let patience = Duration::from_millis(60);
        let start = Instant::now();
        let result = wait_until("five steps", patience, || {
            let step = start.elapsed().as_millis() / 40;
            Ok(if step >= 5 { ControlFlow::Break(step) } else { ControlFlow::Continue(step) })
        });
        assert_eq!(result.unwrap(), 5);
    }

    #[test]
    fn standstill_is_a_timeout_that_names_what_was_awaited() {
        let result: Result<()> = wait_until("nothing", Duration::from_millis(20), || Ok(ControlFlow::Continue(7)));
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.message().contains("nothing") && error.message().contains('7'), "{error}");
    }
}
