//! What the processes of a test cluster said last, for whoever has to find out why a test failed.

use std::fmt::Write;

use super::cluster::TestCluster;
use super::parts::Part;
use super::processes::Process;

impl TestCluster {
    /// The last lines that each process printed, at most `lines` of each, and whether it runs. Services in this process are not among them.
    pub fn last_words(&mut self, lines: usize) -> String {
        let mut words = String::new();
        for node in &mut self.nodes {
            for part in Part::ALL {
                tell(&mut words, node.process(part), lines);
            }
            for service in node.services() {
                tell(&mut words, service.process(), lines);
            }
        }
        words
    }
}

fn tell(words: &mut String, process: Option<&mut Process>, lines: usize) {
    let Some(process) = process else { return };
    let state = if process.is_running() { "runs" } else { "has ended" };
    // Writing to a string cannot fail.
    let _ = writeln!(words, "--- {}", process.quoted(state, lines));
}
