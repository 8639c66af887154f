//! Makes a corpus of what real clusters wrote. `record DIR` runs a cluster of three members through all that it may send, and takes from
//! its files what is new to each target; `record DIR FROM...` takes it from the directories FROM instead.

mod harvest;
mod keep;
mod run;

use std::path::Path;

use harvest::harvest;
use keep::Corpus;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let dir = arguments.next().ok_or("usage: record DIR [FROM...]")?;
    let mut corpus = Corpus::new(dir.into());
    let mut from = arguments.peekable();
    if from.peek().is_none() {
        run::record(&mut corpus)?;
    }
    from.for_each(|dir| harvest(Path::new(&dir), &mut corpus));
    corpus.write()?;
    Ok(())
}
