//! Real clusters for tests: the official media driver, archive server and consensus module as child processes of the test,
//! with the service under test on each member.
//!
//! [`TestCluster`] runs one or more members on loopback. [`Builder::service`] adds a Rust service that runs in this process,
//! [`Builder::program`] one that is a program. Members, their
//! servers and their services can be stopped, killed, emptied, cut off and restarted. Everything ends with the test,
//! even if the test is killed. Methods that wait observe a state (a counter, a line of output), and
//! give up only after nothing has moved for a while.
//!
//! A service in a cluster of three members, whose leader is killed:
//!
//! ```no_run
#![doc = include_str!("../../tests/testing/example.rs")]
//! ```
//!
//! The machine needs a JDK of version 17 or newer and the jar `io.aeron:aeron-all`; in this repository `./ci/setup`
//! installs both. If one is missing, that is an error, never a skipped test. Three members are nine processes: on a machine with few cores
//! run one such test at a time.

mod builder;
mod cluster;
mod counters;
mod dirs;
#[doc(hidden)]
pub mod fuzzing;
mod hosted;
mod java;
mod last_words;
mod members;
mod network;
mod node;
mod output;
mod parts;
mod patience;
mod ports;
mod processes;
mod remote;
mod spawning;
mod tools;
mod waits;

pub use builder::Builder;
pub use cluster::TestCluster;
pub use counters::{CounterReading, DriverCounters, type_id};
pub use dirs::WorkDir;
pub use hosted::Place;
pub use java::Java;
pub use parts::{DriverKind, Part};
pub use patience::{PATIENCE, wait_until};
pub use ports::PortBlock;
pub use processes::{Process, proc_state};
