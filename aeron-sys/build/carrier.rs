//! The source tree inside the registry crate that `vendor/` pins: Cargo downloads it and checks its checksum.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::config::Config;

/// The registry crate that carries the Aeron sources.
const CARRIER: &str = "libaeron-sys";

/// The carrier's source tree, downloaded if it is not there yet. Without a network it must be.
pub fn unpack(config: &Config, manifest: &Path) -> Result<PathBuf, String> {
    if !manifest.is_file() {
        return Err(format!(
            "no Aeron sources: {} is missing and the package has none unpacked; set AERON_SOURCE_DIR to an Aeron {} \
             source tree",
            manifest.display(),
            config.aeron_version
        ));
    }
    println!("cargo::rerun-if-changed={}", manifest.display());
    println!("cargo::rerun-if-changed={}", manifest.with_file_name("Cargo.lock").display());
    let mut output = metadata(config, manifest, true)?;
    if !output.status.success() && !reports_checksum(&output) {
        output = metadata(config, manifest, false)?;
    }
    if !output.status.success() {
        return Err(explain(&output, manifest));
    }
    manifest_of_carrier(&String::from_utf8_lossy(&output.stdout))
        .map(|path| path.with_file_name("aeron"))
        .ok_or_else(|| format!("{} does not depend on {CARRIER}", manifest.display()))
}

fn metadata(config: &Config, manifest: &Path, offline: bool) -> Result<Output, String> {
    Command::new(&config.cargo)
        .args(["metadata", "--locked", "--format-version=1", "--color=never", "--manifest-path"])
        .arg(manifest)
        .args(offline.then_some("--offline"))
        .output()
        .map_err(|e| format!("cannot run `{} metadata`: {e}", config.cargo.display()))
}

fn reports_checksum(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("checksum")
}

fn explain(output: &Output, manifest: &Path) -> String {
    let lock = manifest.with_file_name("Cargo.lock");
    if reports_checksum(output) {
        return format!(
            "the Aeron sources in the registry are not those whose checksum {} pins: nothing was built; restore that \
             file, look at the registry or mirror that Cargo uses, or set AERON_SOURCE_DIR to a source tree you trust",
            lock.display()
        );
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = stderr
        .lines()
        .map(|line| line.trim().trim_start_matches("error: "))
        .filter(|line| !line.is_empty() && !line.starts_with("Caused by") && !line.starts_with("warning"))
        .filter(|line| !line.starts_with("Updating") && !line.starts_with("Downloading"))
        .collect();
    let cause = match said.as_slice() {
        [] => "it does not say why".to_owned(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first}, {last}"),
    };
    format!(
        "the Aeron sources cannot be had from the registry ({cause}): run `cargo fetch --manifest-path {}` once where \
         there is a network, or set AERON_SOURCE_DIR to an unpacked Aeron source tree",
        manifest.display()
    )
}

/// The carrier's `manifest_path` in the JSON that `cargo metadata` prints.
///
/// A JSON parser would be a dependency of every user for the sake of this one string. None is needed: inside a JSON
/// string a quote is always escaped, so `"manifest_path":"` is a key wherever it stands, and the string ends at the
/// first quote that no backslash escapes.
pub fn manifest_of_carrier(json: &str) -> Option<PathBuf> {
    json.split("\"manifest_path\":\"").skip(1).filter_map(json_string).map(PathBuf::from).find(|path| {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        // `cargo vendor` leaves the version off.
        let version = folder.strip_prefix(CARRIER).map(str::as_bytes);
        matches!(version, Some([] | [b'-', b'0'..=b'9', ..]))
    })
}

/// The JSON string whose opening quote is just before `text`.
fn json_string(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => match chars.next()? {
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    value.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                escaped @ ('"' | '\\' | '/') => value.push(escaped),
                _ => return None,
            },
            plain => value.push(plain),
        }
    }
}
