//! Text that others write: channels, lists of members, and settings.

use std::cell::RefCell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::LazyLock;

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::ChannelUri;
use aeron_cluster::testing::fuzzing;

/// Channels: what parses prints as what parses to the same.
pub fn uri(bytes: &[u8]) {
    let Ok(channel) = std::str::from_utf8(bytes) else { return };
    if let Ok(uri) = ChannelUri::parse(channel) {
        let printed = uri.to_string();
        let again =
            ChannelUri::parse(&printed).unwrap_or_else(|error| panic!("{channel:?} prints as {printed:?}: {error}"));
        assert_eq!(again.to_string(), printed);
    }
}

/// The members of a cluster, as it lists them to its clients.
pub fn endpoints(bytes: &[u8]) {
    let list = String::from_utf8_lossy(bytes);
    match fuzzing::members(&list, "aeron:udp?term-length=64k") {
        Ok(members) => {
            assert_eq!(members.len(), list.split(',').count());
            for (_, channel) in members {
                // An address may be anything: what is no channel is refused where it would be used.
                let _ = ChannelUri::parse(&channel);
            }
        }
        Err(error) => assert!(error.kind() == ErrorKind::InvalidArgument && error.message().contains("endpoint")),
    }
}

/// A variable of the environment, by its number in the first byte: the setting is read, or the error names it.
pub fn settings(bytes: &[u8]) {
    let Some((number, value)) = bytes.split_first() else { return };
    let (container, client) = &*VARIABLES;
    let of = |names: &[&'static str]| names[usize::from(*number) % names.len()];
    let value = || OsString::from_vec(value.to_vec());
    for (name, read) in [
        (of(container), fuzzing::container_settings(|name| (name == of(container)).then(value))),
        (of(client), fuzzing::client_settings(|name| (name == of(client)).then(value))),
    ] {
        if let Err(error) = read {
            assert!(error.message().starts_with(name), "{error}");
        }
    }
}

/// Those of containers, and those of clients.
static VARIABLES: LazyLock<(Vec<&str>, Vec<&str>)> = LazyLock::new(|| {
    let asked = RefCell::new(Vec::new());
    let note = |name| {
        asked.borrow_mut().push(name);
        None
    };
    let container = fuzzing::container_settings(note).map(|_| asked.take());
    let client = fuzzing::client_settings(note).map(|_| asked.take());
    (container.expect("defaults"), client.expect("defaults"))
});
