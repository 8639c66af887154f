//! Compiles the archive client with `cc`, on codecs made from the schema: upstream's own build needs Java and Gradle.

use std::fs;
use std::path::{Path, PathBuf};

use crate::codecs;
use crate::config::Config;
use crate::schema::Schema;

/// The static library's name.
pub const LIB: &str = "aeron_archive_c_client_static";
/// The files that build/persistent_subscription.c and build/descriptor_pollers.c compile in their own way.
const OTHERWISE_COMPILED: [&str; 3] = [
    "aeron_archive_persistent_subscription.c",
    "aeron_archive_recording_descriptor_poller.c",
    "aeron_archive_recording_subscription_descriptor_poller.c",
];

/// Compiles the archive client. Returns the folder that its library is in.
pub fn compile(config: &Config, source: &Path) -> Result<PathBuf, String> {
    let include = config.out_dir.join("codecs");
    write_codecs(config, source, &include)?;
    let root = source.join("aeron-archive/src/main/c");
    let mut cc = cc::Build::new();
    cc.files(c_files(&root.join("client"))?)
        .includes([&include, &root, &root.join("client"), &source.join("aeron-client/src/main/c")])
        .std("c11")
        .opt_level(3)
        .define("_DEFAULT_SOURCE", None)
        .define("_FILE_OFFSET_BITS", "64")
        // An endless loop of upstream's: see build/next_session_id.c.
        .file(config.manifest_dir.join("build/next_session_id.c"))
        .define("aeron_async_next_session_id", "aeron_sys_async_next_session_id")
        .define("aeron_async_next_session_id_poll", "aeron_sys_async_next_session_id_poll")
        // A publication that upstream closes twice.
        .file(config.manifest_dir.join("build/persistent_subscription.c"))
        // A text that upstream reads on behind its end.
        .file(config.manifest_dir.join("build/descriptor_pollers.c"))
        .warnings(false)
        .cargo_metadata(false)
        .out_dir(config.out_dir.join("archive"));
    if config.driver {
        // All that the driver's library lacks of the client.
        cc.file(source.join("aeron-client/src/main/c/uri/aeron_uri_string_builder.c"));
    }
    for flag in &config.c_flags {
        cc.flag(flag);
    }
    for (name, value) in version_defines(source)? {
        cc.define(&name, value.as_str());
    }
    cc.try_compile(LIB).map_err(|e| format!("cannot compile the Aeron archive client: {e}"))?;
    Ok(config.out_dir.join("archive"))
}

/// The headers, and the schema beside them for the tests.
fn write_codecs(config: &Config, source: &Path, include: &Path) -> Result<(), String> {
    let path = source.join("aeron-archive/src/main/resources/archive/aeron-archive-codecs.xml");
    let xml = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let schema = Schema::parse(&xml).map_err(|e| format!("{}: {e}", path.display()))?;
    let headers = include.join("c/aeron_archive_client");
    codecs::write(&schema, &headers)?;
    copy(&config.manifest_dir.join("build/sbe.h"), &headers.join("sbe.h"))?;
    copy(&path, &include.join("aeron-archive-codecs.xml"))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}

fn c_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("cannot list {}: {e}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .filter(|path| !OTHERWISE_COMPILED.iter().any(|name| path.ends_with(name)))
        .collect();
    files.sort();
    Ok(files)
}

/// The version, as upstream's CMake passes it. The revision is left empty: the tree is no git checkout.
fn version_defines(source: &Path) -> Result<Vec<(String, String)>, String> {
    let version = crate::locate::version(source)?;
    let quoted = |text: &str| format!("\"{text}\"");
    let mut defines = vec![("AERON_VERSION_TXT".into(), quoted(&version)), ("AERON_VERSION_GITSHA".into(), quoted(""))];
    let names = ["AERON_VERSION_MAJOR", "AERON_VERSION_MINOR", "AERON_VERSION_PATCH"];
    defines.extend(names.into_iter().zip(version.split('.')).map(|(name, part)| (name.into(), part.to_owned())));
    Ok(defines)
}
