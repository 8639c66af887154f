//! The names of a service's mark file and of the link to it.

use std::path::Path;

use crate::{Error, Result};

const FILE_NAME_PREFIX: &str = "cluster-mark-service-";
const FILE_EXTENSION: &str = ".dat";
const LINK_EXTENSION: &str = ".lnk";

/// The name of the mark file of a service. Mirrors `ClusterMarkFile.markFilenameForService`.
pub fn mark_file_name(service_id: i32) -> String {
    format!("{FILE_NAME_PREFIX}{service_id}{FILE_EXTENSION}")
}

/// The name of the link to the mark file of a service. Mirrors `ClusterMarkFile.linkFilenameForService`.
pub fn link_file_name(service_id: i32) -> String {
    format!("{FILE_NAME_PREFIX}{service_id}{LINK_EXTENSION}")
}

/// Whether a path is named like the mark file of a service. Mirrors `ClusterMarkFile.isServiceMarkFile`.
pub fn is_service_mark_file(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with(FILE_NAME_PREFIX) && name.ends_with(FILE_EXTENSION))
}

/// If the mark file is not in the cluster directory, writes a link there: a file `link_name` that contains the path of the mark
/// file's directory, for tools that only know the cluster directory. If the directories are the same, removes an old link.
///
/// Both directories must exist. Mirrors `MarkFile.ensureMarkFileLink`, but keeps characters that are not ASCII.
///
/// # Errors
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory cannot be resolved, or the link cannot be written or removed.
pub fn ensure_link(cluster_dir: &Path, mark_file_dir: &Path, link_name: &str) -> Result<()> {
    let resolve = |dir: &Path| {
        let resolved = dir.canonicalize();
        resolved.map_err(|e| Error::from(e).context(format!("failed to resolve the directory {}", dir.display())))
    };
    let cluster_dir = resolve(cluster_dir)?;
    let mark_file_dir = resolve(mark_file_dir)?;
    let link = cluster_dir.join(link_name);
    if cluster_dir != mark_file_dir {
        return std::fs::write(&link, mark_file_dir.as_os_str().as_encoded_bytes())
            .map_err(|e| Error::from(e).context(format!("failed to create the mark file's link {}", link.display())));
    }
    match std::fs::remove_file(&link) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::from(e).context(format!("failed to remove the old link {}", link.display())))
        }
        _ => Ok(()),
    }
}
