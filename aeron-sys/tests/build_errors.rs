//! What is missing or wrong is said in one sentence, with the remedy: the crate is built from a copy of the workspace,
//! once for each thing that can be missing.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One build of the copy.
#[derive(Default)]
struct Build {
    environment: Vec<(&'static str, PathBuf)>,
    arguments: Vec<&'static str>,
}

impl Build {
    fn set(mut self, name: &'static str, value: impl Into<PathBuf>) -> Build {
        self.environment.push((name, value.into()));
        self
    }

    fn argument(mut self, argument: &'static str) -> Build {
        self.arguments.push(argument);
        self
    }

    /// Checks the crate, without a network of its own. Returns what Cargo says if it fails.
    fn check(&self) -> Result<(), String> {
        let mut command = Command::new(env!("CARGO"));
        command.args(["check", "--offline", "--color=never", "-p", "aeron-sys"]).args(&self.arguments);
        for name in
            ["AERON_SOURCE_DIR", "AERON_LIB_DIR", "AERON_INCLUDE_DIR", "CMAKE", "CMAKE_GENERATOR", "CC", "DOCS_RS"]
        {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("CARGO_TARGET_DIR", scratch().join("target")).current_dir(copy());
        let output = command.output().expect("run cargo");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// The one sentence with which the build fails.
    fn sentence(&self) -> String {
        let said = self.check().expect_err("the build went well");
        let sentences: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("error: aeron-sys@")).collect();
        assert_eq!(sentences.len(), 1, "expected one sentence:\n{said}");
        sentences[0].split_once(": ").expect("the package, then the sentence").1.to_owned()
    }
}

fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_errors")
}

fn copy() -> PathBuf {
    scratch().join("workspace")
}

/// Copies what a build of this crate needs, or puts it right again. Files that are right stay as they are, so that Cargo
/// need not compile the build script anew.
fn restore() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    copy_tree(&workspace.join("aeron-sys"), &copy().join("aeron-sys"));
    copy_tree(&workspace.join("vendor"), &copy().join("vendor"));
    let _ = fs::remove_dir_all(copy().join("aeron-sys/.cargo"));
    put(&copy().join("Cargo.lock"), &fs::read(workspace.join("Cargo.lock")).expect("read the lock file"));
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).expect("read the workspace's manifest");
    put(&copy().join("Cargo.toml"), workspace_only(&manifest).as_bytes());
}

/// The sections that members inherit from.
fn workspace_only(manifest: &str) -> String {
    let mut kept = true;
    let sections = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            kept = line.starts_with("[workspace.");
        }
        kept && !line.starts_with("aeron-cluster")
    });
    sections
        .fold("[workspace]\nmembers = [\"aeron-sys\"]\nresolver = \"3\"\n".to_owned(), |text, line| text + line + "\n")
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("make a folder");
    for entry in fs::read_dir(from).expect("list a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if !path.is_dir() {
            put(&to.join(name), &fs::read(&path).expect("read a file"));
        } else if name != "target" {
            copy_tree(&path, &to.join(name));
        }
    }
}

fn put(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).expect("write a file");
    }
}

fn assert_says(build: Build, parts: &[&str]) {
    let sentence = build.sentence();
    for part in parts {
        assert!(sentence.contains(part), "{part:?} is not in: {sentence}");
    }
}

/// One test, since all builds share the copy.
#[test]
fn whatever_is_missing_is_named_with_the_remedy() {
    restore();
    tools();
    named_places();
    registry();
    documentation();
}

fn tools() {
    let old = scratch().join("cmake-3.16");
    put(&old, b"#!/bin/sh\necho 'cmake version 3.16.3'\n");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("make it a program");
    assert_says(Build::default().set("CMAKE", old), &["CMake 3.16", "too old", "install CMake 3.22 or newer"]);

    let none = Build::default().set("CMAKE", "/nowhere/cmake");
    assert_says(none, &["`/nowhere/cmake` cannot be run", "install CMake 3.22 or newer"]);

    let none = Build::default().set("PATH", path_of(&["rustc", "cmake", "cc", "ld", "sh"]));
    assert_says(none, &["needs make", "apt install make", "CMAKE_GENERATOR"]);

    let none = Build::default().set("CC", "/nowhere/cc");
    assert_says(none, &["needs a C compiler", "/nowhere/cc", "apt install gcc"]);

    let none = Build::default().set("LIBCLANG_PATH", "/nowhere/llvm").argument("--features=bindgen");
    assert_says(none, &["needs libclang", "apt install libclang-dev", "LIBCLANG_PATH"]);
}

/// A folder that has these programs alone.
fn path_of(programs: &[&str]) -> PathBuf {
    let folder = scratch().join("path");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("make a folder");
    let path = env::var_os("PATH").expect("a PATH");
    for program in programs {
        let found = env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
        symlink(found.expect("a program that every build needs"), folder.join(program)).expect("link a program");
    }
    folder
}

fn named_places() {
    let none = Build::default().set("AERON_SOURCE_DIR", "/nowhere/aeron");
    assert_says(none, &["/nowhere/aeron is no Aeron source tree"]);

    let tree = scratch().join("aeron");
    fs::create_dir_all(&tree).expect("make a folder");
    put(&tree.join("version.txt"), b"1.47.0\n");
    let other = Build::default().set("AERON_SOURCE_DIR", tree);
    assert_says(other, &["is Aeron 1.47.0", "are for 1.54.0", "`bindgen`"]);

    let half = Build::default().set("AERON_LIB_DIR", "/nowhere/lib");
    assert_says(half, &["AERON_LIB_DIR is set and AERON_INCLUDE_DIR is not"]);

    let none = Build::default().set("AERON_LIB_DIR", "/nowhere/lib").set("AERON_INCLUDE_DIR", "/nowhere/include");
    assert_says(none, &["AERON_INCLUDE_DIR=/nowhere/include has no aeronc.h", "unset it"]);
}

fn registry() {
    let lock = copy().join("vendor/Cargo.lock");
    let text = fs::read_to_string(&lock).expect("read the pin");
    let carrier = text.find("name = \"libaeron-sys\"").expect("the carrier is pinned");
    let checksum = carrier + text[carrier..].find("checksum = \"").expect("by checksum") + "checksum = \"".len();
    put(&lock, format!("{}00000000{}", &text[..checksum], &text[checksum + 8..]).as_bytes());
    assert_says(Build::default(), &["not those whose checksum", "vendor/Cargo.lock pins", "nothing was built"]);
    restore();

    // Cargo reads its configuration from where it runs: the one that the build script runs sees this, ours does not.
    let gone = b"[net]\nretry = 0\n[source.crates-io]\nreplace-with = \"gone\"\n[source.gone]\nregistry = \"sparse+http://127.0.0.1:9/\"\n";
    fs::create_dir(copy().join("aeron-sys/.cargo")).expect("make a folder");
    put(&copy().join("aeron-sys/.cargo/config.toml"), gone);
    let remedy = ["cannot be had from the registry", "cargo fetch --manifest-path", "AERON_SOURCE_DIR"];
    assert_says(Build::default(), &remedy);
    restore();

    fs::remove_dir_all(copy().join("vendor")).expect("remove the pin");
    assert_says(Build::default(), &["no Aeron sources", "set AERON_SOURCE_DIR"]);
    restore();
}

/// docs.rs has neither CMake nor a network, and needs neither.
fn documentation() {
    let build = Build::default().set("DOCS_RS", "1").set("CMAKE", "/nowhere/cmake").argument("--features=driver");
    build.check().expect("the documentation builds");
}
