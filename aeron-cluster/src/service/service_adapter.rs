//! What the consensus module tells the service.

use crate::aeron::{Action, FragmentAssembler, Subscription};
use crate::codec::{CodecError, ControlEvent};
use crate::error::Result;

/// Receives from the consensus module over the control channel. Mirrors `io.aeron.cluster.service.ServiceAdapter`.
pub(super) struct ServiceAdapter {
    subscription: Subscription,
    assembler: FragmentAssembler,
}

/// One at a time: a request may have to be carried out before the next one is read.
const FRAGMENT_LIMIT: usize = 1;

impl ServiceAdapter {
    pub(super) fn new(subscription: Subscription) -> Self {
        ServiceAdapter { subscription, assembler: FragmentAssembler::new() }
    }

    /// Takes at most one fragment, and passes the event that it completes to `on_event`. Returns the number of fragments taken.
    pub(super) fn poll(
        &mut self,
        mut on_event: impl FnMut(std::result::Result<ControlEvent<'_>, CodecError>),
    ) -> Result<usize> {
        let ServiceAdapter { subscription, assembler } = self;
        subscription.controlled_poll(FRAGMENT_LIMIT, |fragment, header| {
            assembler.on_fragment(fragment, header, |message, _| {
                on_event(ControlEvent::decode(message));
                Action::Continue
            })
        })
    }
}
