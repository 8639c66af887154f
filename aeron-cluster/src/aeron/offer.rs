//! Why a message was not accepted by a publication.

use std::fmt;
use std::io::IoSlice;

/// Why an offer or a claim was not accepted. Nothing was sent.
///
/// Mirrors the negative results of `Publication.offer`. It is `Copy` and allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferError {
    /// No subscriber is connected. May pass.
    NotConnected,
    /// Subscribers, or the consensus module, are behind. Passes.
    BackPressured,
    /// The log is rotating, or the publication is still being added. Passes at once.
    AdminAction,
    /// The publication or its client is closed. Final.
    Closed,
    /// The log reached the largest position its term length allows. Final: add a new publication.
    MaxPositionExceeded,
    /// The message is longer than the publication can take, or an argument is wrong.
    /// See `max_message_length` and `max_payload_length`.
    InvalidArgument,
    /// Sending is not allowed in the callback that is running: only the cluster's container answers this.
    NotAllowed,
}

impl OfferError {
    /// Whether the same message may be accepted later by the same publication, soon and without anybody's help.
    pub fn is_retryable(self) -> bool {
        matches!(self, OfferError::BackPressured | OfferError::AdminAction)
    }

    /// The number that Java and C have for this outcome (`Publication.NOT_CONNECTED` and its siblings).
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

/// How many bytes pieces of these lengths have together. C adds them up without a look at what does not fit a `usize`: the same memory given
/// often enough was a short message to it, of which it then copied each piece whole.
#[inline]
pub(crate) fn total_length(pieces: &[IoSlice<'_>]) -> Result<usize, OfferError> {
    pieces.iter().try_fold(0usize, |total, piece| total.checked_add(piece.len())).ok_or(OfferError::InvalidArgument)
}

/// Turns the result of a C offer or claim into a position or a reason.
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
