//! Finds the Aeron source tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Config;

pub fn locate(config: &Config) -> Result<PathBuf, String> {
    if let Some(dir) = &config.source_dir {
        return Ok(dir.clone());
    }
    from_carrier(&config.manifest_dir.join("../vendor/Cargo.toml"))
}

/// The version that a source tree states, as `1.54.0`.
pub fn version(source: &Path) -> Result<String, String> {
    let path = source.join("version.txt");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn from_carrier(manifest: &Path) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-changed={}", manifest.display());
    let metadata = |offline: bool| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args([
                "metadata",
                "--locked",
                "--format-version=1",
                "--manifest-path",
            ])
            .arg(manifest);
        if offline {
            command.arg("--offline");
        }
        command.output()
    };
    let output = match metadata(true) {
        Ok(output) if output.status.success() => output,
        _ => metadata(false).map_err(|e| format!("cannot run cargo metadata: {e}"))?,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let manifest_path = text
        .split("\"manifest_path\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .find(|path| path.contains("/libaeron-sys-"))
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(Path::new(manifest_path).with_file_name("aeron"))
}
