//! Child processes that end with the test that started them, and whose output is there when something fails.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::output::Output;
use super::patience::{PATIENCE, wait_until};
use super::spawning::{spawn_from_lasting_thread, tied_to_this_process};
use crate::{Error, ErrorKind, Result};

/// How long [`Process::stop`] lets a process finish in order.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// How long the last words of an ended process may take to arrive.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// Lines of output that an error message quotes.
const QUOTED_LINES: usize = 40;

/// A running child process in a process group of its own.
///
/// It is killed when this value is dropped, and by the kernel (Linux) when this process dies. Both output streams are
/// drained and kept; a drop while panicking prints them. Methods block only where they say so.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

impl Process {
    /// Starts `command` under a name for messages. Standard input is empty; a cleared environment is not kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if the process cannot be started.
    pub fn spawn(name: impl Into<String>, command: &Command) -> Result<Process> {
        let name = name.into();
        let mut tied = tied_to_this_process(command);
        std::os::unix::process::CommandExt::process_group(&mut tied, 0);
        tied.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let starting = format!("cannot start {name} with {:?}", tied.get_program());
        let mut child = spawn_from_lasting_thread(tied).map_err(|error| Error::from(error).context(starting))?;
        let output = Arc::new(Output::default());
        if let Some(stdout) = child.stdout.take() {
            Output::drain(&output, stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            Output::drain(&output, stderr);
        }
        Ok(Process { name, child, output })
    }

    /// The name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id, which is its process group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it printed so far, both streams, line by line in the order in which they arrived.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().lines.clone()
    }

    /// How many lines it has printed so far.
    pub fn line_count(&self) -> usize {
        self.output.lock().lines.len()
    }

    /// Blocks until it has printed a line that contains `part`, and returns the first such line.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] when it printed nothing at all for `patience`, [`ErrorKind::State`] when it ended first; both
    /// quote its output.
    pub fn wait_for_line(&self, part: &str, patience: Duration) -> Result<String> {
        self.wait_for_line_from(0, part, patience)
    }

    /// [`wait_for_line`](Self::wait_for_line) among the lines from number `first` on (see [`line_count`](Self::line_count)).
    ///
    /// # Errors
    ///
    /// As `wait_for_line`.
    pub fn wait_for_line_from(&self, first: usize, part: &str, patience: Duration) -> Result<String> {
        let found = self.output.wait(patience, |printed| {
            let line = printed.lines.iter().skip(first).find(|line| line.contains(part));
            line.cloned().map(Ok).or((printed.open == 0).then_some(Err(())))
        });
        match found {
            Some(Ok(line)) => Ok(line),
            Some(Err(())) => Err(self.failure(ErrorKind::State, &format!("ended before it printed {part:?}"))),
            None => {
                Err(self.failure(ErrorKind::Timeout, &format!("printed no {part:?}, and nothing for {patience:?}")))
            }
        }
    }

    /// Blocks until it has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] when it runs on and prints nothing for `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        match self.output.wait(patience, |printed| (printed.open == 0).then_some(())) {
            Some(()) => Ok(self.child.wait()?),
            None => {
                Err(self.failure(ErrorKind::Timeout, &format!("did not end, and printed nothing for {patience:?}")))
            }
        }
    }

    /// [`wait`](Self::wait), and an exit status other than 0 is an error.
    ///
    /// # Errors
    ///
    /// As `wait`, and [`ErrorKind::State`] for another exit status.
    pub fn wait_for_success(&mut self, patience: Duration) -> Result<()> {
        let status = self.wait(patience)?;
        if status.success() { Ok(()) } else { Err(self.failure(ErrorKind::State, &format!("ended with {status}"))) }
    }

    /// Asks it to end (SIGTERM) and blocks until it has. One that has ended already is fine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] when it did not end in 15 s; it is killed then.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal("TERM");
        self.wait(STOP_PATIENCE).inspect_err(|_| self.kill())
    }

    /// Kills its process group (SIGKILL) and blocks until it is gone.
    pub fn kill(&mut self) {
        self.signal("KILL");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops its process group where it is (SIGSTOP), as when its machine hangs: it does nothing until [`resume`](Self::resume). On Linux
    /// this blocks until all of its threads stand still; elsewhere they may take a moment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] when it has ended; [`ErrorKind::Timeout`] when a thread goes on.
    pub fn pause(&mut self) -> Result<()> {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.id());
        let what = format!("{} to stand still", self.name);
        wait_until(&what, PATIENCE, || {
            let moving = fs::read_dir(&tasks).into_iter().flatten().flatten().filter(|task| !is_still(&task.path()));
            let moving = moving.count();
            if !self.is_running() {
                return Err(self.failure(ErrorKind::State, "has ended, and cannot be paused"));
            }
            Ok(match moving {
                0 => ControlFlow::Break(()),
                moving => ControlFlow::Continue(moving),
            })
        })
    }

    /// Lets it go on after [`pause`](Self::pause) (SIGCONT).
    pub fn resume(&mut self) {
        self.signal("CONT");
    }

    /// An error about this process that quotes the end of its output; all of it when the process has ended.
    pub(crate) fn failure(&self, kind: ErrorKind, what: &str) -> Error {
        if kind == ErrorKind::State {
            self.output.wait(DRAIN_PATIENCE, |printed| (printed.open == 0).then_some(()));
        }
        Error::new(kind, self.quoted(what, QUOTED_LINES))
    }

    /// What is to be said of it, and the last lines that it printed.
    pub(super) fn quoted(&self, what: &str, lines: usize) -> String {
        let printed = self.lines();
        let last = &printed[printed.len().saturating_sub(lines)..];
        format!("{} {what}; its output ends with:\n{}", self.name, last.join("\n"))
    }

    /// Signals the group through the shell, which is there on every Unix and needs no unsafe code.
    fn signal(&mut self, signal: &str) {
        if self.is_running() {
            let group = format!("-{}", self.id());
            let _ = Command::new("sh")
                .args(["-c", r#"kill -s "$0" -- "$1""#, signal, &group])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- output of {}:\n{}\n---", self.name, self.lines().join("\n"));
        }
    }
}

/// Whether a process or thread that was told to stop stands still (T), or is gone (Z, X), by its directory in Linux' `/proc`. One that
/// waits in the kernel (D) does no more once it is back; a shell does so for ever for a child that was stopped before it became another
/// program.
fn is_still(task: &Path) -> bool {
    proc_state(task).is_none_or(|state| ['T', 'D', 'Z', 'X'].contains(&state))
}

/// The state of a process or thread, by its directory in Linux' `/proc`: a letter, such as Z for one that has ended and of which nobody has
/// asked how. `None` if it is not there.
pub fn proc_state(task: &Path) -> Option<char> {
    // Behind the name, which may have any character.
    fs::read_to_string(task.join("stat")).ok()?.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("a shell", &command).unwrap()
    }

    #[test]
    fn output_of_both_streams_and_the_exit_status_arrive() {
        let mut process = shell("echo one; echo two >&2; exit 3");
        assert_eq!(process.wait_for_line("two", PATIENCE).unwrap(), "two");
        assert_eq!(process.wait(PATIENCE).unwrap().code(), Some(3));
        assert_eq!(process.lines().len(), 2);
        assert!(process.wait_for_success(PATIENCE).unwrap_err().message().contains("one"));
    }

    #[test]
    fn a_line_that_never_comes_is_an_error_with_the_output() {
        let process = shell("echo something else");
        let error = process.wait_for_line("hello", PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(error.message().contains("something else"), "{error}");
    }

    #[test]
    fn silence_is_a_timeout_but_talk_is_not() {
        let process = shell("for i in 1 2 3 4; do echo $i; sleep 0.1; done; sleep 60");
        process.wait_for_line("4", Duration::from_millis(300)).unwrap();
        let error = process.wait_for_line("5", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }

    #[test]
    fn a_paused_process_does_nothing_until_it_is_resumed() {
        let mut process = shell("while :; do echo x; sleep 0.01; done");
        process.wait_for_line("x", PATIENCE).unwrap();
        process.pause().unwrap();
        #[cfg(target_os = "linux")]
        assert!(is_still(Path::new(&format!("/proc/{}", process.id()))));
        process.resume();
        let printed = process.line_count();
        process.wait_for_line_from(printed + 1, "x", PATIENCE).unwrap();
    }

    #[test]
    fn a_process_that_has_ended_cannot_be_paused() {
        let mut process = shell("echo bye");
        process.wait(PATIENCE).unwrap();
        let error = process.pause().unwrap_err();
        assert!(error.kind() == ErrorKind::State && error.message().contains("bye"), "{error}");
    }

    #[test]
    fn stop_ends_in_order_and_kill_ends_what_ignores_it() {
        let mut polite = shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done");
        polite.wait_for_line("up", PATIENCE).unwrap();
        assert!(polite.stop().unwrap().success());
        assert!(polite.lines().contains(&"bye".to_owned()));

        let mut deaf = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
        deaf.wait_for_line("up", PATIENCE).unwrap();
        deaf.kill();
        assert!(!deaf.is_running());
    }
}
