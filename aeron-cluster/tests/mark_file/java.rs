//! What Java's tools and Java's container make of our mark file, and ours of theirs.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aeron_cluster::service::mark_file::{ClusterMarkFile, ensure_link, link_file_name};
use aeron_cluster::testing::Java;

use crate::dir::{Dir, NOW};
use crate::layout::PROPERTIES;

/// Runs a Java program and gives what it printed.
fn java(main_class: &str, args: &[&str]) -> String {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/java");
    let java = Java::aeron_all().and_then(|java| java.compile(&sources)).expect("java");
    let mut command = java.command(main_class, [("file.encoding", "UTF-8"), ("stdout.encoding", "UTF-8")]);
    let output = command.args(args).output().expect("java");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{main_class} {args:?}: {out}{err}");
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
    let seen = java("MarkFileProbe", &["read", &dir.mark_file().to_string_lossy()]);
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
        let report = java("io.aeron.cluster.ClusterTool", &[&from.path().to_string_lossy(), "errors"]);
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
    // In the future, because a Java virtual machine may take its time to start.
    mark.update_activity_timestamp(now() + 3_600_000);
    assert_eq!(java("MarkFileProbe", &["claim", &path]), format!("refused active mark file detected: {path}\n"));
    mark.signal_terminated().expect("forced");
    drop(mark);
    assert_eq!(java("MarkFileProbe", &["claim", &path]), "claimed candidateTermId=-1\n");
    assert_eq!((dir.i32(68), dir.saved_errors().len()), (5, 1), "Java saved the errors that we recorded");

    dir.write(16, &now().to_le_bytes());
    let error = ClusterMarkFile::open(&dir.options(), now).expect_err("Java's container counts as alive for 10 s");
    assert!(error.message().starts_with("active mark file detected: "), "{error}");
    dir.write(16, &(now() - 10_000).to_le_bytes());
    let mark = ClusterMarkFile::open(&dir.options(), now).expect("Java's container counts as dead");
    assert_eq!(mark.cluster_id(), 0, "nothing of Java's settings remains");
}
