//! The making of a service, and the wait for its consensus module.

use std::sync::mpsc::channel;

use aeron_cluster::service::{ClusteredServiceContainer, Termination};
use aeron_cluster::testing::PATIENCE;

use crate::probe::{Probe, context};
use crate::script::{CONTROL_CHANNEL, Recovery, Stage, ack, activity, ended, heard, wait_for};

/// Two signs of life, in ms.
const TWO_SIGNS: i64 = 1_500;

#[test]
fn a_container_shows_life_while_it_makes_its_service_and_waits_for_its_consensus_module() {
    let stage = Stage::with_driver();
    let (making, is_made) = channel::<()>();
    let make = move || {
        is_made.recv_timeout(PATIENCE).unwrap();
        Probe::new().0
    };
    let container = ClusteredServiceContainer::launch_with(context(&stage.cluster), make).unwrap();
    for made in [false, true] {
        if made {
            making.send(()).unwrap();
        }
        let begin = activity(&stage.cluster);
        wait_for(|| activity(&stage.cluster) >= begin + TWO_SIGNS);
    }
    assert_eq!(container.close().unwrap(), Termination::Closed);
}

#[test]
fn a_service_that_cannot_be_made_is_acknowledged_as_a_failed_start() {
    let stage = Stage::with_driver();
    let recovery = Recovery { log_position: 640, timestamp: 77, ..Recovery::NOTHING };
    let mut from_service = stage.aeron.add_subscription(CONTROL_CHANNEL, 105).unwrap();
    let _counters = stage.publish(&recovery);
    let make = || -> Probe { panic!("no service today") };
    let container = ClusteredServiceContainer::launch_with(context(&stage.cluster), make).unwrap();
    let ack = heard(&mut from_service, ack).unwrap();
    assert_eq!((ack.ack_id, ack.log_position, ack.timestamp, ack.relevant_id), (0, 640, 77, -1));
    assert_eq!(ended(container).unwrap_err().message(), "making the service panicked: no service today");
}
