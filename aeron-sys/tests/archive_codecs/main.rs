//! Our C codecs against those of the official SBE tool: the same program is compiled with each, and must print the
//! same bytes and the same decoded values. Ours is also run over truncated messages under the address sanitizer.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod program;
#[allow(dead_code, reason = "the build script uses the rest")]
#[path = "../../build/schema.rs"]
mod schema;

const SBE_ALL: &str = "uk/co/real-logic/sbe-all/1.38.1/sbe-all-1.38.1.jar";

#[test]
fn every_message_is_encoded_and_decoded_as_by_the_official_codecs() {
    let schema = read_schema();
    let dir = fresh_dir("official");
    // Not beside the program: a quoted include would find them there, whatever the include path says.
    let official = dir.join("headers");
    generate_official(&official);
    let source = dir.join("compare.c");
    fs::write(&source, program::compare(&schema)).expect("write the program");

    let theirs = compile_and_run(&source, &official, &dir.join("theirs"), &["-w"]);
    let ours = compile_and_run(&source, &our_codecs(), &dir.join("ours"), &["-Wall", "-Wextra", "-Werror"]);

    assert!(ours.lines().count() > schema.messages.len() * 8, "the program printed too little:\n{ours}");
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

#[test]
fn a_truncated_message_is_never_read_or_written_past_its_end() {
    let schema = read_schema();
    let dir = fresh_dir("truncated");
    let source = dir.join("truncate.c");
    fs::write(&source, program::truncate(&schema)).expect("write the program");
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let printed = compile_and_run(&source, &our_codecs(), &dir.join("truncate"), &flags);
    assert_eq!(printed.lines().count(), schema.messages.len(), "{printed}");
}

/// The headers that the archive client was compiled with.
fn our_codecs() -> PathBuf {
    Path::new(env!("OUT_DIR")).join("codecs")
}

fn read_schema() -> schema::Schema {
    let xml = fs::read_to_string(schema_file()).expect("the schema, which the build script leaves beside the codecs");
    schema::Schema::parse(&xml).expect("a schema that the build script has read too")
}

fn schema_file() -> PathBuf {
    our_codecs().join("aeron-archive-codecs.xml")
}

fn fresh_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("archive_codecs").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("make a directory for the test");
    dir
}

/// Runs the SBE tool, with the properties that upstream's build gives it.
fn generate_official(dir: &Path) {
    let java = env::var_os("JAVA_HOME").map_or_else(|| "java".into(), |home| Path::new(&home).join("bin/java"));
    let output = Command::new(&java)
        .args(["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED", "-Dsbe.target.language=C"])
        .arg("-Dsbe.target.namespace=aeron.archive.client")
        .arg(format!("-Dsbe.output.dir={}", dir.join("c").display()))
        .args(["-Dsbe.validation.stop.on.error=true".as_ref(), "-cp".as_ref(), sbe_all().as_os_str()])
        .arg("uk.co.real_logic.sbe.SbeTool")
        .arg(schema_file())
        .output()
        .unwrap_or_else(|e| {
            panic!("cannot run {}: {e}. This test needs Java 17 or newer: ./ci/setup installs it", java.display())
        });
    succeeded(&output, "the SBE tool");
}

fn sbe_all() -> PathBuf {
    let jar = env::var_os("SBE_ALL_JAR").map_or_else(
        || Path::new(&env::var_os("HOME").unwrap_or_default()).join(".m2/repository").join(SBE_ALL),
        PathBuf::from,
    );
    let remedy = "./ci/setup fetches it, or SBE_ALL_JAR names it";
    assert!(jar.is_file(), "{} is missing: {remedy}", jar.display());
    jar
}

fn compile_and_run(source: &Path, include: &Path, program: &Path, flags: &[&str]) -> String {
    let output = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-std=c11", "-O1", "-g"])
        .args(flags)
        .arg("-I")
        .arg(include)
        .arg("-o")
        .args([program, source])
        .output()
        .expect("a C compiler, as for the build");
    succeeded(&output, "the C compiler");
    let output = Command::new(program).output().expect("run the program");
    succeeded(&output, "the program");
    String::from_utf8(output.stdout).expect("text")
}

fn succeeded(output: &Output, what: &str) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{what} failed, {}:\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}
