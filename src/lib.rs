//! The package of the programs in `examples/`. It holds no code of its own: read the programs.

/// Compiles the Rust code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
