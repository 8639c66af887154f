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
//!
//! Where it differs from Java's `AeronCluster`, on purpose:
//!
//! | case | Java | here |
//! |---|---|---|
//! | the listener | part of the context | given to each poll, so that it may borrow |
//! | a new leader's publication | polling waits for it, up to 5 s | added between polls; sends meanwhile return `AdminAction` |
//! | a client with nothing to send at a change of leader | closed after 5 s | says hello to the new leader by itself |
//! | a send while no leader is known | `CLOSED` | `NotConnected`; `Closed` only when the client is closed |
//! | the event of an older leader, polled late | followed | ignored |
//! | the leader is not among its endpoints | `NullPointerException` | an error that says so |
//! | a message of another schema | after the extension also taken for a cluster message | the extension's alone |
//! | the state, and why a session ended | not shown | [`AeronCluster::state`], [`AeronCluster::close_reason`], [`EgressListener::on_state_change`] |

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
