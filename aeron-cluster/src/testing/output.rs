//! What a child process prints, kept for messages and for those who wait for a line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The output of one process, both streams together.
#[derive(Debug, Default)]
pub(super) struct Output {
    printed: Mutex<Printed>,
    changed: Condvar,
}

/// What has arrived so far.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// Line by line, in the order in which they arrived.
    pub(super) lines: Vec<String>,
    /// How many of the streams are still open: 0 once the process and its children have ended.
    pub(super) open: usize,
}

impl Output {
    pub(super) fn lock(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a stream to its end, on a thread of its own.
    pub(super) fn drain(output: &Arc<Output>, stream: impl Read + Send + 'static) {
        output.lock().open += 1;
        let output = Arc::clone(output);
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
                output.lock().lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                output.changed.notify_all();
                line.clear();
            }
            output.lock().open -= 1;
            output.changed.notify_all();
        });
    }

    /// Blocks until `look` finds something; `None` when no line arrived for `patience`.
    pub(super) fn wait<T>(&self, patience: Duration, look: impl Fn(&Printed) -> Option<T>) -> Option<T> {
        let mut printed = self.lock();
        let mut seen = printed.lines.len();
        let mut deadline = Instant::now() + patience;
        loop {
            if let Some(found) = look(&printed) {
                return Some(found);
            }
            if printed.lines.len() != seen {
                seen = printed.lines.len();
                deadline = Instant::now() + patience;
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            printed = self.changed.wait_timeout(printed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
