//! Compiles the C sources with CMake.

use std::path::{Path, PathBuf};

use crate::config::Config;

pub struct Built {
    pub lib_dir: PathBuf,
    pub lib: &'static str,
}

pub fn compile(config: &Config, source: &Path) -> Result<Built, String> {
    let lib = if config.driver {
        "aeron_driver_static"
    } else {
        "aeron_static"
    };
    let mut cmake = cmake::Config::new(&config.manifest_dir);
    cmake
        .define("AERON_SOURCE_DIR", source)
        .define(
            "BUILD_AERON_DRIVER",
            if config.driver { "ON" } else { "OFF" },
        )
        .define("BUILD_AERON_ARCHIVE_API", "OFF")
        .define("AERON_TESTS", "OFF")
        .define("AERON_UNIT_TESTS", "OFF")
        .define("AERON_SYSTEM_TESTS", "OFF")
        .define("AERON_SLOW_SYSTEM_TESTS", "OFF")
        .define("AERON_BUILD_SAMPLES", "OFF")
        .define("AERON_BUILD_DOCUMENTATION", "OFF")
        .define("AERON_INSTALL_TARGETS", "OFF")
        .profile("Release")
        .build_target(lib);
    let dir = cmake.build();
    Ok(Built {
        lib_dir: dir.join("build/aeron/lib"),
        lib,
    })
}
