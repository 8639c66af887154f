//! Tells Cargo what to link, and dependent build scripts where things are.

use crate::compile::Native;
use crate::config::Config;
use crate::locate::Location;

pub fn emit(config: &Config, location: &Location, native: &Native) {
    for dir in std::iter::once(&native.lib_dir).chain(&native.search) {
        println!("cargo::rustc-link-search=native={}", dir.display());
    }
    for library in &native.link {
        println!("cargo::rustc-link-lib={library}");
    }
    println!("cargo::metadata=include={}", config.include().display());
    println!("cargo::metadata=root={}", config.out_dir.display());
    println!("cargo::metadata=lib={}", native.lib_dir.display());
    println!("cargo::metadata=version={}", native.version);
    if let Location::Source(tree) = location {
        println!("cargo::metadata=source={}", tree.display());
        println!("cargo::rustc-env=AERON_SYS_SOURCE_DIR={}", tree.display());
    }
    if let Some(aeronmd) = &native.aeronmd {
        println!("cargo::metadata=aeronmd={}", aeronmd.display());
        println!("cargo::rustc-env=AERON_SYS_AERONMD={}", aeronmd.display());
    }
}

/// docs.rs builds no native code: what the crate's constants need, and nothing to link.
pub fn documentation_only() {
    println!("cargo::rustc-env=AERON_SYS_AERONMD=aeronmd");
}
