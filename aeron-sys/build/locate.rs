//! Finds Aeron: a source tree to build, or libraries that are installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::carrier;
use crate::config::Config;

pub enum Location {
    Source(PathBuf),
    System(System),
}

/// What somebody else built and installed.
pub struct System {
    pub lib: PathBuf,
    pub include: PathBuf,
}

pub fn locate(config: &Config) -> Result<Location, String> {
    let Some(system) = installed(config)? else {
        let tree = source_tree(config)?;
        expect_version(config, &version(&tree)?, &format!("the source tree {}", tree.display()))?;
        return Ok(Location::Source(tree));
    };
    Ok(Location::System(system))
}

fn installed(config: &Config) -> Result<Option<System>, String> {
    match (&config.lib_dir, &config.include_dir, &config.source_dir) {
        (None, None, _) => Ok(None),
        (Some(lib), Some(include), None) => Ok(Some(System { lib: lib.clone(), include: include.clone() })),
        (Some(_), Some(_), Some(_)) => {
            Err("AERON_SOURCE_DIR says to build Aeron, AERON_LIB_DIR and AERON_INCLUDE_DIR \
                                            to use one that is installed: unset one or the other"
                .into())
        }
        (Some(_), None, _) => Err("AERON_LIB_DIR is set and AERON_INCLUDE_DIR is not: set both to use an installed \
                                   Aeron, or neither to build it"
            .into()),
        (None, Some(_), _) => Err("AERON_INCLUDE_DIR is set and AERON_LIB_DIR is not: set both to use an installed \
                                   Aeron, or neither to build it"
            .into()),
    }
}

/// The first that there is: the one named, the one in the published package, the pinned one.
fn source_tree(config: &Config) -> Result<PathBuf, String> {
    if let Some(named) = &config.source_dir {
        // Somebody works on it: what a changed file means, CMake knows.
        for part in ["aeron-client/src/main/c", "aeron-driver/src/main/c", "aeron-archive/src/main/c"] {
            println!("cargo::rerun-if-changed={}", named.join(part).display());
        }
        return std::path::absolute(named).map_err(|e| format!("AERON_SOURCE_DIR={}: {e}", named.display()));
    }
    let packaged = config.manifest_dir.join("aeron");
    if packaged.join("version.txt").is_file() {
        return Ok(packaged);
    }
    let workspace = config.manifest_dir.parent().unwrap_or(&config.manifest_dir);
    carrier::unpack(config, &workspace.join("vendor/Cargo.toml"))
}

/// The version that a source tree states, as `1.54.0`.
pub fn version(tree: &Path) -> Result<String, String> {
    let path = tree.join("version.txt");
    let text = fs::read_to_string(&path)
        .map_err(|e| format!("{} is no Aeron source tree, cannot read {}: {e}", tree.display(), path.display()))?;
    Ok(text.trim().to_owned())
}

/// The checked-in bindings are those of one version; with feature `bindgen` any version is taken.
pub fn expect_version(config: &Config, found: &str, what: &str) -> Result<(), String> {
    if found == config.aeron_version || config.bindgen {
        return Ok(());
    }
    Err(format!(
        "{what} is Aeron {found}, and the bindings of this aeron-sys are for {}: use that version, or enable the \
         feature `bindgen` to make bindings for this one",
        config.aeron_version
    ))
}
