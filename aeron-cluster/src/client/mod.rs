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
//! | silence, and a lost session | the caller's to deal with | dealt with, if [asked for](Context::keep_alive_interval) and [asked for](Context::reconnect) |
//! | the settings | changed by the client | never changed |
//!
//! # What becomes of messages
//!
//! A send that was taken is on its way, no more: only an answer of the service says that it was done. A send that was refused never
//! happened. The client sends nothing twice by itself.
//!
//! **While the leader stays**, messages of a session are done in the order they were sent, each once, and so come the answers.
//!
//! **When the leader changes**, the session stays. What was sent to the old leader and not answered is *in doubt*: it was lost, or it was
//! done and its answer lost, for a service answers on the leader alone and a new leader does not answer what an old one has done. A
//! lost message may be followed by one that is done, but none is done out of order or twice. An answer of the old leader may
//! still come after the event that names the new one.
//!
//! **When the session is lost** and the client opens a [new one](Reason::NewSession), the same holds for all that was not
//! answered; besides, it may be done as late as after the first messages of the new session, and its answers never come. To the
//! service the new session is another client: if it must know who that is, the application tells it.
//!
//! So who cannot lose a request sends again what is in doubt, with the number that it had, and the service does a number once.
//! [`RequestTracker`] keeps the numbers on the client's side.

mod async_connect;
mod by_hand;
mod change;
mod cluster;
mod connect_state;
mod connecting;
mod context;
mod decorator;
mod egress;
mod egress_adapter;
mod egress_poller;
mod endpoints;
mod environment;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod healing;
mod ingress;
mod keep_alive;
mod listener;
mod members;
mod reconnect;
mod session;
mod settings;
mod state;
mod tracker;

pub use crate::security::{CredentialsSupplier, NullCredentialsSupplier};
pub use async_connect::AsyncConnect;
pub use change::{Reason, StateChange};
pub use cluster::AeronCluster;
pub use connect_state::ConnectState;
pub use context::Context;
pub use decorator::IngressSessionDecorator;
pub use egress_adapter::EgressAdapter;
pub use egress_poller::EgressPoller;
pub use ingress::IngressPublication;
pub use listener::{ControlledEgressListener, EgressListener, on_controlled_message, on_message};
pub use reconnect::Reconnect;
pub use state::State;
pub use tracker::RequestTracker;

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
