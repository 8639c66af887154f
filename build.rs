//! Compiles what the package has in C, the engine of `examples/mixed_c_rust` and the program of `tests/c`, against the headers of the libaeron
//! that its Rust half is linked to.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=examples/mixed_c_rust/engine.h");
    compile("mixed_engine", "examples/mixed_c_rust/engine.c");
    compile("echo_stream", "tests/c/echo_stream.c");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    println!("cargo::rustc-link-search=native={}", out_dir.display());
}

fn compile(library: &str, source: &str) {
    println!("cargo::rerun-if-changed={source}");
    cc::Build::new()
        .file(source)
        .include(env::var_os("DEP_AERON_INCLUDE").expect("aeron-sys names its headers"))
        .std("c11")
        .warnings(true)
        .warnings_into_errors(true)
        // The program links it, not every program of the package.
        .cargo_metadata(false)
        .compile(library);
}
