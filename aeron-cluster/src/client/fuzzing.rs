//! Entry points of the client for fuzz targets.

use std::ffi::OsString;

use super::{Context, endpoints};
use crate::aeron::ChannelUri;
use crate::error::Result;

/// The members in a list of endpoints as the cluster sends it, with the channel to each that is made of `ingress_channel`.
pub(crate) fn members(list: &str, ingress_channel: &str) -> Result<Vec<(i32, String)>> {
    let ingress_channel = ChannelUri::parse(ingress_channel)?;
    let endpoints = endpoints::parse(list)?;
    Ok(endpoints
        .iter()
        .map(|endpoint| (endpoint.member_id, endpoints::channel_to(&ingress_channel, endpoint)))
        .collect())
}

/// The settings of a client in this environment, shown.
pub(crate) fn settings(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<String> {
    Context::from_lookup(lookup).map(|context| format!("{context:?}"))
}
