//! The service container against the official consensus module, on clusters of one member, and against one that the test
//! plays itself.
//!
//! The service of these tests does what the client's messages tell it to, and tells the test what happened to it.
#![cfg(feature = "testing")]

mod archive_context;
mod client;
mod closing;
mod control;
mod counters;
mod differences;
mod divergence;
mod driven;
mod drop_matrix;
mod ending;
mod events;
mod failing;
mod framed;
mod full_disk;
mod invoker;
mod joining;
#[path = "../support/killable.rs"]
mod killable;
mod lengths;
#[path = "../support/little_room.rs"]
mod little_room;
mod loading;
mod messages;
#[path = "../support/mounts.rs"]
mod mounts;
mod order;
#[path = "../support/orders.rs"]
mod orders;
mod panic_points;
mod panics;
mod played_archive;
mod probe;
mod protocol;
mod recording;
mod script;
mod snapshot_panics;
mod snapshots;
mod starting;
mod surface;
mod walker;
