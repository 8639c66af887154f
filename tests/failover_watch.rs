//! The program `failover_watch` while the leader of its cluster is killed.

use std::process::Command;

use aeron_cluster::testing::{PATIENCE, Process, TestCluster};

mod support;
use support::{echo_service, number, program};

#[test]
fn one_session_is_kept_when_the_leader_is_killed_and_what_happened_is_told() {
    let mut cluster = TestCluster::builder().members(3).program(echo_service()).start().unwrap();
    let leader = cluster.wait_for_leader().unwrap();
    let mut command = Command::new(program("failover_watch"));
    command.arg("--aeron-dir").arg(cluster.aeron_dir((leader + 1) % 3));
    command.args(["--ingress-endpoints", &cluster.ingress_endpoints()]);
    let mut watch = Process::spawn("failover_watch", &command).unwrap();
    watch.wait_for_line(" session ", PATIENCE).unwrap();

    cluster.kill_member(leader);
    for line in [
        "no answers for",
        "new leader: member ",
        "in doubt",
        "AWAIT_NEW_LEADER_CONNECTION -> CONNECTED",
        "answers again",
    ] {
        watch.wait_for_line(line, PATIENCE).unwrap();
    }
    assert!(watch.stop().unwrap().success(), "{:?}", watch.lines());
    let report = watch.wait_for_line("{\"answered\"", PATIENCE).unwrap();
    println!("{:#?}", watch.lines());
    assert_eq!((number(&report, "leader_changes"), number(&report, "new_sessions")), (1., 0.), "{report}");
    assert!(number(&report, "answered") > 0. && number(&report, "longest_pause_ms") >= 500., "{report}");
}
