//! The service under test: a replica that shows what it applied, and a client that tells it what to do.
//!
//! Its state is a hash over everything that the log brought, in order, and the numbers of the messages of each session. Two
//! replicas that applied the same log have the same state; a message that was lost or applied twice shows in the numbers.
//! `tests/java/ReplicaService.java` is the same service on the official container: same state, same replies, same bytes in
//! snapshots.
//!
//! As a program it is `tests/replica/program.rs`; a test that runs it in its own process declares this module.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

mod client;
mod command;
mod service;
mod state;

pub use client::ReplicaClient;
pub use command::{Command, Reply, Targets};
pub use service::Replica;
pub use state::{Numbers, State};
