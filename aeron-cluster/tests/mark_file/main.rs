//! The mark file: what it holds, who may claim it, and what Java makes of it.

mod claim;
mod dir;
mod garbage;
#[cfg(feature = "testing")]
mod java;
mod layout;
