//! Takes the checked-in bindings, or makes new ones with feature `bindgen`.

use std::path::Path;

use crate::config::Config;

#[cfg(not(feature = "bindgen"))]
pub fn write(config: &Config, _source: &Path) -> Result<(), String> {
    let name = format!("src/bindings/{}.rs", config.target);
    println!("cargo::rerun-if-changed={name}");
    std::fs::copy(
        config.manifest_dir.join(name),
        config.out_dir.join("bindings.rs"),
    )
    .map_err(|e| format!("no bindings for {}: {e}", config.target))?;
    Ok(())
}

#[cfg(feature = "bindgen")]
pub fn write(config: &Config, source: &Path) -> Result<(), String> {
    bindgen::Builder::default()
        .header(
            config
                .manifest_dir
                .join("build/bindings.h")
                .display()
                .to_string(),
        )
        .clang_arg(format!(
            "-I{}",
            source.join("aeron-client/src/main/c").display()
        ))
        .clang_arg(format!(
            "-I{}",
            source.join("aeron-driver/src/main/c").display()
        ))
        .clang_arg(format!(
            "-I{}",
            source.join("aeron-archive/src/main/c").display()
        ))
        .allowlist_function("aeron_.*")
        .allowlist_type("aeron_.*")
        .allowlist_var("(AERON|aeron)_.*")
        .generate_comments(false)
        .use_core()
        .generate()
        .map_err(|e| e.to_string())?
        .write_to_file(config.out_dir.join("bindings.rs"))
        .map_err(|e| e.to_string())
}
