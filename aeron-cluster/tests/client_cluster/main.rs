//! The cluster client with real clusters.
#![cfg(feature = "testing")]

mod authentication;
mod echo;
mod echoes;
mod failover;
mod inbox;
#[path = "../support/mod.rs"]
mod support;
