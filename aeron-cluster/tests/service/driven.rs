//! A service driven by its caller.

use std::time::Duration;

use aeron_cluster::aeron::{BackoffIdleStrategy, IdleStrategy};
use aeron_cluster::service::{ClusteredServiceAgent, Termination, Work};
use aeron_cluster::testing::{Part, TestCluster};

use crate::client::Client;
use crate::probe::{Event, Probe, context};

/// Drives a service until it ends.
pub fn drive(agent: &mut ClusteredServiceAgent<Probe>) -> aeron_cluster::Result<Termination> {
    let mut idle = BackoffIdleStrategy::default();
    loop {
        match agent.do_work()? {
            Work::Done(work_count) => idle.idle(work_count),
            Work::Ended(termination) => return Ok(termination),
        }
    }
}

#[test]
fn a_service_is_driven_by_its_caller_from_start_to_end() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::new();
    let mut agent = ClusteredServiceAgent::new(context(&cluster), probe).unwrap();
    let closer = agent.closer();
    let client = std::thread::spawn(move || {
        cluster.wait_for_leader().unwrap();
        let mut client = Client::connect(&cluster);
        assert_eq!(client.ask("echo once"), b"echo once");
        closer.close();
        cluster
    });
    assert_eq!(drive(&mut agent).unwrap(), Termination::Closed);
    let mut cluster = client.join().unwrap();
    assert_eq!(events.rest().last(), Some(&Event::Terminate));
    let error = agent.do_work().unwrap_err();
    assert!(error.message().contains("has ended"), "{error}");
    // The consensus module takes the end of its service for what it is.
    cluster.process(0, Part::ConsensusModule).unwrap().wait(aeron_cluster::testing::PATIENCE).unwrap();
}

#[test]
fn a_service_that_is_dropped_before_it_starts_leaves_nothing_behind() {
    let mut cluster = TestCluster::builder().create().unwrap();
    cluster.start_part(0, Part::Driver).unwrap();
    let (probe, events) = Probe::new();
    drop(ClusteredServiceAgent::new(context(&cluster), probe).unwrap());
    assert_eq!(events.rest(), []);
    // The mark file can be taken at once.
    let settings = context(&cluster).mark_file_wait(Duration::ZERO);
    let agent = ClusteredServiceAgent::new(settings, Probe::new().0).unwrap();
    assert_eq!(agent.close().unwrap(), Termination::Closed);
}

#[test]
fn a_panic_is_an_error_of_do_work() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, _events) = Probe::new();
    let mut agent = ClusteredServiceAgent::new(context(&cluster), probe).unwrap();
    let client = std::thread::spawn(move || {
        cluster.wait_for_leader().unwrap();
        Client::connect(&cluster).send("panic");
        cluster
    });
    let error = drive(&mut agent).unwrap_err();
    assert!(error.message().contains("service panicked in on_session_message"), "{error}");
    drop(client.join().unwrap());
}
