//! The tools that the build runs, checked before they fail in a way that nobody understands.

use std::process::{Command, Stdio};

use crate::config::Config;

/// What our `CMakeLists.txt` needs.
const OLDEST_CMAKE: (u32, u32) = (3, 22);

/// CMake is there and new enough.
pub fn check_cmake(config: &Config) -> Result<(), String> {
    let name = config.cmake.display();
    let remedy = "install CMake 3.22 or newer (Debian and Ubuntu: `apt install cmake`, macOS: `brew install cmake`, \
                  anywhere: `pip install cmake`), or set CMAKE to its path";
    let output = Command::new(&config.cmake)
        .arg("--version")
        .output()
        .map_err(|e| format!("building the Aeron C client needs CMake, and `{name}` cannot be run ({e}): {remedy}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = text.split_whitespace().find_map(major_minor) else {
        return Err(format!("`{name} --version` does not say which CMake it is: {remedy}"));
    };
    if version < OLDEST_CMAKE {
        return Err(format!(
            "CMake {}.{} (`{name}`) is too old to build the Aeron C client: {remedy}",
            version.0, version.1
        ));
    }
    Ok(())
}

/// CMake writes makefiles where nobody tells it otherwise, and says little when there is no make.
pub fn check_make(config: &Config) -> Result<(), String> {
    let there = |name| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if config.cmake_generator || config.host.contains("windows") || ["gmake", "make"].into_iter().any(there) {
        return Ok(());
    }
    Err("building the Aeron C client needs make, and it cannot be run: install it (Debian and Ubuntu: `apt install make`, \
         macOS: `xcode-select --install`), or set CMAKE_GENERATOR to what is to be used in its place, as `Ninja`"
        .into())
}

/// The `(3, 25)` of `3.25.1`.
fn major_minor(word: &str) -> Option<(u32, u32)> {
    let mut parts = word.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// The C compiler for the target, which is there.
pub fn c_compiler() -> Result<cc::Tool, String> {
    let remedy = "install one (Debian and Ubuntu: `apt install gcc libc6-dev`, macOS: `xcode-select --install`), or set \
                  CC to its path";
    // This also tells Cargo which variables choose the compiler.
    let tool = cc::Build::new()
        .try_get_compiler()
        .map_err(|e| format!("building the Aeron C client needs a C compiler ({e}): {remedy}"))?;
    Command::new(tool.path()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().map_err(|e| {
        let name = tool.path().display();
        format!("building the Aeron C client needs a C compiler, and `{name}` cannot be run ({e}): {remedy}")
    })?;
    Ok(tool)
}
