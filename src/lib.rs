//! The package of the programs in `examples/`. It holds no code of its own: read the programs.
