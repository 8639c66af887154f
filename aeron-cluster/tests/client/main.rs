//! The cluster client against a cluster that the test plays itself, message by message, on a real media driver.
#![cfg(feature = "testing")]

mod abandoned;
mod channels;
mod churn;
mod connecting;
mod drop_matrix;
mod egress;
mod fork;
mod invoker;
#[path = "../support/killable.rs"]
mod killable;
mod leader;
#[path = "../support/orders.rs"]
mod orders;
mod panics;
mod pieces;
mod reconnecting;
mod refusals;
mod rig;
mod timeouts;
#[path = "../support/until.rs"]
mod until;
