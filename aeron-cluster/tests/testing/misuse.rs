//! What cannot be done is refused, and says why.

use aeron_cluster::testing::{Part, TestCluster};
use aeron_cluster::{ErrorKind, Result};

use crate::example::Counter;

fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, why: &str) {
    let error = result.unwrap_err();
    assert!(error.kind() == kind && error.message().contains(why), "{error:?}");
}

#[test]
fn members_and_services_that_are_not_there() {
    let mut cluster = TestCluster::builder().service(|_| Counter::default()).create().unwrap();
    let (invalid, no_member, no_service) = (ErrorKind::InvalidArgument, "no member 1", "no service 1");
    refused(cluster.start_member(1), invalid, no_member);
    refused(cluster.stop_member(1), invalid, no_member);
    refused(cluster.wipe_member(1), invalid, no_member);
    refused(cluster.partition(1), invalid, no_member);
    refused(cluster.start_part(1, Part::Driver), invalid, no_member);
    refused(cluster.wait_for_counter(1, 0, |_| true), invalid, no_member);
    refused(cluster.start_service(0, 1), invalid, no_service);
    refused(cluster.stop_service(0, 1), invalid, no_service);
    refused(cluster.kill_service(0, 1), invalid, no_service);
}

#[test]
fn what_a_cluster_was_not_built_for_is_refused() {
    let mut cluster = TestCluster::builder().service(|_| Counter::default()).create().unwrap();
    refused(cluster.partition(0), ErrorKind::State, "partitionable()");
    refused(cluster.heal(0), ErrorKind::State, "partitionable()");
    refused(cluster.kill_service(0, 0), ErrorKind::State, "Builder::program");
    refused(cluster.wait_for_leader(), ErrorKind::State, "too few members were started");
    refused(cluster.snapshot(), ErrorKind::State, "too few members were started");
    cluster.stop().unwrap();
    cluster.wipe_member(0).unwrap();
    cluster.start_part(0, Part::Driver).unwrap();
    refused(cluster.wipe_member(0), ErrorKind::State, "its Driver runs");
}
