//! Everything the build reads from its environment, read in one place.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

pub struct Config {
    pub manifest_dir: PathBuf,
    pub out_dir: PathBuf,
    /// The triples that builds, and for which is built.
    pub host: String,
    pub target: String,
    pub target_os: String,
    pub target_arch: String,
    pub pointer_width: String,
    /// Feature `driver`.
    pub driver: bool,
    /// Feature `bindgen`.
    pub bindgen: bool,
    /// docs.rs has no network and links nothing.
    pub docs_rs: bool,
    /// The Aeron version that this crate's version names, as `1.54.0`.
    pub aeron_version: String,
    pub source_dir: Option<PathBuf>,
    pub lib_dir: Option<PathBuf>,
    pub include_dir: Option<PathBuf>,
    /// More flags for the C compiler.
    pub c_flags: Vec<String>,
    pub cmake: OsString,
    /// Whether CMake is told what to write.
    pub cmake_generator: bool,
    pub cargo: OsString,
}

impl Config {
    pub fn from_env() -> Result<Self, String> {
        for path in ["build.rs", "build", "CMakeLists.txt"] {
            println!("cargo::rerun-if-changed={path}");
        }
        Ok(Config {
            manifest_dir: required("CARGO_MANIFEST_DIR")?.into(),
            out_dir: required("OUT_DIR")?.into(),
            host: required("HOST")?,
            target: required("TARGET")?,
            target_os: required("CARGO_CFG_TARGET_OS")?,
            target_arch: required("CARGO_CFG_TARGET_ARCH")?,
            pointer_width: required("CARGO_CFG_TARGET_POINTER_WIDTH")?,
            driver: env::var_os("CARGO_FEATURE_DRIVER").is_some(),
            bindgen: env::var_os("CARGO_FEATURE_BINDGEN").is_some(),
            docs_rs: env::var_os("DOCS_RS").is_some(),
            aeron_version: aeron_version()?,
            source_dir: watched("AERON_SOURCE_DIR").map(PathBuf::from),
            lib_dir: watched("AERON_LIB_DIR").map(PathBuf::from),
            include_dir: watched("AERON_INCLUDE_DIR").map(PathBuf::from),
            c_flags: c_flags()?,
            cmake: watched("CMAKE").unwrap_or_else(|| "cmake".into()),
            cmake_generator: watched("CMAKE_GENERATOR").is_some(),
            cargo: env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        })
    }

    /// Where what C programs include is put.
    pub fn include(&self) -> PathBuf {
        self.out_dir.join("include")
    }

    /// Where the libraries are put.
    pub fn lib(&self) -> PathBuf {
        self.out_dir.join("lib")
    }
}

/// What stands behind the `+` of this crate's version.
fn aeron_version() -> Result<String, String> {
    let version = required("CARGO_PKG_VERSION")?;
    let metadata = version.split_once('+').map(|(_, aeron)| aeron.to_owned());
    metadata.ok_or_else(|| format!("the version of aeron-sys, {version}, names no Aeron version after a `+`"))
}

fn c_flags() -> Result<Vec<String>, String> {
    let flags = watched("AERON_SYS_CFLAGS").unwrap_or_default();
    let flags = flags.into_string().map_err(|flags| format!("AERON_SYS_CFLAGS is not UTF-8: {}", flags.display()))?;
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}

/// A variable that people set: a change of it builds anew. Set to nothing is not set.
fn watched(name: &str) -> Option<OsString> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).filter(|value| !value.is_empty())
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set: this script runs under Cargo only"))
}
