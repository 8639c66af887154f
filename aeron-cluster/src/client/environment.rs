//! The settings of a cluster client from environment variables.

use std::ffi::OsString;

use super::Context;
use crate::environment::{self, Set, duration, number};
use crate::error::Result;

impl Context {
    /// Java's defaults, overridden by environment variables.
    ///
    /// A variable has the name of Java's property in capitals with underscores: `AERON_CLUSTER_INGRESS_CHANNEL` for
    /// `aeron.cluster.ingress.channel`. Durations may end in `ns`, `us`, `ms` or `s`. An empty variable counts as
    /// unset.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) naming the variable, its value and what is allowed.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(std::env::var_os)
    }

    pub(super) fn from_lookup(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<Self> {
        environment::read(Context::new(), VARIABLES, lookup)
    }
}

const VARIABLES: &[(&str, Set<Context>)] = &[
    ("AERON_DIR", |context, value| Ok(context.aeron_dir(value))),
    ("AERON_CLUSTER_MESSAGE_TIMEOUT", |context, value| Ok(context.message_timeout(duration(value)?))),
    ("AERON_CLUSTER_INGRESS_CHANNEL", |context, value| Ok(context.ingress_channel(value))),
    ("AERON_CLUSTER_INGRESS_ENDPOINTS", |context, value| Ok(context.ingress_endpoints(value))),
    ("AERON_CLUSTER_INGRESS_STREAM_ID", |context, value| Ok(context.ingress_stream_id(number(value)?))),
    ("AERON_CLUSTER_EGRESS_CHANNEL", |context, value| Ok(context.egress_channel(value))),
    ("AERON_CLUSTER_EGRESS_STREAM_ID", |context, value| Ok(context.egress_stream_id(number(value)?))),
    ("AERON_CLUSTER_CLIENT_NAME", |context, value| Ok(context.client_name(value))),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn context(variables: &[(&str, &str)]) -> Result<Context> {
        Context::from_lookup(environment::of(variables))
    }

    #[test]
    fn every_variable_reaches_its_setting() {
        let variables = [
            ("AERON_DIR", "/dev/shm/a", "aeron_dir: Some(\"/dev/shm/a\")"),
            ("AERON_CLUSTER_MESSAGE_TIMEOUT", "7s", "message_timeout: 7s"),
            ("AERON_CLUSTER_INGRESS_CHANNEL", "aeron:udp", "ingress_channel: \"aeron:udp\""),
            ("AERON_CLUSTER_INGRESS_ENDPOINTS", "0=a:1", "ingress_endpoints: Some(\"0=a:1\")"),
            ("AERON_CLUSTER_INGRESS_STREAM_ID", "201", "ingress_stream_id: 201"),
            ("AERON_CLUSTER_EGRESS_CHANNEL", "aeron:ipc", "egress_channel: \"aeron:ipc\""),
            ("AERON_CLUSTER_EGRESS_STREAM_ID", "202", "egress_stream_id: 202"),
            ("AERON_CLUSTER_CLIENT_NAME", "desk", "client_name: \"desk\""),
        ];
        assert_eq!(variables.len(), VARIABLES.len());
        for (name, value, shown) in variables {
            let text = format!("{:?}", context(&[(name, value)]).unwrap());
            assert!(text.contains(shown), "{name}={value} is not in {text}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named() {
        for (name, value, expected) in [
            ("AERON_CLUSTER_MESSAGE_TIMEOUT", "soon", "AERON_CLUSTER_MESSAGE_TIMEOUT must be a duration such as"),
            ("AERON_CLUSTER_INGRESS_STREAM_ID", "4294967296", "must be a whole number in range: \"4294967296\""),
        ] {
            let message = context(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn an_empty_variable_is_no_variable() {
        let text = format!("{:?}", context(&[("AERON_CLUSTER_INGRESS_ENDPOINTS", "")]).unwrap());
        assert!(text.contains("ingress_endpoints: None"), "{text}");
    }
}
