//! Takes the checked-in bindings, or makes new ones with feature `bindgen`.

use crate::config::Config;

/// The systems on which the checked-in bindings hold if pointers have 64 bits: `tests/bindings.rs` makes them for each.
const SYSTEMS: [&str; 2] = ["linux", "macos"];

/// The bindings that are checked in.
pub fn copy(config: &Config) -> Result<(), String> {
    if config.pointer_width != "64" || !SYSTEMS.contains(&config.target_os.as_str()) {
        return Err(format!(
            "aeron-sys has no bindings for {} checked in: enable its feature `bindgen`, which makes them with libclang",
            config.target
        ));
    }
    let from = config.manifest_dir.join("src/bindings/unix64.rs");
    println!("cargo::rerun-if-changed=src/bindings/unix64.rs");
    let to = config.out_dir.join("bindings.rs");
    std::fs::copy(&from, &to).map(drop).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}

#[cfg(not(feature = "bindgen"))]
pub fn write(config: &Config) -> Result<(), String> {
    copy(config)
}

/// New bindings for the public headers that were copied.
#[cfg(feature = "bindgen")]
pub fn write(config: &Config) -> Result<(), String> {
    let builder = crate::generator::builder(&config.include(), &config.manifest_dir.join("build/bindings.h"));
    let bindings = crate::quietly::quietly(|| builder.generate())
        .map_err(|why| {
            let why = if why.contains("Unable to find libclang") { "it was not found" } else { &why };
            format!(
                "the feature `bindgen` needs libclang, and {why}: install it (Debian and Ubuntu: `apt install \
                 libclang-dev`, macOS: `brew install llvm`), set LIBCLANG_PATH to its folder, or leave the feature off"
            )
        })?
        .map_err(|e| format!("cannot make bindings of the headers in {}: {e}", config.include().display()))?;
    let to = config.out_dir.join("bindings.rs");
    bindings.write_to_file(&to).map_err(|e| format!("cannot write {}: {e}", to.display()))
}
