//! The ingress endpoints of a cluster's members, as `id=host:port,…`.

use crate::aeron::ChannelUri;
use crate::error::{Error, ErrorKind, Result};

/// The ingress address of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) member_id: i32,
    pub(super) address: String,
}

/// Parses a list of endpoints. Mirrors `AeronCluster.parseIngressEndpoints`.
pub(super) fn parse(list: &str) -> Result<Vec<Endpoint>> {
    let invalid = |why: String| Error::new(ErrorKind::InvalidArgument, why);
    list.split(',')
        .map(|entry| {
            let (id, address) =
                entry.split_once('=').ok_or_else(|| invalid(format!("endpoint missing '=' separator: {list}")))?;
            let member_id = id
                .trim()
                .parse()
                .map_err(|_| invalid(format!("endpoint's member id is not a number: {id:?} in {list}")))?;
            Ok(Endpoint { member_id, address: address.trim().to_owned() })
        })
        .collect()
}

/// The channel to a member: the ingress channel, with the member's address if it is UDP.
pub(super) fn channel_to(ingress_channel: &ChannelUri, endpoint: &Endpoint) -> String {
    let mut channel = ingress_channel.clone();
    if channel.is_udp() {
        channel.put("endpoint", endpoint.address.as_str());
    }
    channel.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_members_is_read_as_ids_and_addresses() {
        let endpoints = parse("0=localhost:9001,2=[::1]:9002").expect("a valid list");
        let expected = [
            Endpoint { member_id: 0, address: "localhost:9001".to_owned() },
            Endpoint { member_id: 2, address: "[::1]:9002".to_owned() },
        ];
        assert_eq!(endpoints, expected);
    }

    #[test]
    fn what_is_not_a_list_is_named() {
        let error = parse("0=a:1,b:2").expect_err("no separator");
        assert_eq!(error.message(), "endpoint missing '=' separator: 0=a:1,b:2");
        assert!(parse("").is_err());
        assert!(parse("x=a:1").is_err());
    }

    #[test]
    fn only_udp_takes_the_address() {
        let endpoint = Endpoint { member_id: 0, address: "host:1".to_owned() };
        let channel = |text| channel_to(&ChannelUri::parse(text).expect("a channel"), &endpoint);
        assert_eq!(channel("aeron:udp?term-length=64k"), "aeron:udp?term-length=64k|endpoint=host:1");
        assert_eq!(channel("aeron:udp?endpoint=other:2"), "aeron:udp?endpoint=host:1");
        assert_eq!(channel("aeron:ipc"), "aeron:ipc");
    }
}
