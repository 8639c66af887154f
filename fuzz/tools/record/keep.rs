//! What is kept of all that was seen.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Of how many lengths a kind of inputs is kept.
const LENGTHS: usize = 3;
/// What is longer is not for a corpus that is checked in.
const LONGEST: usize = 16 * 1024;

/// A corpus in the making: of each target, some inputs of each kind.
pub struct Corpus {
    dir: PathBuf,
    kept: BTreeMap<(&'static str, String), Vec<Vec<u8>>>,
}

impl Corpus {
    pub fn new(dir: PathBuf) -> Corpus {
        Corpus { dir, kept: BTreeMap::new() }
    }

    /// Keeps an input, unless there are enough of its kind, or one of its length.
    pub fn add(&mut self, target: &'static str, kind: impl Into<String>, input: &[u8]) {
        let kept = self.kept.entry((target, kind.into())).or_default();
        let is_new = kept.len() < LENGTHS && kept.iter().all(|other| other.len() != input.len());
        if is_new && !input.is_empty() && input.len() <= LONGEST {
            kept.push(input.to_vec());
        }
    }

    /// Writes the files.
    pub fn write(&self) -> std::io::Result<()> {
        let (mut files, mut bytes) = (0, 0);
        for ((target, kind), inputs) in &self.kept {
            let dir = self.dir.join(target);
            std::fs::create_dir_all(&dir)?;
            for (number, input) in inputs.iter().enumerate() {
                std::fs::write(dir.join(format!("{kind}-{number}")), input)?;
                files += 1;
                bytes += input.len();
            }
        }
        println!("{files} files of {bytes} bytes in {}", self.dir.display());
        Ok(())
    }
}
