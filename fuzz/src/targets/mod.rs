//! What the fuzz targets do with what they are given: decode it, and check what came out. Tests give them their seeds, changed here
//! and there, in every run of CI; libFuzzer gives them what it likes.

mod archive;
mod files;
mod messages;
mod snapshots;
mod term;
mod text;

pub use archive::archive;
pub use files::{LONGEST_FILE, cnc, loss_report, mark_file};
pub use messages::{clients, control, log, recovery_state};
pub use snapshots::{framed, messages_of, snapshot, snapshot_load};
pub use term::term;
pub use text::{endpoints, settings, uri};
