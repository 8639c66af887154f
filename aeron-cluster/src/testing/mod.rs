//! Real clusters for tests: the official media driver, archive server and consensus module as child processes of the test,
//! with the service under test on each member.
//!
//! [`TestCluster`] runs one member or more on loopback: [`Builder::service`] takes what makes a Rust service, which then
//! runs in containers of this process; [`Builder::program`] takes the command of one that is a program. Members, their
//! servers and their services can be stopped, killed, emptied, cut off and started again. Everything ends with the test,
//! also when the test is killed; ready always means a state that was observed (a counter, a line of output), and a wait
//! gives up only after nothing has moved for a while.
//!
//! A service in a cluster of three members, whose leader is killed:
//!
//! ```no_run
#![doc = include_str!("../../tests/testing/example.rs")]
//! ```
//!
//! Needed on the machine: a JDK of version 17 or newer and the jar `io.aeron:aeron-all`; in this repository `./ci/setup`
//! installs both. A missing one is an error that says so, never a skipped test. Three members are nine processes: a machine with few cores
//! should run one such test at a time.

mod builder;
mod cluster;
mod counters;
mod dirs;
#[doc(hidden)]
pub mod fuzzing;
mod hosted;
mod java;
mod members;
mod network;
mod node;
mod parts;
mod patience;
mod ports;
mod processes;
mod remote;
mod tools;
mod waits;

pub use builder::Builder;
pub use cluster::TestCluster;
pub use counters::{CncFile, CounterView, type_id};
pub use dirs::WorkDir;
pub use hosted::Place;
pub use java::Java;
pub use parts::{DriverKind, Part};
pub use patience::{PATIENCE, wait_until};
pub use ports::PortBlock;
pub use processes::{Process, proc_state};
