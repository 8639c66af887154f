//! Real clusters for tests: the official media driver, archive server and consensus module as child processes of the test.
//!
//! [`TestCluster`] runs one or three members on loopback. The service under test joins in: in this process, or as a
//! [`Process`] of its own. Everything it starts ends with the test, also when the test is killed; ready always means a
//! state that was observed (a counter, a line of output), and a wait gives up only after nothing has moved for a while.
//!
//! ```no_run
//! use aeron_cluster::testing::{Java, TestCluster};
//!
//! # fn main() -> aeron_cluster::Result<()> {
//! let mut cluster = TestCluster::builder().start()?;
//! let java = Java::aeron_all()?.compile("tests/java".as_ref())?;
//! let _service = cluster.start_java_service(0, 0, &java, "EchoService")?;
//! let leader = cluster.wait_for_leader()?;
//! println!("member {leader} leads, clients connect to {}", cluster.ingress_endpoints());
//! # Ok(())
//! # }
//! ```
//!
//! Needed on the machine: a JDK of version 17 or newer and the jar `io.aeron:aeron-all`; in this repository `./ci/setup`
//! installs both. A missing one is an error that says so, never a skipped test.

mod cluster;
mod counters;
mod dirs;
mod java;
mod node;
mod patience;
mod ports;
mod processes;

pub use cluster::{Builder, TestCluster};
pub use counters::{CncFile, CounterView, type_id};
pub use dirs::WorkDir;
pub use java::Java;
pub use node::{DriverKind, Part};
pub use patience::{PATIENCE, wait_until};
pub use ports::PortBlock;
pub use processes::Process;
