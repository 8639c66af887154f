//! Three members of real clusters, and what may happen to them: the same session goes on, no acknowledged message is lost
//! or applied twice, and the members' states are equal in the end.

#[path = "../replica/mod.rs"]
mod replica;
#[path = "../support/mod.rs"]
mod support;

mod followers;
mod leaders;
mod partition;
mod quorum;
mod rig;
