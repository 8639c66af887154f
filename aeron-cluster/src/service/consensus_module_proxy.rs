//! What the container tells the consensus module.

use std::io::IoSlice;

use crate::aeron::{BufferClaim, OfferError, Publication};
use crate::codec::{CancelTimer, CloseSession, ScheduleTimer, ServiceAck, SessionMessageHeader};
use crate::error::{Error, ErrorKind, Result};

/// Sends to the consensus module over the control channel. Every method makes one attempt and does not block. Mirrors
/// `io.aeron.cluster.service.ConsensusModuleProxy`.
pub(super) struct ConsensusModuleProxy {
    publication: Publication,
}

impl ConsensusModuleProxy {
    pub(super) fn new(publication: Publication) -> Self {
        ConsensusModuleProxy { publication }
    }

    /// Whether the acknowledgement was taken; an error if it never will be.
    pub(super) fn ack(&self, ack: &ServiceAck) -> Result<bool> {
        match self.publication.offer(&ack.encode()) {
            Ok(_) => Ok(true),
            Err(reason) => self.check(reason).map(|()| false),
        }
    }

    pub(super) fn schedule_timer(&self, correlation_id: i64, deadline: i64) -> Result<(), OfferError> {
        self.publication.offer(&ScheduleTimer { correlation_id, deadline }.encode()).map(drop)
    }

    pub(super) fn cancel_timer(&self, correlation_id: i64) -> Result<(), OfferError> {
        self.publication.offer(&CancelTimer { correlation_id }.encode()).map(drop)
    }

    pub(super) fn close_session(&self, cluster_session_id: i64) -> Result<(), OfferError> {
        self.publication.offer(&CloseSession { cluster_session_id }.encode()).map(drop)
    }

    pub(super) fn offer_vectored(&self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        self.publication.offer_vectored(pieces)
    }

    pub(super) fn try_claim(
        &self,
        header: &SessionMessageHeader,
        length: usize,
    ) -> Result<BufferClaim<'_>, OfferError> {
        let header = header.encode();
        let claim = self.publication.try_claim(header.len().saturating_add(length))?;
        Ok(claim.with_hidden_start(&header))
    }

    /// Turns a refusal that retrying cannot help into an error, in Java's words.
    pub(super) fn check(&self, reason: OfferError) -> Result<()> {
        check(reason, || Limits {
            term: self.publication.term_buffer_length(),
            message: self.publication.max_message_length(),
            packet: self.publication.max_payload_length(),
        })
    }
}

/// The limits of a publication, in bytes: the length of a term, the longest offer, the longest claim.
struct Limits {
    term: usize,
    message: usize,
    packet: usize,
}

fn check(reason: OfferError, limits: impl FnOnce() -> Limits) -> Result<()> {
    let (kind, message) = match reason {
        OfferError::BackPressured | OfferError::AdminAction => return Ok(()),
        OfferError::NotConnected => (ErrorKind::NotConnected, "publication is not connected".to_owned()),
        OfferError::Closed => (ErrorKind::Closed, "publication is closed".to_owned()),
        OfferError::MaxPositionExceeded => {
            (ErrorKind::Closed, format!("publication at max position: term-length={}", limits().term))
        }
        other => {
            let Limits { message, packet, .. } = limits();
            let text = format!(
                "message to the consensus module refused: {other}; \
                 with its header an offer takes at most {message} bytes and a claim {packet}"
            );
            (ErrorKind::InvalidArgument, text)
        }
    };
    Err(Error::new(kind, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_not_pass_is_told_in_javas_words() {
        let told = |reason| check(reason, || Limits { term: 65_536, message: 8_192, packet: 1_376 });
        for passing in [OfferError::BackPressured, OfferError::AdminAction] {
            assert_eq!(told(passing), Ok(()));
        }
        for (reason, kind, text) in [
            (OfferError::NotConnected, ErrorKind::NotConnected, "publication is not connected"),
            (OfferError::Closed, ErrorKind::Closed, "publication is closed"),
            (OfferError::MaxPositionExceeded, ErrorKind::Closed, "publication at max position: term-length=65536"),
        ] {
            let error = told(reason).unwrap_err();
            assert_eq!((error.kind(), error.message()), (kind, text));
        }
        let error = told(OfferError::InvalidArgument).unwrap_err();
        assert!(error.message().ends_with("an offer takes at most 8192 bytes and a claim 1376"), "{error}");
    }
}
