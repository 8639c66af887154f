//! The bindings against the headers, asked of the C compiler, and against the libraries that are linked.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The bindings that this test is compiled with, each run of white space made one blank.
fn bindings() -> String {
    let text = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn structures_and_constants_are_those_of_the_headers() {
    let text = bindings();
    let assertions = layouts(&text) + &integers(&text) + &enumerators(&text) + &by_hand();
    let count = assertions.lines().count();
    assert!(count > 400, "only {count} assertions were read off the bindings");

    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = dir.join("abi.c");
    fs::write(&source, format!("{INCLUDES}{assertions}")).expect("write the program");
    let output = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-std=c11", "-fsyntax-only", "-I", concat!(env!("OUT_DIR"), "/include")])
        .arg(&source)
        .output()
        .expect("a C compiler, as for the build");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const INCLUDES: &str = "#include <stddef.h>
#include \"aeronc.h\"
#include \"aeron_counters.h\"
#include \"aeronmd.h\"
#include \"client/aeron_archive.h\"
";

/// Sizes and offsets: `::core::mem::size_of::<T>() - 16usize`, `::core::mem::offset_of!(T, field) - 8usize`.
fn layouts(text: &str) -> String {
    let mut c = String::new();
    for piece in text.split("::core::mem::").skip(1) {
        let Some((expression, rest)) = piece.split_once(" - ") else { continue };
        let number = rest.split("usize").next().unwrap_or_default();
        if let Some(name) = expression.strip_prefix("size_of::<").and_then(|e| e.strip_suffix(">()")) {
            let _ = writeln!(c, "_Static_assert(sizeof(struct {name}) == {number}, \"size of {name}\");");
        } else if let Some(place) = expression.strip_prefix("offset_of!(").and_then(|e| e.strip_suffix(')')) {
            // What is a keyword in Rust has an underscore behind it there.
            let place = place.trim_end_matches('_');
            let _ = writeln!(c, "_Static_assert(offsetof(struct {place}) == {number}, \"offset of {place}\");");
        }
    }
    c
}

/// `pub const NAME: i32 = 7;`
fn integers(text: &str) -> String {
    let mut c = String::new();
    for (name, ty, value) in constants(text) {
        if ty == "i32" {
            let _ = writeln!(c, "_Static_assert({name} == {value}, \"{name}\");");
        }
    }
    c
}

/// `pub const enumeration_NAME: enumeration = 2;`
fn enumerators(text: &str) -> String {
    let mut c = String::new();
    for (name, ty, value) in constants(text) {
        if let Some(enumerator) = name.strip_prefix(ty).and_then(|rest| rest.strip_prefix('_')) {
            let _ = writeln!(c, "_Static_assert({enumerator} == {value}, \"{name}\");");
        }
    }
    c
}

fn constants(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.split("pub const ").skip(1).filter_map(|piece| {
        let (name, rest) = piece.split_once(": ")?;
        let (ty, rest) = rest.split_once(" = ")?;
        Some((name, ty, rest.split(';').next()?))
    })
}

/// Those of `constants.rs`.
fn by_hand() -> String {
    use aeron_sys as sys;
    let all = [
        ("AERON_NULL_VALUE", sys::AERON_NULL_VALUE),
        ("AERON_PUBLICATION_NOT_CONNECTED", sys::AERON_PUBLICATION_NOT_CONNECTED),
        ("AERON_PUBLICATION_BACK_PRESSURED", sys::AERON_PUBLICATION_BACK_PRESSURED),
        ("AERON_PUBLICATION_ADMIN_ACTION", sys::AERON_PUBLICATION_ADMIN_ACTION),
        ("AERON_PUBLICATION_CLOSED", sys::AERON_PUBLICATION_CLOSED),
        ("AERON_PUBLICATION_MAX_POSITION_EXCEEDED", sys::AERON_PUBLICATION_MAX_POSITION_EXCEEDED),
        ("AERON_PUBLICATION_ERROR", sys::AERON_PUBLICATION_ERROR),
    ];
    all.iter().fold(String::new(), |c, (name, value)| c + &format!("_Static_assert({name} == {value}, \"{name}\");\n"))
}

/// A function that a header declares and no library has would fail to link in the program that first calls it.
#[test]
fn every_function_is_in_the_libraries() {
    let defined = symbols(&Path::new(env!("OUT_DIR")).join("lib"));
    let text = bindings();
    let bound: BTreeSet<&str> =
        text.split("pub fn ").skip(1).filter_map(|piece| piece.split('(').next()).map(str::trim).collect();
    assert!(bound.len() > 500, "only {} functions were read off the bindings", bound.len());
    let driver_only = |name: &&&str| {
        ["aeron_driver", "aeron_flow_control", "aeron_is_driver", "aeron_set_thread"]
            .iter()
            .any(|p| name.starts_with(p))
    };
    let missing: Vec<_> = bound
        .iter()
        .filter(|name| !defined.contains(**name))
        .filter(|name| cfg!(feature = "driver") || !driver_only(name))
        .collect();
    assert!(missing.is_empty(), "declared and nowhere defined: {missing:?}");
}

/// The functions that the archives in a folder define.
fn symbols(dir: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(dir).expect("the libraries that were built").flatten().map(|entry| entry.path());
    let archives = files.filter(|path| path.extension().is_some_and(|extension| extension == "a"));
    let output =
        Command::new("nm").args(["-g", "--defined-only"]).args(archives).output().expect("nm, of the binutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Mach-O puts an underscore before every name.
    let prefix = if cfg!(target_vendor = "apple") { "_" } else { "" };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once(" T ").map(|(_, name)| name.trim_start_matches(prefix).to_owned()))
        .collect()
}
