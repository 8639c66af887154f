//! What Java's tools and Java's container make of our mark file, and ours of theirs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aeron_cluster::service::mark_file::{ClusterMarkFile, ensure_link, link_file_name};

use crate::dir::{Dir, NOW};
use crate::layout::PROPERTIES;

const OPENS: [&str; 4] =
    ["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED", "--add-opens", "java.base/java.util.zip=ALL-UNNAMED"];

fn aeron_all() -> PathBuf {
    if let Some(jar) = std::env::var_os("AERON_ALL_JAR") {
        return jar.into();
    }
    let home = PathBuf::from(std::env::var_os("HOME").expect("HOME"));
    let jar = home.join(".m2/repository/io/aeron/aeron-all/1.51.0/aeron-all-1.51.0.jar");
    assert!(jar.exists(), "no {}: run ./ci/setup, or set AERON_ALL_JAR", jar.display());
    jar
}

/// Where our own small program is, compiled once.
fn probe_classes() -> &'static Path {
    static CLASSES: OnceLock<PathBuf> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mark-file-probe");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/java/MarkFileProbe.java");
        let mut javac = Command::new("javac");
        javac.arg("-cp").arg(aeron_all());
        javac.arg("-d").arg(&classes).arg(source);
        let output = javac.output().expect("javac: run ./ci/setup, which installs a JDK");
        let diagnostics = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "javac: {diagnostics}");
        classes
    })
}

fn java(args: &[&str]) -> String {
    let class_path = std::env::join_paths([aeron_all().as_path(), probe_classes()]).expect("class path");
    let mut java = Command::new("java");
    java.args(OPENS).arg("-cp").arg(class_path).args(args);
    let output = java.output().expect("java: run ./ci/setup, which installs a JDK");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "java {args:?}: {out}{err}");
    out.into_owned()
}

fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since_epoch.as_millis() as i64
}

fn ready(dir: &Dir) -> ClusterMarkFile {
    let mut mark = ClusterMarkFile::open(&dir.options(), now).expect("new file");
    mark.set_properties(&PROPERTIES).expect("fits");
    mark.signal_ready(NOW + 5).expect("forced");
    mark.set_member_id(2);
    assert!(mark.error_log().record(NOW, "it broke"));
    assert!(mark.error_log().record(NOW + 1, "ünïcode"));
    assert!(mark.error_log().record(NOW + 2, "it broke"));
    mark
}

#[test]
fn java_reads_every_field_and_error() {
    let dir = Dir::new();
    let _mark = ready(&dir);
    let seen = java(&["MarkFileProbe", "read", &dir.mark_file().to_string_lossy()]);
    let (pid, start) = (std::process::id(), dir.i64(24));
    let expected = format!(
        "type=CONTAINER version=768 pid={pid} activity={} start={start} candidate=-1\n\
         archive=10 service=104 consensus=105 ingress=-1 member=2 serviceId=3 cluster=7\n\
         /dev/shm/aeron-x|aeron:ipc?term-length=128k||?cho||\n\
         error 2 {NOW} {} it broke\nerror 1 {} {} ünïcode\n",
        NOW + 5,
        NOW + 2,
        NOW + 1,
        NOW + 1
    );
    assert_eq!(seen, expected);
}

#[test]
fn cluster_tool_lists_errors_also_through_the_link() {
    let (cluster, dir) = (Dir::new(), Dir::new());
    let _mark = ready(&dir);
    ensure_link(cluster.path(), dir.path(), &link_file_name(0)).expect("link");
    for from in [&dir, &cluster] {
        let report = java(&["io.aeron.cluster.ClusterTool", &from.path().to_string_lossy(), "errors"]);
        for part in ["Type: CONTAINER", "2 observations from 2023-11-14", "it broke", "2 distinct errors observed."] {
            assert!(report.contains(part), "{part:?} in {report}");
        }
    }
}

#[test]
fn java_and_we_refuse_each_other_while_alive_and_succeed_each_other_after() {
    let dir = Dir::new();
    let path = dir.mark_file().to_string_lossy().into_owned();
    let mark = ready(&dir);
    mark.update_activity_timestamp(now());
    assert_eq!(java(&["MarkFileProbe", "claim", &path]), format!("refused active mark file detected: {path}\n"));
    mark.signal_terminated().expect("forced");
    drop(mark);
    assert_eq!(java(&["MarkFileProbe", "claim", &path]), "claimed candidateTermId=-1\n");
    assert_eq!((dir.i32(68), dir.saved_errors().len()), (5, 1), "Java saved the errors that we recorded");

    let error = ClusterMarkFile::open(&dir.options(), now).expect_err("Java's container counts as alive for 10 s");
    assert!(error.message().starts_with("active mark file detected: "), "{error}");
    dir.write(16, &(now() - 10_000).to_le_bytes());
    let mark = ClusterMarkFile::open(&dir.options(), now).expect("Java's container counts as dead");
    assert_eq!(mark.cluster_id(), 0, "nothing of Java's settings remains");
}
