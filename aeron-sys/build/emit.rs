//! Tells Cargo what to link, and dependent build scripts where the headers are.

use std::path::Path;

use crate::compile::Built;
use crate::config::Config;

pub fn emit(_config: &Config, source: &Path, built: &Built) {
    println!(
        "cargo::rustc-link-search=native={}",
        built.lib_dir.display()
    );
    println!("cargo::rustc-link-lib=static={}", built.lib);
    for lib in ["bsd", "uuid"] {
        if has_library(lib) {
            println!("cargo::rustc-link-lib={lib}");
        }
    }
    println!("cargo::rustc-env=AERON_SYS_SOURCE_DIR={}", source.display());
    println!(
        "cargo::metadata=include={}",
        source.join("aeron-client/src/main/c").display()
    );
}

fn has_library(name: &str) -> bool {
    Path::new(&format!("/usr/lib/x86_64-linux-gnu/lib{name}.so")).exists()
}
