//! Sends messages with a session header, without the client.

use std::io::IoSlice;

use super::SESSION_HEADER_LENGTH;
use super::ingress::IngressPublication;
use crate::aeron::{NULL_VALUE, OfferError};
use crate::codec::SessionMessageHeader;

/// Puts the header of a session in front of each message, for callers who send themselves: on
/// [`AeronCluster::ingress_publication`](super::AeronCluster::ingress_publication) or on a publication of their own.
/// Mirrors `IngressSessionDecorator`.
///
/// Pass the result of every offer on a client's publication to
/// [`AeronCluster::track_ingress_publication_result`](super::AeronCluster::track_ingress_publication_result).
#[derive(Debug, Clone)]
pub struct IngressSessionDecorator {
    header: SessionMessageHeader,
    encoded: [u8; SESSION_HEADER_LENGTH],
}

impl Default for IngressSessionDecorator {
    /// A decorator without a session.
    fn default() -> Self {
        Self::new(NULL_VALUE, NULL_VALUE)
    }
}

impl IngressSessionDecorator {
    /// A decorator for a session and the current leadership term.
    pub fn new(cluster_session_id: i64, leadership_term_id: i64) -> Self {
        let header = SessionMessageHeader { leadership_term_id, cluster_session_id, timestamp: NULL_VALUE };
        Self { header, encoded: header.encode() }
    }

    /// Changes the session.
    pub fn set_cluster_session_id(&mut self, cluster_session_id: i64) {
        *self = Self::new(cluster_session_id, self.header.leadership_term_id);
    }

    /// Changes the leadership term, which is necessary at each new leader.
    pub fn set_leadership_term_id(&mut self, leadership_term_id: i64) {
        *self = Self::new(self.header.cluster_session_id, leadership_term_id);
    }

    /// The encoded header, to send it by other means.
    pub fn header(&self) -> &[u8; SESSION_HEADER_LENGTH] {
        &self.encoded
    }

    /// Offers the header and the message. Returns the position after them. Does not block and does not allocate.
    pub fn offer(&self, publication: &mut IngressPublication, message: &[u8]) -> Result<i64, OfferError> {
        publication.offer_vectored(&[IoSlice::new(&self.encoded), IoSlice::new(message)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::IngressEvent;

    #[test]
    fn the_header_names_session_and_term_and_no_time() {
        let mut decorator = IngressSessionDecorator::default();
        decorator.set_cluster_session_id(7);
        decorator.set_leadership_term_id(3);
        let expected = SessionMessageHeader { leadership_term_id: 3, cluster_session_id: 7, timestamp: -1 };
        match IngressEvent::decode(decorator.header()).unwrap() {
            IngressEvent::SessionMessage { header, payload } => assert_eq!((header, payload), (expected, &[][..])),
            other => panic!("{other:?}"),
        }
    }
}
