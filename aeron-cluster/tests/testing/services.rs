//! Services that the cluster makes: in this process and as programs, several of them, failing ones.

use std::process::Command;
use std::sync::{Arc, Mutex};

use aeron_cluster::aeron::Header;
use aeron_cluster::client::AeronCluster;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ServiceError, SnapshotImage, SnapshotPublication,
};
use aeron_cluster::testing::{Part, TestCluster, type_id};

use crate::example::{Counter, count};

type Names = Arc<Mutex<Vec<String>>>;

/// Notes its name when it starts, and does nothing else; fails without one.
struct Named(Option<Names>);

impl ClusteredService for Named {
    fn on_start(&mut self, cluster: &Cluster, _snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        let names = self.0.as_ref().ok_or("nobody wants to know my name")?;
        names.lock().unwrap().push(cluster.service_name().to_owned());
        Ok(())
    }

    fn on_session_message(
        &mut self,
        _cluster: &Cluster,
        _session: Option<&ClientSession>,
        _timestamp: i64,
        _message: &[u8],
        _header: &Header<'_>,
    ) {
    }

    fn on_take_snapshot(
        &mut self,
        _cluster: &Cluster,
        _snapshot: &mut SnapshotPublication,
    ) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[test]
fn a_member_has_several_services_and_their_containers_are_set_up() {
    let names = Names::default();
    let noted = Arc::clone(&names);
    let mut cluster = TestCluster::builder()
        .service(|_| Counter::default())
        .service(move |_| Named(Some(Arc::clone(&noted))))
        .container(|place, context| context.service_name(format!("service {} here", place.service_id())))
        .start()
        .unwrap();
    assert_eq!(*names.lock().unwrap(), ["service 1 here"]);

    let mut client = AeronCluster::connect(cluster.client_context(0)).unwrap();
    assert_eq!(count(&mut client).unwrap(), 1);
    let position = cluster.wait_until_applied().unwrap();
    for service_id in [0, 1] {
        assert_eq!(cluster.service_position(0, service_id).unwrap(), Some(position));
    }
    assert_eq!(cluster.service_position(0, 2).unwrap(), None);
    cluster.snapshot().unwrap();
    cluster.wait_for_counter(0, type_id::SNAPSHOT_COUNT, |count| count == 1).unwrap();
    // A client may outlive its cluster.
    drop(cluster);
    client.close();
}

#[test]
fn a_service_is_stopped_and_its_member_comes_back() {
    let mut cluster = TestCluster::builder().service(|_| Counter::default()).start().unwrap();
    let mut client = AeronCluster::connect(cluster.remote_client_context().unwrap()).unwrap();
    assert_eq!(count(&mut client).unwrap(), 1);
    cluster.stop_service(0, 0).unwrap();
    cluster.process(0, Part::ConsensusModule).unwrap().wait(aeron_cluster::testing::PATIENCE).unwrap();

    cluster.start_member(0).unwrap();
    cluster.wait_for_leader().unwrap();
    let mut client = AeronCluster::connect(cluster.remote_client_context().unwrap()).unwrap();
    assert_eq!(count(&mut client).unwrap(), 2);
    cluster.shutdown().unwrap();

    cluster.start().unwrap();
    let mut client = AeronCluster::connect(cluster.remote_client_context().unwrap()).unwrap();
    assert_eq!(count(&mut client).unwrap(), 3);
    cluster.kill_member(0);
    cluster.wipe_member(0).unwrap();
    cluster.start().unwrap();
    let mut client = AeronCluster::connect(cluster.remote_client_context().unwrap()).unwrap();
    assert_eq!(count(&mut client).unwrap(), 1);
}

#[test]
fn a_service_that_does_not_start_is_an_error_with_its_words() {
    let error = TestCluster::builder().service(|_| Named(None)).start().unwrap_err();
    assert!(error.message().contains("nobody wants to know my name"), "{error}");
}

#[test]
fn a_program_that_does_not_start_is_an_error_with_its_name() {
    let error = TestCluster::builder().program(|_| Command::new("/no/such/program")).start().unwrap_err();
    assert!(error.message().contains("/no/such/program"), "{error}");
}
