//! Delivers the egress of a session to a listener, without a client.

use super::egress::{decode, deliver};
use super::listener::{ControlledEgressListener, EgressListener, Plain};
use crate::aeron::{Action, FragmentAssembler, Header, Subscription};
use crate::error::{Error, Result};

/// Polls a subscription and calls a listener with the messages and events of one session, for callers who poll themselves:
/// [`AeronCluster::egress_subscription`](super::AeronCluster::egress_subscription) or a subscription of their
/// own. Mirrors `EgressAdapter` and, with [`controlled_poll`](Self::controlled_poll), `ControlledEgressAdapter`.
///
/// It does not update a client: pass events of a new leader to
/// [`AeronCluster::on_new_leader`](super::AeronCluster::on_new_leader). Events of other sessions are skipped. Messages of
/// other schemas go to the listener's `on_extension_message`.
#[derive(Debug)]
pub struct EgressAdapter {
    cluster_session_id: i64,
    fragment_limit: usize,
    assembler: FragmentAssembler,
}

impl EgressAdapter {
    /// An adapter for the egress of a session, which takes at most `fragment_limit` fragments per poll.
    pub fn new(cluster_session_id: i64, fragment_limit: usize) -> Self {
        Self { cluster_session_id, fragment_limit, assembler: FragmentAssembler::new() }
    }

    /// Delivers what has arrived. Returns the number of fragments. Does not block.
    ///
    /// # Errors
    ///
    /// [`Protocol`](crate::ErrorKind::Protocol) for a message that cannot be decoded, an error returned by `on_extension_message`, and errors of the
    /// Aeron client. The message counts as delivered.
    pub fn poll<L: EgressListener + ?Sized>(
        &mut self,
        subscription: &mut Subscription,
        listener: &mut L,
    ) -> Result<usize> {
        self.controlled_poll(subscription, &mut Plain(listener))
    }

    /// As [`poll`](Self::poll), with a listener that returns an [`Action`] after each message.
    pub fn controlled_poll<L: ControlledEgressListener>(
        &mut self,
        subscription: &mut Subscription,
        listener: &mut L,
    ) -> Result<usize> {
        let mut failure = None;
        let fragments = subscription.controlled_poll(self.fragment_limit, |fragment, header| {
            self.on_fragment(fragment, header, listener).unwrap_or_else(|error| {
                failure.get_or_insert(error);
                Action::Break
            })
        })?;
        failure.map_or(Ok(fragments), Err)
    }

    fn on_fragment<L: ControlledEgressListener>(
        &mut self,
        fragment: &[u8],
        header: &Header<'_>,
        listener: &mut L,
    ) -> Result<Action> {
        let mut failure: Option<Error> = None;
        let action =
            self.assembler.on_fragment(fragment, header, |message, header| match decode(message, header, listener) {
                Ok(event) => deliver(&event, self.cluster_session_id, header, listener),
                Err(Ok(action)) => action,
                Err(Err(error)) => {
                    failure = Some(error);
                    Action::Break
                }
            });
        failure.map_or(Ok(action), Err)
    }
}
