//! What is looked at before it is given to C, which would send it as it is, or cut off.

use std::ffi::CString;

use crate::aeron::{ChannelUri, c_string};
use crate::{Error, ErrorKind, Result};

/// The longest piece of a channel that is sought, in bytes: a channel's own limit.
const MAX_FRAGMENT_LENGTH: usize = 4095;
/// The longest credentials, in bytes: beside a channel of any length they fit into C's buffer of a request, 8 KiB, which would
/// leave out what does not.
pub(super) const MAX_CREDENTIALS_LENGTH: usize = 3 * 1024;

/// An id, which is never negative: −1 means "none" to C, and "all" in some requests.
pub(super) fn id(what: &str, id: i64) -> Result<i64> {
    if id >= 0 { Ok(id) } else { Err(invalid(format!("{what} id {id} is negative"))) }
}

/// A position in a stream.
pub(super) fn position(what: &str, position: i64) -> Result<i64> {
    if position >= 0 { Ok(position) } else { Err(invalid(format!("{what} {position} is negative"))) }
}

/// How many entries are asked for: with none, C would wait for an answer that never comes.
pub(super) fn count(what: &str, count: i32) -> Result<i32> {
    if count > 0 { Ok(count) } else { Err(invalid(format!("cannot list {count} {what}: ask for at least 1"))) }
}

/// A piece of a channel, to be sought.
pub(super) fn fragment(fragment: &str) -> Result<CString> {
    if fragment.len() > MAX_FRAGMENT_LENGTH {
        let message = format!("channel fragment has {} bytes, at most {MAX_FRAGMENT_LENGTH}", fragment.len());
        return Err(invalid(message));
    }
    c_string(fragment, "channel fragment")
}

pub(super) fn credentials(credentials: &[u8]) -> Result<()> {
    if credentials.len() > MAX_CREDENTIALS_LENGTH {
        let message = format!("archive credentials have {} bytes, at most {MAX_CREDENTIALS_LENGTH}", credentials.len());
        return Err(invalid(message));
    }
    Ok(())
}

/// The channel narrowed to a session.
pub(super) fn session_channel(channel: &str, session_id: i32) -> Result<String> {
    let mut uri = ChannelUri::parse(channel)?;
    uri.put("session-id", session_id.to_string());
    Ok(uri.to_string())
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}
