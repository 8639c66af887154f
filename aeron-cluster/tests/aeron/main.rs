//! The safe client on the C media driver in this process: what it delivers, what it refuses, and that no order of drops, no
//! panic and no death of the driver breaks it.
#![cfg(feature = "testing")]

mod addresses;
mod assembly;
mod blocks;
mod cnc;
mod corrupt;
mod counters;
mod cycles;
mod death;
mod destinations;
#[path = "../../../fuzz/src/driver_files.rs"]
mod driver_files;
mod drop_matrix;
mod drop_order;
mod environment;
mod fork;
mod handlers;
mod images;
mod invoker;
mod java_driver;
#[path = "../support/killable.rs"]
mod killable;
mod last_position;
#[path = "../support/little_room.rs"]
mod little_room;
mod loss;
mod messages;
#[path = "../support/mounts.rs"]
mod mounts;
#[path = "../support/orders.rs"]
mod orders;
mod overlap;
mod ownership;
mod panics;
mod polling;
mod raw;
mod refusals;
mod responses;
mod rig;
mod sending;
mod space;
mod spies;
mod threads;
