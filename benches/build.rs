//! Compiles the loops in C that ours are measured against, and says which compilers there are.

use std::process::Command;

fn main() {
    let include = std::env::var("DEP_AERON_INCLUDE").expect("aeron-sys says where Aeron's headers are");
    for file in ["loops.c", "callgrind.c"] {
        println!("cargo::rerun-if-changed=c/{file}");
    }
    let mut build = cc::Build::new();
    // As Aeron itself, whatever the profile: what is compared is our code with C, not two ways to compile C.
    build.opt_level(3).include(include).files(["c/loops.c", "c/callgrind.c"]).compile("loops");
    let rustc = Command::new(std::env::var("RUSTC").expect("cargo says which rustc"));
    for (name, mut compiler) in [("RUST_COMPILER", rustc), ("C_COMPILER", build.get_compiler().to_command())] {
        let output = compiler.arg("--version").output().expect("a compiler tells its version");
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        let target = std::env::var("TARGET").expect("cargo says for which target");
        println!("cargo::rustc-env={name}={version} for {target}");
    }
}
