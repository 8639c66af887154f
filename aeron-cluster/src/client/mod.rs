//! The cluster client: a session with a cluster, over ingress to the leader and egress from it.
//!
//! ```no_run
//! use aeron_cluster::client::{AeronCluster, Context, on_message};
//!
//! # fn main() -> aeron_cluster::Result<()> {
//! let context = Context::new()
//!     .ingress_channel("aeron:udp")
//!     .ingress_endpoints("0=host-a:20110,1=host-b:20110,2=host-c:20110")
//!     .egress_channel("aeron:udp?endpoint=localhost:0");
//! let mut cluster = AeronCluster::connect(context)?;
//! let mut answers = 0;
//! let mut sent = false;
//! while answers == 0 {
//!     sent = sent || cluster.offer(b"hello").is_ok();
//!     cluster.poll_egress(&mut on_message(|_session_id, timestamp, message, _header| {
//!         println!("{} bytes at {timestamp}", message.len());
//!         answers += 1;
//!     }))?;
//! }
//! # Ok(())
//! # }
//! ```

mod async_connect;
mod cluster;
mod context;
mod credentials;
mod endpoints;
mod ingress;
mod listener;
mod session;
mod state;

pub use async_connect::{AsyncConnect, ConnectState};
pub use cluster::AeronCluster;
pub use context::Context;
pub use credentials::{CredentialsSupplier, NullCredentialsSupplier};
pub use listener::{ControlledEgressListener, EgressListener, on_controlled_message, on_message};
pub use state::State;

use crate::codec::{SemanticVersion, SessionMessageHeader};

/// The version of the session protocol that this client speaks; the cluster refuses a client of another major version.
/// Java's `AeronCluster.Configuration.PROTOCOL_SEMANTIC_VERSION`.
pub const PROTOCOL_VERSION: SemanticVersion = SemanticVersion::new(0, 3, 0);

/// Bytes before the payload of every message of a session. Java's `AeronCluster.SESSION_HEADER_LENGTH`.
pub const SESSION_HEADER_LENGTH: usize = SessionMessageHeader::ENCODED_LENGTH;

/// How often a small message is offered before the caller is told that it was not taken.
const SEND_ATTEMPTS: usize = 3;
/// How many fragments one poll of the egress delivers at most.
const FRAGMENT_LIMIT: usize = 10;
