//! The cluster client: a session with a cluster, with ingress (messages to the leader) and egress (messages from it).
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
//! | the listener | part of the context | passed to each poll, so that it can borrow |
//! | a new leader's publication | polling blocks for it, up to 5 s | added between polls; until then sends return `AdminAction` |
//! | a client with nothing to send at a change of leader | closes after 5 s | sends the new leader a keep-alive |
//! | a send while no leader is known | `CLOSED` | `NotConnected`; `Closed` only when the client is closed |
//! | the event of an older leader, polled late | followed | ignored |
//! | the leader is not among its endpoints | `NullPointerException` | an error that says so |
//! | a message of another schema | goes to the extension, then is also decoded as a cluster message | goes to the extension only |
//! | the state, and why a session ended | not visible | [`AeronCluster::state`], [`AeronCluster::close_reason`], [`EgressListener::on_state_change`] |
//! | keep-alives; a lost session | up to the caller | up to the client, if [enabled](Context::keep_alive_interval); likewise [enabled](Context::reconnect) |
//! | the context | changed by the client | consumed; clone it to use it again |
//!
//! # What becomes of messages
//!
//! A send that returned `Ok` is on its way, no more: only an answer of the service proves that the message was processed. A send that was
//! refused never happened. The client never sends a message twice by itself.
//!
//! **While the leader stays the same**, messages of a session are processed once each, in the order in which they were sent, and answers come in
//! that order.
//!
//! **When the leader changes**, the session survives. A message that was sent to the old leader and is unanswered is *in doubt*: either it was
//! lost, or it was processed and its answer was lost, since only a leader's service sends answers, and a new leader does not repeat those of the
//! old one. A message may be lost while a later one is processed, but none is processed twice or out of order. An answer of the old
//! leader may still arrive after the event that names the new one.
//!
//! **When the session is lost** and the client opens a [new one](Reason::NewSession), all unanswered messages are in doubt as well. They may even be
//! processed after the first messages of the new session, and their answers never come. To the
//! service the new session is another client; if it must recognise the client, the application has to tell it.
//!
//! So if you cannot afford to lose a request, number your requests, repeat those in doubt under the same number, and let the service process each
//! number once. [`RequestTracker`] keeps the numbers on the client's side.

mod async_connect;
mod change;
mod cluster;
mod connect_state;
mod connecting;
mod context;
mod decorator;
mod direct_access;
mod egress;
mod egress_adapter;
mod egress_poller;
mod endpoints;
mod environment;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod ingress;
mod keep_alive;
mod listener;
mod members;
mod reconnect;
mod reconnecting;
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

/// The length of the header in front of every message of a session, in bytes. Java's `AeronCluster.SESSION_HEADER_LENGTH`.
pub const SESSION_HEADER_LENGTH: usize = SessionMessageHeader::ENCODED_LENGTH;

/// How often a control message is offered before its refusal is returned.
const SEND_ATTEMPTS: usize = 3;
/// The most fragments that one poll of the egress delivers.
const FRAGMENT_LIMIT: usize = 10;
