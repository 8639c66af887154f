//! Aeron Cluster services and clients in Rust, over the official Aeron C client.
//!
//! Implement [`ClusteredService`](service::ClusteredService) and launch it in a
//! [`ClusteredServiceContainer`](service::ClusteredServiceContainer), which runs it as a replicated state machine next to the official
//! (Java) consensus module. Talk to a cluster with [`AeronCluster`](client::AeronCluster).
//!
//! | module | what it is |
//! |---|---|
//! | [`service`] | the clustered service and the container that hosts it |
//! | [`client`] | the cluster client |
//! | [`aeron`] | the safe Aeron client under both |
//! | [`archive`] | the archive client, for snapshots and for recordings of your own |
//! | [`security`] | the credentials that clients present |
//! | [`codec`] | the messages of the cluster protocol |
//! | `driver` | the C media driver in this process (feature `driver`) |
//! | `testing` | clusters of the official servers, for tests of services (feature `testing`) |
//!
//! There is one error type, [`Error`], with a kind to act on; only sends on the message path return the small
//! [`OfferError`](aeron::OfferError) instead. Everything off the message path (connecting, changes of leader, snapshots) is reported as
//! [`tracing`] events.
#![deny(unsafe_code)]

pub mod aeron;
pub mod archive;
mod bytes;
pub mod client;
pub mod codec;
#[cfg(feature = "driver")]
pub mod driver;
mod environment;
mod error;
mod pieces;
pub mod security;
pub mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, ErrorKind, Result};
