//! What a clustered service goes through in its life, on real clusters of one member: restarts, several services, endings,
//! messages of all lengths, and the same under the official container. The service is the replica of `tests/replica`.

#[path = "../soak/random.rs"]
mod random;
#[path = "../replica/mod.rs"]
mod replica;
mod rig;
#[path = "../support/mod.rs"]
mod support;

mod both;
mod endings;
mod messages;
mod oracle;
mod recordings;
mod restarts;
mod several;
mod soak;
mod tools;
