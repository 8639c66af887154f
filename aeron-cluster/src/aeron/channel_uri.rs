//! Channel URIs.

use std::ffi::CString;
use std::fmt;

use super::c_text::c_string;
use crate::error::{Error, ErrorKind, Result};

const SCHEME: &str = "aeron";
const SPY_PREFIX: &str = "aeron-spy:";
/// The longest channel, in bytes (`ChannelUri.MAX_URI_LENGTH`, `AERON_URI_MAX_LENGTH` less its NUL).
const MAX_LENGTH: usize = 4095;

/// A channel as a C string. Refuses one that is too long, which C would truncate, or not send at all.
pub(crate) fn native_channel(channel: &str, what: &str) -> Result<CString> {
    check_length(channel, what)?;
    c_string(channel, what)
}

fn check_length(channel: &str, what: &str) -> Result<()> {
    if channel.len() <= MAX_LENGTH {
        return Ok(());
    }
    let start: String = channel.chars().take(80).collect();
    let message = format!("{what} has {} bytes, at most {MAX_LENGTH}: {start:?}...", channel.len());
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

/// A channel URI, parsed: `aeron:udp?endpoint=localhost:20121|term-length=64k`.
///
/// Keeps the order of its parameters, so that what is parsed and printed stays the same text. Mirrors
/// `io.aeron.ChannelUri`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelUri {
    prefix: &'static str,
    media: String,
    params: Vec<(String, String)>,
}

impl ChannelUri {
    /// Parses a channel. As in Java, the last of several parameters with the same key counts, and a value may be empty.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) naming the channel and what is wrong with it.
    pub fn parse(channel: &str) -> Result<Self> {
        let invalid = |why: &str| Error::new(ErrorKind::InvalidArgument, format!("invalid channel {channel:?}: {why}"));
        check_length(channel, "channel")?;
        let (prefix, rest) = match channel.strip_prefix(SPY_PREFIX) {
            Some(rest) => (SPY_PREFIX, rest),
            None => ("", channel),
        };
        let rest = rest
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.strip_prefix(':'))
            .ok_or_else(|| invalid("it does not start with 'aeron:'"))?;
        let (media, params) = match rest.split_once('?') {
            Some((media, params)) => (media, Some(params)),
            None => (rest, None),
        };
        if !matches!(media, "udp" | "ipc") {
            return Err(invalid(&format!("its media is {media:?}, not 'udp' or 'ipc'")));
        }
        let mut uri = ChannelUri { prefix, media: media.to_owned(), params: Vec::new() };
        for param in params.into_iter().flat_map(|params| params.split('|')) {
            match param.split_once('=') {
                Some((key, value)) if !key.is_empty() => uri.put(key, value),
                _ => return Err(invalid(&format!("parameter {param:?} is not key=value"))),
            }
        }
        Ok(uri)
    }

    pub(super) fn of_media(media: &str) -> Self {
        ChannelUri { prefix: "", media: media.to_owned(), params: Vec::new() }
    }

    /// The medium: `udp` or `ipc`.
    pub fn media(&self) -> &str {
        &self.media
    }

    /// Whether the medium is UDP.
    pub fn is_udp(&self) -> bool {
        self.media == "udp"
    }

    /// Whether the medium is shared memory (IPC).
    pub fn is_ipc(&self) -> bool {
        self.media == "ipc"
    }

    /// Whether it is a spy on a publication of the same driver.
    pub fn is_spy(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// The same channel as a spy on a publication of the same driver.
    #[must_use]
    pub fn spy(mut self) -> Self {
        self.prefix = SPY_PREFIX;
        self
    }

    /// The value of a parameter.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.params.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Sets a parameter. If it is already there, it keeps its place in the order.
    pub fn put(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        match self.params.iter_mut().find(|(name, _)| name == key) {
            Some(param) => param.1 = value,
            None => self.params.push((key.to_owned(), value)),
        }
    }

    /// Removes a parameter and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let index = self.params.iter().position(|(name, _)| name == key)?;
        Some(self.params.remove(index).1)
    }
}

impl fmt::Display for ChannelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SCHEME}:{}", self.prefix, self.media)?;
        for (index, (key, value)) in self.params.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { '?' } else { '|' })?;
        }
        Ok(())
    }
}

impl std::str::FromStr for ChannelUri {
    type Err = Error;

    fn from_str(channel: &str) -> Result<Self> {
        ChannelUri::parse(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_and_printing_keeps_the_text() {
        for channel in [
            "aeron:ipc",
            "aeron:ipc?term-length=64k",
            "aeron:udp?endpoint=localhost:0|term-length=64k|alias=x=y",
            "aeron-spy:aeron:udp?tags=4|session-id=-17",
        ] {
            assert_eq!(ChannelUri::parse(channel).unwrap().to_string(), channel);
        }
    }

    #[test]
    fn parameters_are_replaced_in_place() {
        let mut uri = ChannelUri::parse("aeron-spy:aeron:udp?alias=log|session-id=1").unwrap();
        uri.put("alias", "log-sc-0");
        uri.put("rejoin", "false");
        assert_eq!(uri.to_string(), "aeron-spy:aeron:udp?alias=log-sc-0|session-id=1|rejoin=false");
        assert!(uri.is_spy() && uri.is_udp() && !uri.is_ipc());
        assert_eq!(uri.remove("session-id").as_deref(), Some("1"));
        assert_eq!(uri.get("session-id"), None);
    }

    #[test]
    fn the_last_of_several_values_counts_and_may_be_empty() {
        let uri = ChannelUri::parse("aeron:udp?alias=a|mtu=8k|alias=b|tags=").unwrap();
        assert_eq!((uri.get("alias"), uri.get("tags")), (Some("b"), Some("")));
        assert_eq!(uri.to_string(), "aeron:udp?alias=b|mtu=8k|tags=");
    }

    #[test]
    fn errors_name_the_channel_and_the_fault() {
        for (channel, fault) in [
            ("udp", "'aeron:'"),
            ("aeron:", "media"),
            ("aeron:tcp", "\"tcp\""),
            ("aeron:udp?endpoint", "\"endpoint\""),
            ("aeron:ipc?", "\"\""),
            ("aeron:ipc?a=b|", "\"\""),
            ("aeron:udp?=b", "\"=b\""),
        ] {
            let message = ChannelUri::parse(channel).unwrap_err().to_string();
            assert!(message.contains(channel) && message.contains(fault), "{message}");
        }
    }
}
