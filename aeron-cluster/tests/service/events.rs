//! What the log brings, in order and with the right values.

use aeron_cluster::aeron::OfferError;
use aeron_cluster::service::{CloseReason, ClusterTimeUnit, ClusteredServiceContainer, Role, Termination};
use aeron_cluster::testing::TestCluster;

use crate::client::Client;
use crate::probe::{Event, Probe, context, launch};

#[test]
fn events_come_in_order_with_position_time_and_session() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    assert_eq!(events.next(), Event::Start { position: 0, snapshot: None, sessions: vec![] });
    // Java tells of the role when it joins the log, before the log's first event.
    assert_eq!(events.next(), Event::Role(Role::Leader));
    let Event::Term { event, member_id } = events.next() else { panic!("no term") };
    assert_eq!((event.leadership_term_id, event.leader_member_id, member_id), (0, 0, 0));
    assert_eq!((event.time_unit, event.term_base_log_position), (ClusterTimeUnit::Millis, 0));

    let mut client = Client::connect(&cluster);
    let session = client.session_id();
    assert!(matches!(events.next(), Event::Open { session: opened, .. } if opened == session));
    assert_eq!(client.ask("echo a"), b"echo a");
    assert_eq!(client.ask("pieces a b c"), b"pieces a b c");
    assert_eq!(client.ask("claim a"), b"claim a");
    client.send("timer 7 1");
    client.send("offer");
    client.close();
    let mut seen = Vec::new();
    while !(seen.iter().any(|event| matches!(event, Event::Timer { id: 7, .. }))
        && seen.iter().any(|event| matches!(event, Event::Message { session: None, .. }))
        && seen.iter().any(|event| matches!(event, Event::Close { .. })))
    {
        seen.push(events.next());
    }
    assert_eq!(container.close().unwrap(), Termination::Closed);
    seen.extend(events.rest());
    let events = seen;
    let texts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Message { session, text, .. } => Some((*session, text.as_str())),
            _ => None,
        })
        .collect();
    for text in ["echo a", "pieces a b c", "claim a", "timer 7 1", "offer"] {
        assert!(texts.contains(&(Some(session), text)), "{text}: {texts:?}");
    }
    assert_eq!(events.last(), Some(&Event::Terminate));
    let moments: Vec<(i64, i64)> = events.iter().filter_map(moment).collect();
    assert!(moments.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{moments:?}");
}

fn moment(event: &Event) -> Option<(i64, i64)> {
    match event {
        Event::Open { position, time, .. }
        | Event::Close { position, time, .. }
        | Event::Message { position, time, .. }
        | Event::Timer { position, time, .. } => Some((*position, *time)),
        _ => None,
    }
}

#[test]
fn timers_service_messages_and_closed_sessions_come_back_through_the_log() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (_container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);

    client.send("timer 1 3600000");
    client.send("timer 2 3600000");
    client.send("timer 1 1"); // moved
    client.send("cancel 2");
    let due = events.wait_for(|event| match event {
        Event::Timer { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(due, 1);

    client.send("offer");
    let (session, text) = events.wait_for(|event| match event {
        Event::Message { session: None, text, .. } => Some((None::<i64>, text.clone())),
        _ => None,
    });
    assert_eq!((session, text.as_str()), (None, "from the service"));

    let id = client.session_id();
    client.send("close");
    client.wait_until_closed();
    let (closed, reason) = events.wait_for(|event| match event {
        Event::Close { session, reason, .. } => Some((*session, *reason)),
        _ => None,
    });
    assert_eq!((closed, reason), (id, CloseReason::ServiceAction));
}

#[test]
fn long_messages_are_put_together_with_the_header_of_the_whole() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (_container, events) = launch(&cluster);
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    let mut other = Client::connect(&cluster);
    let mut long = b"echo ".to_vec();
    long.extend((0..7_000u32).map(|i| i as u8));
    for length in [long.len(), 2_000, 5] {
        other.send("something between");
        assert_eq!(client.ask(&long[..length]), &long[..length]);
        let (seen, header) = events.wait_for(|event| match event {
            Event::Message { text, length, header, .. } if text.starts_with("echo") => Some((*length, *header)),
            _ => None,
        });
        assert_eq!(seen, length);
        // 32 bytes of frame header and 32 of session header.
        assert_eq!(header.frame_length as usize, length + 64);
        assert_eq!(header.flags, 0xC0);
        assert_eq!(header.term_offset % 32, 0);
    }
    // A message of no bytes is a message.
    client.send("");
    events.wait_for(|event| matches!(event, Event::Message { length: 0, .. }).then_some(()));
}

#[test]
fn sending_is_refused_where_java_refuses_it_and_recorded_in_javas_words() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::new();
    let container = ClusteredServiceContainer::launch(context(&cluster), probe.trying_to_send()).unwrap();
    cluster.wait_for_leader().unwrap();
    let term = |event: &Event| matches!(event, Event::Term { .. }).then_some(());
    let mut refused: Vec<(&str, OfferError)> = Vec::new();
    let take = |event: &Event, refused: &mut Vec<_>| {
        if let Event::Refused(callback, reason) = event {
            refused.push((*callback, *reason));
        }
    };
    loop {
        let event = events.next();
        take(&event, &mut refused);
        if term(&event).is_some() {
            break;
        }
    }
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert_eq!(container.close().unwrap(), Termination::Closed);
    for event in events.rest() {
        take(&event, &mut refused);
    }
    for (callback, java_name) in
        [("on_start", "onStart"), ("on_role_change", "onRoleChange"), ("do_background_work", "doBackgroundWork")]
    {
        assert_eq!(refused.iter().filter(|refusal| **refusal == (callback, OfferError::NotAllowed)).count(), 5);
        let text = format!("sending messages or scheduling timers is not allowed from {java_name}");
        assert!(errors.contains(&text), "{errors}");
    }
    // Nothing at all goes out of a container that is ending.
    assert_eq!(refused.iter().filter(|refusal| **refusal == ("on_terminate", OfferError::Closed)).count(), 5);
}

#[test]
fn a_service_that_does_not_respond_connects_to_no_client() {
    let mut cluster = TestCluster::builder().start().unwrap();
    let (probe, events) = Probe::new();
    let settings = context(&cluster)
        .is_responding_service(false)
        .failure_policy(aeron_cluster::service::FailurePolicy::LogAndContinue);
    let _container = ClusteredServiceContainer::launch(settings, probe).unwrap();
    cluster.wait_for_leader().unwrap();
    let mut client = Client::connect(&cluster);
    client.send("echo"); // panics: the offer answers NotConnected
    client.send("still there");
    events.wait_for(|event| matches!(event, Event::Message { text, .. } if text == "still there").then_some(()));
    let errors = cluster.cluster_tool(0, &["errors"]).unwrap();
    assert!(errors.contains("refused: not connected"), "{errors}");
}
