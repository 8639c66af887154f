//! Channels: what parses prints as what parses to the same.
#![no_main]

use aeron_cluster::aeron::ChannelUri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|channel: &str| {
    if let Ok(uri) = ChannelUri::parse(channel) {
        let printed = uri.to_string();
        let again =
            ChannelUri::parse(&printed).unwrap_or_else(|error| panic!("{channel:?} prints as {printed:?}: {error}"));
        assert_eq!(again.to_string(), printed);
    }
});
