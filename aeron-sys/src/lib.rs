//! Raw bindings to the official [Aeron](https://aeron.io) C client 1.54.0, its archive client and its media driver, built
//! from source and linked statically.
//!
//! Nothing here is safe or convenient: the crate `aeron-cluster` is. The functions, their contracts and their comments
//! are those of `aeronc.h`, `aeron_archive.h` and `aeronmd.h`.
//!
//! # Features
//!
//! - `driver`: links the C media driver too, and builds the program `aeronmd` ([`AERONMD_PATH`]).
//! - `bindgen`: makes the bindings at build time with libclang. Needed for a target that has none checked in (they are for
//!   64-bit Linux and macOS) and for another version of Aeron.
//!
//! # Where Aeron comes from
//!
//! The first of these that there is:
//!
//! 1. `AERON_LIB_DIR` and `AERON_INCLUDE_DIR`: shared libraries that are installed, with the archive client and, for
//!    feature `driver`, the driver. Nothing is built. The version is checked. The program finds them at run time as it
//!    finds any shared library.
//! 2. `AERON_SOURCE_DIR`: an Aeron source tree.
//! 3. The source tree in this package.
//! 4. In a checkout of the repository: the source tree that `vendor/` pins, downloaded by Cargo and checked by checksum.
//!
//! Building needs a C compiler and CMake 3.22, and neither Java nor Gradle nor a C++ compiler. `CMAKE` names another CMake;
//! `CC`, `CFLAGS` and the other variables of the crate `cc` work as usual. `AERON_SYS_CFLAGS` adds flags for the C code
//! alone, as for a sanitizer: `AERON_SYS_CFLAGS="-fsanitize=address -g"`. The C code is optimised in debug builds too.
//!
//! # C code in the same program
//!
//! A package that depends on this one directly finds these variables in its build script, so that its own C code is
//! compiled against, and shares, the one Aeron that is linked:
//!
//! | variable | what |
//! |---|---|
//! | `DEP_AERON_INCLUDE` | the folder of the public headers: `aeronc.h`, `aeron_counters.h`, `client/aeron_archive.h`, `aeronmd.h` |
//! | `DEP_AERON_LIB` | the folder of the libraries |
//! | `DEP_AERON_ROOT` | the folder in which this crate's build put what it made |
//! | `DEP_AERON_VERSION` | `1.54.0` |
//! | `DEP_AERON_SOURCE` | the source tree, if there is one |
//! | `DEP_AERON_AERONMD` | the media driver program, with feature `driver` |
#![no_std]

mod constants;

#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals, clippy::all)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;
pub use constants::*;

/// The source tree that was built, for tests that read the schemas in it. `None` if Aeron was not built here.
pub const SOURCE_DIR: Option<&str> = option_env!("AERON_SYS_SOURCE_DIR");

/// The media driver program that was built with this crate, for tests and demonstrations on this machine. Where Aeron
/// was not built here: the one installed beside its libraries, or the name alone, to be found on the `PATH`.
#[cfg(feature = "driver")]
pub const AERONMD_PATH: &str = env!("AERON_SYS_AERONMD");
