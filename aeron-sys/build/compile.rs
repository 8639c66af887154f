//! Compiles the client, or with feature `driver` the driver that contains it, with CMake.

use std::fs;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::config::Config;
use crate::quietly::quietly;
use crate::{locate, tools};

/// What there is to link.
pub struct Native {
    pub version: String,
    /// Where the libraries are.
    pub lib_dir: PathBuf,
    /// What `rustc-link-lib` takes, in order.
    pub link: Vec<String>,
    /// Where else to search for them.
    pub search: Vec<PathBuf>,
    /// The media driver program.
    pub aeronmd: Option<PathBuf>,
}

pub fn compile(config: &Config, tree: &Path) -> Result<Native, String> {
    tools::check_cmake(config)?;
    tools::check_make(config)?;
    tools::c_compiler()?;
    let (lib, target) =
        if config.driver { ("aeron_driver_static", "aeronmd_s") } else { ("aeron_static", "aeron_static") };
    let build = run_cmake(config, tree, target)?;

    let file = library_file(config, lib);
    copy(&build.join("aeron/lib").join(&file), &config.lib(), &file)?;
    let aeronmd = if config.driver { Some(take_aeronmd(config, &build)?) } else { None };
    let archive_file = library_file(config, archive::LIB);
    copy(&archive::compile(config, tree)?.join(&archive_file), &config.lib(), &archive_file)?;

    let (system, search) = found_libraries(config, &build)?;
    // The archive client calls the client: a linker that reads archives once needs it first.
    let mut link = vec![format!("static={}", archive::LIB), format!("static={lib}")];
    link.extend(system);
    Ok(Native { version: locate::version(tree)?, lib_dir: config.lib(), link, search, aeronmd })
}

fn take_aeronmd(config: &Config, build: &Path) -> Result<PathBuf, String> {
    let (dir, name) = (config.out_dir.join("bin"), program_file(config, "aeronmd"));
    copy(&build.join("aeron/binaries").join(program_file(config, "aeronmd_s")), &dir, &name)?;
    Ok(dir.join(name))
}

/// Configures and builds one target. Every option that Aeron has is set, whatever its default is or becomes.
fn run_cmake(config: &Config, tree: &Path, target: &str) -> Result<PathBuf, String> {
    let mut cmake = cmake::Config::new(&config.manifest_dir);
    // Nothing here is C++, but the crate looks for its compiler all the same: it is not to warn where there is none.
    let mut no_cxx = cc::Build::new();
    no_cxx.cargo_warnings(false);
    cmake
        .init_cxx_cfg(no_cxx)
        .define("AERON_SOURCE_DIR", tree)
        .define("BUILD_AERON_DRIVER", if config.driver { "ON" } else { "OFF" })
        .define("CMAKE_INSTALL_LIBDIR", "lib")
        .profile("Release")
        .build_target(target)
        // Aeron asks git for a revision where the sources are, and would be told that of whatever repository is around.
        .env("GIT_DIR", config.out_dir.join("no-git"));
    for option in [
        "BUILD_AERON_ARCHIVE_API",
        "C_WARNINGS_AS_ERRORS",
        "CXX_WARNINGS_AS_ERRORS",
        "SANITISE_BUILD",
        "COVERAGE_BUILD",
        "AERON_HIDE_DEPRECATION_MESSAGE",
        "AERON_TESTS",
        "AERON_UNIT_TESTS",
        "AERON_SYSTEM_TESTS",
        "AERON_SLOW_SYSTEM_TESTS",
        "AERON_BUILD_SAMPLES",
        "LINK_SAMPLES_CLIENT_SHARED",
        "AERON_BUILD_DOCUMENTATION",
        "AERON_INSTALL_TARGETS",
    ] {
        cmake.define(option, "OFF");
    }
    for flag in &config.c_flags {
        cmake.cflag(flag);
    }
    let dir = quietly(|| cmake.build())
        .map_err(|why| format!("CMake could not build Aeron's {target} from {}: {why}", tree.display()))?;
    Ok(dir.join("build"))
}

/// The libraries that Aeron's CMake found and links, by the names of its cache, and the folders they are in.
fn found_libraries(config: &Config, build: &Path) -> Result<(Vec<String>, Vec<PathBuf>), String> {
    if config.target_os != "linux" {
        return Ok((Vec::new(), Vec::new()));
    }
    let path = build.join("CMakeCache.txt");
    let cache = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut libraries = Vec::new();
    let mut folders = Vec::new();
    for (variable, name) in [("LIBBSD_EXISTS:", "bsd"), ("LIBUUID_EXISTS:", "uuid")] {
        let found = cache.lines().find_map(|line| line.strip_prefix(variable)?.split_once('=')).map(|(_, path)| path);
        let Some(found) = found.filter(|path| !path.ends_with("NOTFOUND")) else { continue };
        libraries.push(name.to_owned());
        folders.extend(Path::new(found).parent().map(Path::to_path_buf));
    }
    folders.dedup();
    if config.target_arch == "aarch64" {
        libraries.push("atomic".to_owned());
    }
    Ok((libraries, folders))
}

fn library_file(config: &Config, name: &str) -> String {
    if config.target.contains("msvc") { format!("{name}.lib") } else { format!("lib{name}.a") }
}

fn program_file(config: &Config, name: &str) -> String {
    if config.target_os == "windows" { format!("{name}.exe") } else { name.to_owned() }
}

fn copy(from: &Path, dir: &Path, name: &str) -> Result<(), String> {
    let to = dir.join(name);
    fs::create_dir_all(dir).map_err(|e| format!("cannot create {}: {e}", dir.display()))?;
    // A program that runs cannot be written to; a new file can take its name.
    let _ = fs::remove_file(&to);
    fs::copy(from, &to).map(drop).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}
