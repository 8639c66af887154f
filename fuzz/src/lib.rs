//! What the targets do, and the messages that they start from.

pub mod recordings;
pub mod seeds;
pub mod targets;
