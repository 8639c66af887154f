//! What a client offers to callers who send and poll themselves.

use super::cluster::AeronCluster;
use super::ingress::IngressPublication;
use super::session::Ingress;
use crate::aeron::{OfferError, Subscription};
use crate::codec::NewLeaderEvent;
use crate::error::{Error, ErrorKind, Result};

impl AeronCluster {
    /// The publication to the leader, for callers who send themselves, for instance with an
    /// [`IngressSessionDecorator`](super::IngressSessionDecorator); `None` while there is no leader. Pass the result of every offer
    /// to [`track_ingress_publication_result`](Self::track_ingress_publication_result).
    pub fn ingress_publication(&mut self) -> Option<&mut IngressPublication> {
        match &mut self.session.ingress {
            Ingress::Ready(publication) => Some(publication),
            _ => None,
        }
    }

    /// The subscription to the egress, for callers who poll it themselves, for instance with an [`EgressAdapter`](super::EgressAdapter);
    /// `None` when the client is closed, and while it reconnects. Pass events of new leaders to
    /// [`on_new_leader`](Self::on_new_leader), and call [`poll_state_changes`](Self::poll_state_changes) often.
    ///
    /// Only the client's own polls notice that the leader's egress is gone or that the cluster closed the session.
    pub fn egress_subscription(&mut self) -> Option<&mut Subscription> {
        self.egress.as_mut()
    }

    /// Tells the client the result of a send on [`ingress_publication`](Self::ingress_publication), from which it notices a lost leader. Mirrors
    /// `AeronCluster.trackIngressPublicationResult`.
    pub fn track_ingress_publication_result(&mut self, outcome: &Result<i64, OfferError>) {
        self.session.track(outcome);
    }

    /// Tells the client of a new leader that the caller got from polling the [egress](Self::egress_subscription).
    /// [`poll_state_changes`](Self::poll_state_changes) then adds the publication to it. The event of an older leader, or one that comes after
    /// the session has ended, changes nothing. Mirrors `AeronCluster.onNewLeader`.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol) for an event of another session, and for a leader that is not among its endpoints.
    pub fn on_new_leader(&mut self, event: &NewLeaderEvent<'_>) -> Result<()> {
        let (actual, expected) = (event.cluster_session_id, self.cluster_session_id());
        if actual != expected || self.egress.is_none() {
            let message = format!("invalid clusterSessionId={actual} expected={expected}");
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        if self.session.is_too_late(event) {
            return Ok(());
        }
        self.session.on_new_leader(event, None)
    }
}
