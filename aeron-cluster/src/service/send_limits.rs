//! How long a message to a client may be: a rule that gives the same answer on every member, with or without a publication.

use super::Settings;
use crate::aeron::{ChannelUri, DATA_HEADER_LENGTH, FRAME_ALIGNMENT, OfferError, check_term_length};
use crate::codec::SessionMessageHeader;
use crate::environment;
use crate::error::{Error, ErrorKind, Result};

/// The longest message of an Aeron publication whatever its term, in bytes (`FrameDescriptor.MAX_MESSAGE_LENGTH`).
const MAX_MESSAGE_LENGTH: usize = 16 * 1024 * 1024;
/// The longest packet that UDP can carry for Aeron, in bytes (`Configuration.MAX_UDP_PAYLOAD_LENGTH`).
const MAX_UDP_PAYLOAD_LENGTH: usize = 65_504;
/// A message may take up this fraction of a term: an eighth.
const MESSAGES_IN_TERM: usize = 8;

/// The limits of one session. They depend on its channel and on the settings, which are the same on all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SendLimits {
    /// The longest message of an offer, in bytes.
    pub(super) message: usize,
    /// The longest message of a claim, in bytes: one packet.
    pub(super) claim: usize,
}

impl SendLimits {
    /// MTU and term length come from the session's channel if it has them, else from the settings.
    pub(super) fn new(response_channel: &str, settings: &Settings) -> Self {
        let uri = ChannelUri::parse(response_channel).ok();
        let given = |key| uri.as_ref()?.get(key).and_then(|value| environment::length(value).ok());
        let mtu = given("mtu").unwrap_or(settings.response_mtu_length);
        let term = given("term-length").unwrap_or(settings.response_term_length);
        let header = SessionMessageHeader::ENCODED_LENGTH;
        SendLimits {
            message: (term / MESSAGES_IN_TERM).min(MAX_MESSAGE_LENGTH).saturating_sub(header),
            claim: mtu.min(MAX_UDP_PAYLOAD_LENGTH).saturating_sub(DATA_HEADER_LENGTH + header),
        }
    }

    #[inline]
    pub(super) fn check_message(self, length: usize) -> Result<(), OfferError> {
        if length > self.message { Err(OfferError::InvalidArgument) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn check_claim(self, length: usize) -> Result<(), OfferError> {
        if length > self.claim { Err(OfferError::InvalidArgument) } else { Ok(()) }
    }
}

/// Refuses lengths that no media driver takes: with them, nothing could be sent to any client.
pub(super) fn check(settings: &Settings) -> Result<()> {
    let mtu = settings.response_mtu_length;
    if !(DATA_HEADER_LENGTH + 1..=MAX_UDP_PAYLOAD_LENGTH).contains(&mtu) || !mtu.is_multiple_of(FRAME_ALIGNMENT) {
        let message = format!(
            "response MTU length must be a multiple of {FRAME_ALIGNMENT} from 64 to {MAX_UDP_PAYLOAD_LENGTH}: {mtu}"
        );
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    check_term_length(settings.response_term_length, "response term length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Context;

    #[test]
    fn the_channel_says_else_the_settings_do() {
        let context = Context::new().response_mtu_length(4096).response_term_length(1 << 20);
        let limits = |channel, context: &Context| {
            let limits = SendLimits::new(channel, context.settings());
            (limits.message, limits.claim)
        };
        let defaults = Context::new();
        assert_eq!(limits("aeron:ipc", &defaults), ((2 << 20) - 32, 1408 - 64));
        assert_eq!(limits("aeron:ipc", &context), ((1 << 17) - 32, 4096 - 64));
        assert_eq!(limits("aeron:udp?endpoint=h:1|mtu=8k", &context), ((1 << 17) - 32, 8192 - 64));
        assert_eq!(limits("aeron:udp?endpoint=h:1|term-length=64k", &context), (8192 - 32, 4096 - 64));
        assert_eq!(limits("aeron:ipc?term-length=1g|mtu=1g", &context), ((16 << 20) - 32, 65_504 - 64));
        // What cannot be read gets no publication either.
        assert_eq!(limits("aeron:ipc?mtu=many|term-length=0", &context), (0, 4096 - 64));
        assert_eq!(limits("no channel", &defaults), limits("aeron:ipc", &defaults));
    }
}
