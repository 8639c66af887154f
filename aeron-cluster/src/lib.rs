//! Aeron Cluster services and clients in Rust, over the official Aeron C client.
//!
//! Modules in the order a message meets them: [`aeron`] is the safe client under everything else, [`codec`] the messages of the
//! cluster protocol.
#![deny(unsafe_code)]

pub mod aeron;
pub mod codec;
mod error;

pub use error::{Error, ErrorKind, Result};
