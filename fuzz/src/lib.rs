//! What the targets do, and what they start from.

pub mod corpus;
pub mod driver_files;
pub mod list;
pub mod seeds;
pub mod targets;
