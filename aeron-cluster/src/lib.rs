//! Aeron Cluster services and clients in Rust.
