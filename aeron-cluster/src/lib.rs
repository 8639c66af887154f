//! Aeron Cluster services and clients in Rust, over the official Aeron C client.
//!
//! Write a [`ClusteredService`](service::ClusteredService) and give it to a
//! [`ClusteredServiceContainer`](service::ClusteredServiceContainer): it is a replicated state machine beside the official
//! consensus module. Talk to a cluster with [`AeronCluster`](client::AeronCluster).
//!
//! | module | what it is |
//! |---|---|
//! | [`service`] | the clustered service and the container that hosts it |
//! | [`client`] | the cluster client |
//! | [`aeron`] | the safe Aeron client under both |
//! | [`archive`] | the archive client, for snapshots and for recordings of your own |
//! | [`security`] | what clients prove themselves with |
//! | [`codec`] | the messages of the cluster protocol |
//! | `driver` | the C media driver in this process (feature `driver`) |
//! | `testing` | clusters of the official servers, for tests of services (feature `testing`) |
//!
//! Errors are one type, [`Error`], with a kind to act on; sends on the message path answer with the small
//! [`OfferError`](aeron::OfferError) instead. What happens on the control plane is told as [`tracing`] events.
#![deny(unsafe_code)]

pub mod aeron;
pub mod archive;
pub mod client;
pub mod codec;
#[cfg(feature = "driver")]
pub mod driver;
mod environment;
mod error;
pub mod security;
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, ErrorKind, Result};
