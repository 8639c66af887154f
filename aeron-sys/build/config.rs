//! Everything the build reads from its environment, read in one place.

use std::env;
use std::path::PathBuf;

pub struct Config {
    pub manifest_dir: PathBuf,
    pub out_dir: PathBuf,
    pub driver: bool,
    pub target: String,
    pub source_dir: Option<PathBuf>,
}

impl Config {
    pub fn from_env() -> Result<Self, String> {
        println!("cargo::rerun-if-env-changed=AERON_SOURCE_DIR");
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rerun-if-changed=build");
        println!("cargo::rerun-if-changed=CMakeLists.txt");
        Ok(Config {
            manifest_dir: required("CARGO_MANIFEST_DIR")?.into(),
            out_dir: required("OUT_DIR")?.into(),
            driver: env::var_os("CARGO_FEATURE_DRIVER").is_some(),
            target: required("TARGET")?,
            source_dir: env::var_os("AERON_SOURCE_DIR").map(PathBuf::from),
        })
    }
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set: this script runs under Cargo only"))
}
