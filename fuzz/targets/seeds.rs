//! Writes the messages that the targets start from: `seeds DIR [ARCHIVE...]` makes a directory for each target in DIR. From the recordings in
//! the directories of archives, such as those of a cluster's run, it takes the messages of each target besides.

use std::path::Path;

use aeron_cluster_fuzz::{recordings, seeds};

fn main() -> std::io::Result<()> {
    let mut dirs = std::env::args_os().skip(1);
    let dir = dirs.next().expect("usage: seeds DIR [ARCHIVE...]");
    let dir = Path::new(&dir);
    for target in
        ["log", "control", "clients", "snapshot", "archive", "framed", "mark_file", "cnc", "loss_report", "uri"]
    {
        std::fs::create_dir_all(dir.join(target))?;
        for (number, seed) in seeds::of(target).iter().enumerate() {
            std::fs::write(dir.join(target).join(format!("{number:02}")), seed)?;
        }
    }
    for archive in dirs {
        for (target, message) in recordings::messages(Path::new(&archive))? {
            let name = format!("recorded-{:08x}", recordings::name_of(&message));
            std::fs::write(dir.join(target).join(name), message)?;
        }
    }
    Ok(())
}
