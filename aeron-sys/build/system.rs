//! Checks an installed Aeron before it is linked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile::Native;
use crate::config::Config;
use crate::locate::{System, expect_version};
use crate::tools;

const PROBE: &str = r#"
#include <stdio.h>
#include "aeronc.h"

int main(void)
{
    printf("%d.%d.%d", aeron_version_major(), aeron_version_minor(), aeron_version_patch());
    return 0;
}
"#;

/// The shared libraries are there, and of the version that the bindings are for.
pub fn check(config: &Config, system: &System) -> Result<Native, String> {
    let mut names = vec!["aeron_archive_c_client"];
    names.extend(config.driver.then_some("aeron_driver"));
    names.push("aeron");
    for name in &names {
        library(config, &system.lib, name)?;
    }
    let version = if config.host == config.target {
        let version = ask_version(config, system)?;
        expect_version(config, &version, &format!("the library in AERON_LIB_DIR={}", system.lib.display()))?;
        version
    } else {
        println!("cargo::warning=cannot run {} here: the version of the installed Aeron is not checked", config.target);
        config.aeron_version.clone()
    };
    Ok(Native {
        version,
        lib_dir: system.lib.clone(),
        link: names.iter().map(|name| format!("dylib={name}")).collect(),
        search: vec![system.lib.clone()],
        aeronmd: config.driver.then(|| aeronmd(&system.lib)),
    })
}

fn library(config: &Config, dir: &Path, name: &str) -> Result<(), String> {
    let file = match config.target_os.as_str() {
        "macos" => format!("lib{name}.dylib"),
        "windows" => format!("{name}.lib"),
        _ => format!("lib{name}.so"),
    };
    if dir.join(&file).is_file() {
        return Ok(());
    }
    let option = match name {
        "aeron_archive_c_client" => " (Aeron makes it with -DBUILD_AERON_ARCHIVE_API=ON)",
        "aeron_driver" => " (Aeron makes it with -DBUILD_AERON_DRIVER=ON)",
        _ => "",
    };
    Err(format!(
        "AERON_LIB_DIR={} has no {file}{option}: set it to where the shared libraries of an installed Aeron {} are, or \
         unset it and AERON_INCLUDE_DIR to build Aeron from source",
        dir.display(),
        config.aeron_version
    ))
}

/// Compiles and runs a program that prints what the library says of itself: the headers do not state a version.
fn ask_version(config: &Config, system: &System) -> Result<String, String> {
    let source = config.out_dir.join("probe.c");
    let program = config.out_dir.join("probe");
    fs::write(&source, PROBE).map_err(|e| format!("cannot write {}: {e}", source.display()))?;
    let failed = |what: &str, output: &[u8]| {
        let said = String::from_utf8_lossy(output);
        let said =
            said.lines().find(|line| line.contains("error") || line.contains("undefined")).unwrap_or("no message");
        format!("{what} with the Aeron in AERON_LIB_DIR={} failed: {said}", system.lib.display())
    };
    let compiled = tools::c_compiler()?
        .to_command()
        .arg("-I")
        .arg(config.include())
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(&system.lib)
        .arg("-laeron")
        .arg(format!("-Wl,-rpath,{}", system.lib.display()))
        .output()
        .map_err(|e| format!("cannot run the C compiler: {e}"))?;
    if !compiled.status.success() {
        return Err(failed("linking a program", &compiled.stderr));
    }
    let ran = Command::new(&program).output().map_err(|e| format!("cannot run {}: {e}", program.display()))?;
    if !ran.status.success() {
        return Err(failed("running a program", &ran.stderr));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// The driver program beside the libraries, or whichever is on the path.
fn aeronmd(lib: &Path) -> PathBuf {
    let beside = lib.join("../bin/aeronmd");
    if beside.is_file() { beside } else { "aeronmd".into() }
}
