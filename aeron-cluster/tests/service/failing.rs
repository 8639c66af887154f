//! A service that fails.

use std::ops::ControlFlow;
use std::sync::mpsc::channel;

use aeron_cluster::ErrorKind;
use aeron_cluster::service::{ClusteredServiceContainer, FailurePolicy, Termination};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster, wait_until};

use crate::client::Client;
use crate::probe::{Event, Fail, Probe, context, launch};
use crate::script::ended;

#[test]
fn a_panic_ends_the_node_and_the_message_is_there_at_the_next_start() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::new();
    let (hook, hooked) = channel();
    let (handler, handled) = channel();
    let settings = context(&cluster)
        .extended_termination_hook(move |cause| hook.send(cause.to_string()).unwrap())
        .error_handler(move |error| handler.send(error.to_string()).unwrap());
    let container = ClusteredServiceContainer::launch(settings, probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    client.send("panic");
    client.send("after");
    let error = ended(container).unwrap_err();
    assert!(error.message().contains("service panicked in on_session_message at log position"), "{error}");
    assert!(error.message().ends_with("as told"), "{error}");
    assert_eq!(hooked.recv_timeout(PATIENCE).unwrap(), error.to_string());
    assert_eq!(handled.try_iter().collect::<Vec<_>>(), [error.to_string()]);
    let seen = events.rest();
    assert!(!seen.contains(&Event::Terminate), "on_terminate of a service that panicked: {seen:?}");
    assert!(!seen.iter().any(|event| matches!(event, Event::Message { .. })), "{seen:?}");
    cluster.process(0, Part::ConsensusModule).unwrap().wait(PATIENCE).unwrap();
    cluster.stop().unwrap();

    // Java's way takes the node past the message.
    cluster.start().unwrap();
    let (probe, events) = Probe::new();
    let settings = context(&cluster).failure_policy(FailurePolicy::LogAndContinue);
    let _container = ClusteredServiceContainer::launch(settings, probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("service panicked in on_session_message"), "{errors}");
    let mut client = Client::connect(&cluster);
    assert_eq!(client.ask("echo on"), b"echo on");
    events.wait_for(|event| matches!(event, Event::Message { text, .. } if text == "echo on").then_some(()));
}

#[test]
fn a_service_that_ends_its_node_in_its_start_ends_the_consensus_module_too() {
    let cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::failing(Fail::StartWithTermination);
    // What a handler does is no reason not to end in order.
    let settings = context(&cluster).error_handler(|error| panic!("told of: {error}"));
    let container = ClusteredServiceContainer::launch(settings, probe).unwrap();
    assert_eq!(ended(container).unwrap(), Termination::Unexpected);
    assert!(!events.rest().contains(&Event::Terminate));
    wait_until_consensus_module_gives_up(&cluster);
}

/// It would wait for ever for an acknowledgement that does not come. Its agent ends; its process, which Java's runner leaves
/// waiting after a failed start, does not.
fn wait_until_consensus_module_gives_up(cluster: &TestCluster) {
    wait_until("the consensus module to give up", PATIENCE, || {
        let errors = cluster.cluster_tool(0, &["errors"])?;
        let ended = errors.contains("failed to start clustered service(s)");
        Ok(if ended { ControlFlow::Break(()) } else { ControlFlow::Continue(errors) })
    })
    .unwrap();
}

#[test]
fn a_failed_start_is_acknowledged_and_ends_service_and_consensus_module() {
    for (fail, what) in
        [(Fail::StartWithError, "on_start failed: as told"), (Fail::StartWithPanic, "panicked in on_start")]
    {
        let cluster = TestCluster::builder().start().unwrap();
        let (probe, events) = Probe::failing(fail);
        let (hook, hooked) = channel();
        let settings = context(&cluster).extended_termination_hook(move |cause| hook.send(cause.to_string()).unwrap());
        let container = ClusteredServiceContainer::launch(settings, probe).unwrap();
        let error = ended(container).unwrap_err().to_string();
        assert!(
            error.starts_with("failed to start service=0 leadershipTermId=-1 logPosition=0 clusterTime="),
            "{error}"
        );
        assert!(error.contains(what), "{error}");
        assert_eq!(hooked.recv_timeout(PATIENCE).unwrap(), error);
        assert_eq!(events.rest(), []);
        wait_until_consensus_module_gives_up(&cluster);
    }
}

#[test]
fn a_service_ends_its_node_in_order_or_not() {
    for (message, ending) in [("terminate true", Termination::Expected), ("terminate false", Termination::Unexpected)] {
        let mut cluster = TestCluster::builder().start().unwrap();
        let (container, events) = launch(&cluster);
        cluster.wait_for_leader().unwrap();
        let mut client = Client::connect(&cluster);
        client.send(message);
        assert_eq!(ended(container).unwrap(), ending);
        assert_eq!(events.rest().last(), Some(&Event::Terminate));
        cluster.process(0, Part::ConsensusModule).unwrap().wait(PATIENCE).unwrap();
    }
}

#[test]
fn a_second_container_of_the_same_service_is_refused() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (_container, _events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let settings = context(&cluster).mark_file_wait(std::time::Duration::ZERO);
    let error = ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.message().contains("active mark file detected"), "{error}");
    // The first was not disturbed.
    assert_eq!(Client::connect(&cluster).ask("echo on"), b"echo on");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let context = || aeron_cluster::service::Context::new().cluster_directory_name("/dev/null/no");
    for (settings, text) in [
        (context().service_id(10), "service id outside allowed range [0,9]: 10"),
        (context().service_id(-1), "service id outside allowed range [0,9]: -1"),
        (context().control_channel("ipc"), "control channel: invalid channel \"ipc\""),
        (
            context().archive_control_channel("aeron:udp?endpoint=localhost:8010"),
            "local archive control must be IPC: aeron:udp",
        ),
        (context().log_fragment_limit(0), "log fragment limit"),
        (context().service_stream_id(105), "the streams to and from the consensus module must differ: 105"),
        (context(), "cannot make the cluster directory \"/dev/null/no\""),
    ] {
        let error = ClusteredServiceContainer::launch(settings, Probe::new().0).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}
