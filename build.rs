//! Compiles the C half of `examples/mixed_c_rust` against the headers of the libaeron that its Rust half is linked to.

use std::env;
use std::path::PathBuf;

const ENGINE: &str = "examples/mixed_c_rust";

fn main() {
    let include = env::var_os("DEP_AERON_INCLUDE").expect("aeron-sys names its headers");
    println!("cargo::rerun-if-changed={ENGINE}/engine.c");
    println!("cargo::rerun-if-changed={ENGINE}/engine.h");
    cc::Build::new()
        .file(format!("{ENGINE}/engine.c"))
        .include(include)
        .std("c11")
        .warnings(true)
        .warnings_into_errors(true)
        // The program links it, not every program of the package.
        .cargo_metadata(false)
        .compile("mixed_engine");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    println!("cargo::rustc-link-search=native={}", out_dir.display());
}
