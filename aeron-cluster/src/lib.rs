//! Aeron Cluster services and clients in Rust, over the official Aeron C client.
//!
//! Modules in the order a message meets them: [`aeron`] is the safe client under everything else.
#![deny(unsafe_code)]

pub mod aeron;
mod error;

pub use error::{Error, ErrorKind, Result};
