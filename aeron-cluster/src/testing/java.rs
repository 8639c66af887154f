//! The Java half: the jar of the official servers, and our own small programs compiled against it.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::dirs::target_dir;
use crate::{Error, ErrorKind, Result};

const JAR_VARIABLE: &str = "AERON_ALL_JAR";
const JAR_IN_MAVEN_CACHE: &str = ".m2/repository/io/aeron/aeron-all/1.51.0/aeron-all-1.51.0.jar";

/// What Aeron needs of a virtual machine.
const JVM_FLAGS: [&str; 4] =
    ["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED", "--add-opens", "java.base/java.util.zip=ALL-UNNAMED"];
/// Small and quick to start: a test with three members runs up to nine of them on two cores.
const SMALL: &[&str] = &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xms32m", "-Xmx256m"];
/// As an operator would run it: all compilers, and a garbage collector without threads of its own that would compete.
const FAST: &[&str] = &["-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xms512m", "-Xmx512m"];

/// A Java virtual machine with a class path that has Aeron on it.
#[derive(Debug, Clone)]
pub struct Java {
    program: PathBuf,
    class_path: OsString,
    flags: &'static [&'static str],
}

impl Java {
    /// Aeron 1.51.0, the newest on Maven Central: the jar that `AERON_ALL_JAR` names, or the one in Maven's cache.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] when the jar or `java` is missing, with the remedy.
    pub fn aeron_all() -> Result<Java> {
        let jar = match env::var_os(JAR_VARIABLE) {
            Some(jar) => PathBuf::from(jar),
            None => PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(JAR_IN_MAVEN_CACHE),
        };
        if !jar.is_file() {
            let what = format!("no aeron-all jar at {} (set {JAR_VARIABLE} to name another)", jar.display());
            return Err(missing(&what));
        }
        Java::with_class_path(jar)
    }

    /// Another Aeron, such as 1.54.0 compiled from the pinned sources, by its class path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] when `java` is missing, with the remedy.
    pub fn with_class_path(class_path: impl Into<OsString>) -> Result<Java> {
        Ok(Java { program: tool("java")?, class_path: class_path.into(), flags: SMALL })
    }

    /// The same, for what is measured: with every compiler of the virtual machine, and more memory.
    #[must_use]
    pub fn fast(&self) -> Java {
        Java { flags: FAST, ..self.clone() }
    }

    /// Compiles the Java files of a directory; the result has their classes on its class path too.
    ///
    /// The classes are kept below Cargo's target directory under a hash of the sources and the class path, so a second call costs
    /// nothing. Tests may call it side by side.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::State`] with the compiler's words, or when `javac` is missing; [`ErrorKind::Io`].
    pub fn compile(&self, sources: &Path) -> Result<Java> {
        let files = java_files(sources).map_err(|error| Error::from(error).context(sources.display()))?;
        let classes = target_dir().join("java").join(format!("{:016x}", self.hash_of(&files)?));
        if !classes.is_dir() {
            self.compile_into(&files, &classes)?;
        }
        let mut class_path = classes.into_os_string();
        class_path.push(":");
        class_path.push(&self.class_path);
        Ok(Java { class_path, ..self.clone() })
    }

    /// A command that runs `main_class` with system properties (`-Dname=value`). Arguments may be added to it.
    pub fn command<N: AsRef<str>, V: AsRef<OsStr>>(
        &self,
        main_class: &str,
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.flags).args(JVM_FLAGS);
        for (name, value) in properties {
            let mut define = OsString::from(format!("-D{}=", name.as_ref()));
            define.push(value);
            command.arg(define);
        }
        command.arg("-cp").arg(&self.class_path).arg(main_class);
        command
    }

    fn hash_of(&self, files: &[PathBuf]) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        self.class_path.hash(&mut hasher);
        for file in files {
            file.file_name().hash(&mut hasher);
            fs::read(file)?.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }

    /// Compiles beside the final place and renames, so that whoever sees the directory sees all of it.
    fn compile_into(&self, files: &[PathBuf], classes: &Path) -> Result<()> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = classes.with_extension(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&unfinished).map_err(|error| Error::from(error).context(unfinished.display()))?;
        let mut javac = Command::new(tool("javac")?);
        javac.args(["--release", "17", "-proc:none", "-Xlint:all", "-Werror", "-cp"]).arg(&self.class_path);
        let output = javac.arg("-d").arg(&unfinished).args(files).output()?;
        if !output.status.success() {
            let _ = fs::remove_dir_all(&unfinished);
            let words = format!("javac failed:\n{}", String::from_utf8_lossy(&output.stderr));
            return Err(Error::new(ErrorKind::State, words));
        }
        if fs::rename(&unfinished, classes).is_err() {
            // Somebody else was first, with the same classes.
            let _ = fs::remove_dir_all(&unfinished);
        }
        Ok(())
    }
}

fn java_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension() == Some(OsStr::new("java")));
    files.sort();
    Ok(files)
}

/// A tool of the JDK: of `JAVA_HOME`, or the first on `PATH`.
fn tool(name: &str) -> Result<PathBuf> {
    let home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let found = home.into_iter().chain(env::split_paths(&path)).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| missing(&format!("no `{name}` in JAVA_HOME or on PATH")))
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::State, format!("{what}; in this repository `./ci/setup` installs what tests need"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_names_the_remedy() {
        let error = tool("no-such-tool-of-the-jdk").unwrap_err();
        assert!(error.message().contains("./ci/setup"), "{error}");
    }

    #[test]
    fn properties_come_before_the_class() {
        let java = Java { program: "java".into(), class_path: "a.jar".into(), flags: SMALL };
        let command = java.command("Main", [("x", "1")]);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        assert_eq!(args[JVM_FLAGS.len() + SMALL.len()..], ["-Dx=1", "-cp", "a.jar", "Main"]);
    }
}
