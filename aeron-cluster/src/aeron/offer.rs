//! The reasons why a publication does not accept a message.

use std::fmt;
use std::io::IoSlice;

/// Why an offer or a claim was not accepted. Nothing was sent.
///
/// Mirrors the negative results of `Publication.offer` and `aeron_publication_offer`. It is `Copy` and allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferError {
    /// No subscriber is connected. A later attempt succeeds if one connects.
    NotConnected,
    /// Subscribers, or the consensus module, have not caught up. Try again.
    BackPressured,
    /// The log is moving to its next term, or the publication is still being added. Try again at once.
    AdminAction,
    /// The publication or its client is closed. Further attempts fail too.
    Closed,
    /// The stream has reached the largest position that its term length allows. Further attempts fail too: add a new publication.
    MaxPositionExceeded,
    /// The message is longer than the publication allows, or another argument is invalid.
    /// See `max_message_length` and `max_payload_length`.
    InvalidArgument,
    /// Sending is not allowed in the callback that is running. Only the cluster's service container returns this.
    NotAllowed,
}

impl OfferError {
    /// Whether the same publication is likely to accept the same message soon, so that it makes sense to try again.
    pub fn is_retryable(self) -> bool {
        matches!(self, OfferError::BackPressured | OfferError::AdminAction)
    }

    /// The number that Java and C return for this reason (`Publication.NOT_CONNECTED`, `AERON_PUBLICATION_NOT_CONNECTED` and so on).
    pub fn code(self) -> i64 {
        match self {
            OfferError::NotConnected => -1,
            OfferError::BackPressured => -2,
            OfferError::AdminAction => -3,
            OfferError::Closed => -4,
            OfferError::MaxPositionExceeded => -5,
            OfferError::InvalidArgument | OfferError::NotAllowed => -6,
        }
    }

    #[cold]
    fn from_code(code: i64) -> Self {
        match code {
            -1 => OfferError::NotConnected,
            -2 => OfferError::BackPressured,
            -3 => OfferError::AdminAction,
            -4 => OfferError::Closed,
            -5 => OfferError::MaxPositionExceeded,
            _ => OfferError::InvalidArgument,
        }
    }
}

/// The length of all slices together, in bytes. C does not check this sum for overflow: given the same large slice often enough, it would
/// take the message for a short one, and yet copy every slice whole.
#[inline]
pub(crate) fn total_length(pieces: &[IoSlice<'_>]) -> Result<usize, OfferError> {
    pieces.iter().try_fold(0usize, |total, piece| total.checked_add(piece.len())).ok_or(OfferError::InvalidArgument)
}

/// Converts the result of an offer or claim in C into a position or a reason.
#[inline]
pub(crate) fn position(result: i64) -> Result<i64, OfferError> {
    if result >= 0 { Ok(result) } else { Err(OfferError::from_code(result)) }
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OfferError::NotConnected => "not connected",
            OfferError::BackPressured => "back pressured",
            OfferError::AdminAction => "administrative action in progress",
            OfferError::Closed => "closed",
            OfferError::MaxPositionExceeded => "maximum position exceeded",
            OfferError::InvalidArgument => "message too long or invalid argument",
            OfferError::NotAllowed => "not allowed from this callback",
        })
    }
}

impl std::error::Error for OfferError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_round_trips() {
        for code in -6..=-1 {
            assert_eq!(OfferError::from_code(code).code(), code);
        }
        assert_eq!(position(128), Ok(128));
        assert_eq!(position(-4), Err(OfferError::Closed));
    }
}
