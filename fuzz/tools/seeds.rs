//! What the targets of `fuzz/src/list.rs` start from. `seeds` names them; `seeds DIR` makes a directory for each in DIR, with its seeds, and
//! with the files of its corpus.

use std::path::Path;

use aeron_cluster_fuzz::{corpus, list};

fn main() -> std::io::Result<()> {
    let Some(dir) = std::env::args_os().nth(1) else {
        list::ALL.iter().for_each(|target| println!("{}", target.name));
        return Ok(());
    };
    for target in &list::ALL {
        let dir = Path::new(&dir).join(target.name);
        std::fs::create_dir_all(&dir)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(dir.join(format!("{number:02}")), seed)?;
        }
        for (number, recorded) in corpus::of(target.name)?.iter().enumerate() {
            std::fs::write(dir.join(format!("recorded-{number:02}")), recorded)?;
        }
    }
    Ok(())
}
