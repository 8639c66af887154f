//! Makes the bindings for every target that they are checked in for, which must be the same text, and compares it with
//! the file or writes it.
//!
//! Usage: `aeron-bindings check|write <include folder> <bindings.h> <bindings file>`

#[path = "../../../aeron-sys/build/generator.rs"]
mod generator;

use std::path::Path;
use std::process::ExitCode;

/// As clang calls them.
const TARGETS: [&str; 6] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-macosx",
    "arm64-apple-macosx",
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("aeron-bindings: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [mode, include, header, file] = arguments else {
        return Err("expected: check|write <include folder> <bindings.h> <bindings file>".into());
    };
    let text = generate(TARGETS[0], include, header)?;
    for target in &TARGETS[1..] {
        if let Some((line, ours, theirs)) = difference(&text, &generate(target, include, header)?) {
            return Err(format!(
                "the bindings for {target} differ in line {line} from those for {}, {theirs:?} and not {ours:?}: they \
                 need files of their own",
                TARGETS[0]
            ));
        }
    }
    if mode == "write" {
        return std::fs::write(file, text).map_err(|e| format!("cannot write {file}: {e}"));
    }
    let checked_in = std::fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    match difference(&checked_in, &text) {
        None => Ok(()),
        Some((line, ..)) => {
            Err(format!("{file} is stale from line {line} on: run `ci/check-bindings write` and commit what it writes"))
        }
    }
}

/// The first line in which two texts differ, and what each says there.
fn difference(one: &str, other: &str) -> Option<(usize, String, String)> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    for line in 1.. {
        match (ones.next(), others.next()) {
            (None, None) => return None,
            (a, b) if a != b => return Some((line, a.unwrap_or_default().into(), b.unwrap_or_default().into())),
            _ => {}
        }
    }
    None
}

fn generate(target: &str, include: &str, header: &str) -> Result<String, String> {
    generator::builder(Path::new(include), Path::new(header))
        .clang_args([&format!("--target={target}"), "-ffreestanding", "-isystem"])
        .clang_arg(concat!(env!("CARGO_MANIFEST_DIR"), "/include"))
        .generate()
        .map(|bindings| bindings.to_string())
        .map_err(|e| format!("no bindings for {target}: {e}"))
}
