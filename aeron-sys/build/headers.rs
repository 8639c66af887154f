//! Copies the public headers into one directory, for the bindings and for C code in the same program.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::locate::Location;

/// Each as it is included, and where in the source tree it is.
const HEADERS: [(&str, &str); 6] = [
    ("aeronc.h", "aeron-client/src/main/c"),
    ("aeron_common.h", "aeron-client/src/main/c"),
    ("aeron_counters.h", "aeron-client/src/main/c"),
    ("aeron_archive_client_error.h", "aeron-client/src/main/c"),
    ("client/aeron_archive.h", "aeron-archive/src/main/c"),
    ("aeronmd.h", "aeron-driver/src/main/c"),
];

pub fn copy(config: &Config, location: &Location) -> Result<(), String> {
    for (header, folder) in HEADERS {
        let from = match location {
            Location::Source(tree) => tree.join(folder).join(header),
            Location::System(system) => installed(&system.include, header)?,
        };
        let to = config.include().join(header);
        let parent = to.parent().unwrap_or(&to);
        fs::create_dir_all(parent).map_err(|e| format!("cannot create {}: {e}", parent.display()))?;
        fs::copy(&from, &to).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Aeron's own install puts the client's and the archive's headers under `aeron`, the driver's under `aeronmd`.
fn installed(include: &Path, header: &str) -> Result<PathBuf, String> {
    let places = ["", "aeron", "aeronmd"].map(|folder| include.join(folder).join(header));
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "AERON_INCLUDE_DIR={} has no {header}, nor have its folders aeron and aeronmd: set it to the `include` of \
             an installed Aeron (built with BUILD_AERON_DRIVER and BUILD_AERON_ARCHIVE_API), or unset it and \
             AERON_LIB_DIR to build Aeron from source",
            include.display()
        )
    })
}
