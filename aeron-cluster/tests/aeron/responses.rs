//! Programs that answer each other over response channels: the one who asks opens no port that the other must know.

use aeron_cluster::aeron::{Aeron, ChannelUri, Publication, Subscription};
use aeron_cluster::testing::PortBlock;

use crate::rig::{Rig, awaited, client, receive, until};

const REQUESTS: i32 = 25;
const RESPONSES: i32 = 26;

/// One who asks, with what it sends and what it is answered through.
struct Asker {
    _aeron: Aeron,
    requests: Publication,
    responses: Subscription,
}

impl Asker {
    fn new(rig: &Rig, server: &str, control: &str) -> Asker {
        let aeron = client(&rig.dir);
        let channel = ChannelUri::udp().control(control).control_mode("response");
        let responses = aeron.add_subscription(&channel.to_string(), RESPONSES).unwrap();
        let id = responses.registration_id().to_string();
        let channel = server.parse::<ChannelUri>().unwrap().response_correlation_id(&id);
        let requests = aeron.add_publication(&channel.to_string(), REQUESTS).unwrap();
        Asker { _aeron: aeron, requests, responses }
    }
}

#[test]
fn each_is_answered_and_hears_nothing_of_the_others() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let control = format!("127.0.0.1:{}", ports.port(0));
    let mut requests = rig.aeron.add_subscription("aeron:udp?endpoint=127.0.0.1:0", REQUESTS).unwrap();
    let server = awaited("the port", || requests.try_resolve_channel_endpoint_port().unwrap());
    let mut askers = [(); 2].map(|()| Asker::new(&rig, &server, &control));
    until("the requests' images", || requests.image_count() == 2);

    // An answer goes to whose image it belongs.
    let answers = [0, 1].map(|index| {
        let id = requests.image_at_index(index).unwrap().correlation_id().to_string();
        let channel = ChannelUri::udp().control(&control).control_mode("response").response_correlation_id(&id);
        (id, rig.aeron.add_publication(&channel.to_string(), RESPONSES).unwrap())
    });
    for (number, asker) in askers.iter().enumerate() {
        until("the server", || asker.requests.offer(&[number as u8]).is_ok());
    }
    for _ in &askers {
        let (id, request) = awaited("a request", || {
            let mut request = None;
            let take = |message: &[u8], header: &aeron_cluster::aeron::Header<'_>| {
                request = Some((header.image_correlation_id().unwrap().to_string(), message.to_vec()));
            };
            requests.poll(1, take).unwrap();
            request
        });
        let (_, answer) = answers.iter().find(|(image, _)| *image == id).expect("an image that was there");
        until("the one who asked", || answer.offer(&[&b"answer to "[..], &request].concat()).is_ok());
    }
    for (number, asker) in askers.iter_mut().enumerate() {
        assert_eq!(receive(&mut asker.responses), [&b"answer to "[..], &[number as u8]].concat());
        assert_eq!(asker.responses.image_count(), 1);
        assert_eq!(asker.responses.poll(9, |_, _| panic!("the answer to another")), Ok(0));
    }
    let [gone, stays] = askers;
    drop(gone);
    until("the answers to one to end", || answers.iter().filter(|(_, answer)| answer.is_connected()).count() == 1);
    assert!(stays.requests.is_connected());
}
