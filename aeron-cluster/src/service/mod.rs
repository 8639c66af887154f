//! The clustered service and the container that hosts it.
//!
//! Implement [`ClusteredService`] and pass it to [`ClusteredServiceContainer::launch`], which runs it as a replicated state machine
//! next to the official consensus module. [`ClusteredServiceAgent`] does the same on a thread of yours.
//!
//! To read the source, follow a message: `agent` runs the duty cycle, `log_adapter` reads the log, `core` applies
//! each event to the service, and the service answers through `client_session` and `cluster`. `control`, `joining` and `snapshots` are what the
//! consensus module asks for besides; `conclude` and `start` come first, `stop` says how it ends.

mod affinity;
mod agent;
mod archive_context;
mod client_session;
mod cluster;
mod clustered_service;
mod conclude;
mod consensus_module_proxy;
mod container;
mod context;
mod control;
mod core;
mod divergence;
mod driven;
mod egress;
mod environment;
pub mod error_log;
mod error_sink;
pub mod framed;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod hooks;
mod joining;
mod lifecycle;
mod log_adapter;
mod log_claim;
mod log_events;
pub mod mark_file;
mod recovery_state;
mod send_limits;
mod service_adapter;
mod session_table;
mod sessions;
mod settings;
mod settings_table;
mod snapshot;
mod snapshot_loader;
mod snapshots;
mod start;
mod state;
mod stop;
mod trackers;
mod waiting;

pub use self::client_session::ClientSession;
pub use self::cluster::{Cluster, Terminating};
pub use self::clustered_service::{ClusteredService, NewLeadershipTermEvent, ServiceError};
pub use self::container::{Closer, ClusteredServiceContainer, Termination};
pub use self::context::{Context, FailurePolicy};
pub use self::divergence::{Divergence, Fingerprint};
pub use self::driven::{ClusteredServiceAgent, Work};
pub use self::framed::{SnapshotProgress, SnapshotReader, SnapshotWriter};
pub use self::log_claim::LogClaim;
pub use self::settings::Settings;
pub use self::snapshot::{SnapshotImage, SnapshotPublication};
pub use crate::codec::{ActionFlags, CloseReason, ClusterTimeUnit, Role, SemanticVersion};
