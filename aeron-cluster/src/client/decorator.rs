//! The session header put before messages that are sent without the client.

use std::io::IoSlice;

use super::SESSION_HEADER_LENGTH;
use super::ingress::IngressPublication;
use crate::aeron::{NULL_VALUE, OfferError};
use crate::codec::SessionMessageHeader;

/// Puts the header of a session before each message: for those who send on
/// [`AeronCluster::ingress_publication`](super::AeronCluster::ingress_publication), or a publication of their own, themselves.
/// Mirrors `IngressSessionDecorator`.
///
/// What an offer on a client's publication gives is to be passed to
/// [`AeronCluster::track_ingress_publication_result`](super::AeronCluster::track_ingress_publication_result).
#[derive(Debug, Clone)]
pub struct IngressSessionDecorator {
    header: SessionMessageHeader,
    encoded: [u8; SESSION_HEADER_LENGTH],
}

impl Default for IngressSessionDecorator {
    /// Of no session yet.
    fn default() -> Self {
        Self::new(NULL_VALUE, NULL_VALUE)
    }
}

impl IngressSessionDecorator {
    /// For a session in a leadership term.
    pub fn new(cluster_session_id: i64, leadership_term_id: i64) -> Self {
        let header = SessionMessageHeader { leadership_term_id, cluster_session_id, timestamp: NULL_VALUE };
        Self { header, encoded: header.encode() }
    }

    /// Changes the session.
    pub fn set_cluster_session_id(&mut self, cluster_session_id: i64) {
        *self = Self::new(cluster_session_id, self.header.leadership_term_id);
    }

    /// Changes the leadership term, as a new leader asks for.
    pub fn set_leadership_term_id(&mut self, leadership_term_id: i64) {
        *self = Self::new(self.header.cluster_session_id, leadership_term_id);
    }

    /// The header, as it goes before a message that is sent by other means.
    pub fn header(&self) -> &[u8; SESSION_HEADER_LENGTH] {
        &self.encoded
    }

    /// Offers a message with the header before it. Does not block and does not allocate.
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
