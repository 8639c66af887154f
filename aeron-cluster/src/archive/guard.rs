//! Checks of arguments that C would send unchecked, or truncate.

use std::ffi::CString;
use std::time::Duration;

use crate::aeron::{ChannelUri, c_string, clock_nanos};
use crate::{Error, ErrorKind, Result};

/// The longest piece of a channel to search for, in bytes: the limit of a channel.
const MAX_FRAGMENT_LENGTH: usize = 4095;
/// The longest credentials, in bytes: together with the longest channel they fit into C's 8 KiB buffer of a request. C would
/// leave out the rest.
pub(super) const MAX_CREDENTIALS_LENGTH: usize = 3 * 1024;

/// Checks an id, which must not be negative: to C −1 means "none", and in some requests "all".
pub(super) fn id(what: &str, id: i64) -> Result<i64> {
    if id >= 0 { Ok(id) } else { Err(invalid(format!("{what} id {id} is negative"))) }
}

/// Checks a position in a stream.
pub(super) fn position(what: &str, position: i64) -> Result<i64> {
    if position >= 0 { Ok(position) } else { Err(invalid(format!("{what} {position} is negative"))) }
}

/// Checks a number of entries to list, which must not be 0: C would wait for an answer that never comes.
pub(super) fn count(what: &str, count: i32) -> Result<i32> {
    if count > 0 { Ok(count) } else { Err(invalid(format!("cannot list {count} {what}: ask for at least 1"))) }
}

/// Checks a piece of a channel to search for.
pub(super) fn fragment(fragment: &str) -> Result<CString> {
    if fragment.len() > MAX_FRAGMENT_LENGTH {
        let message = format!("channel fragment has {} bytes, at most {MAX_FRAGMENT_LENGTH}", fragment.len());
        return Err(invalid(message));
    }
    c_string(fragment, "channel fragment")
}

/// The timeout in nanoseconds, if it is one that C can add to its clock of 63 bits.
pub(crate) fn timeout_nanos(timeout: Duration) -> Result<u64> {
    clock_nanos(timeout).ok_or_else(|| invalid(format!("archive message timeout is out of range: {timeout:?}")))
}

pub(super) fn credentials(credentials: &[u8]) -> Result<()> {
    if credentials.len() > MAX_CREDENTIALS_LENGTH {
        let message = format!("archive credentials have {} bytes, at most {MAX_CREDENTIALS_LENGTH}", credentials.len());
        return Err(invalid(message));
    }
    Ok(())
}

/// The channel narrowed to a session.
pub(crate) fn session_channel(channel: &str, session_id: i32) -> Result<String> {
    let mut uri = ChannelUri::parse(channel)?;
    uri.put("session-id", session_id.to_string());
    Ok(uri.to_string())
}

/// Whether this is a response channel. If so, it must have the same medium as the request channel: otherwise a request would wait for an
/// answer that never comes, or fail because an image is not found.
pub(super) fn is_response_channel(channel: &str, request_channel: &str) -> Result<bool> {
    let uri = ChannelUri::parse(channel)?;
    if uri.get("control-mode") != Some("response") {
        return Ok(false);
    }
    if uri.media() == ChannelUri::parse(request_channel)?.media() {
        return Ok(true);
    }
    let message = format!(
        "{channel} cannot be answered on: requests go over {request_channel}, and with control-mode=response answers take the same \
         media, both aeron:udp or both aeron:ipc"
    );
    Err(invalid(message))
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_over_the_media_of_the_requests() {
        let udp = "aeron:udp?control-mode=response|control=localhost:1";
        assert!(is_response_channel(udp, "aeron:udp?endpoint=localhost:2").unwrap());
        assert!(is_response_channel("aeron:ipc?control-mode=response", "aeron:ipc").unwrap());
        assert!(!is_response_channel("aeron:udp?endpoint=localhost:1", "aeron:ipc").unwrap());
        let error = is_response_channel(udp, "aeron:ipc").unwrap_err();
        assert!(error.message().contains("both aeron:udp or both aeron:ipc"), "{error}");
    }
}
