//! Aeron Cluster services and clients in Rust, over the official Aeron C client.
//!
//! Modules in the order a message meets them: [`aeron`] is the safe client under everything else, [`codec`] the messages of the
//! cluster protocol, [`service`] the clustered service's container. Module `testing` (feature of the same name) runs real
//! clusters for tests.
#![deny(unsafe_code)]

pub mod aeron;
pub mod archive;
pub mod client;
pub mod codec;
#[cfg(feature = "driver")]
pub mod driver;
mod error;
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, ErrorKind, Result};
