//! Publications to clients, added without waiting.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use crate::aeron::{Aeron, AsyncAdd, OfferError, Publication};
use crate::error::{Error, Result};

/// The publication to one client, as far as it is there.
#[derive(Default)]
pub(super) struct Egress {
    publication: OnceCell<Publication>,
    adding: Cell<bool>,
}

impl Egress {
    /// The publication, or what a send is to be answered without it.
    #[inline]
    pub(super) fn publication(&self) -> Result<&Publication, OfferError> {
        match self.publication.get() {
            Some(publication) => Ok(publication),
            None if self.adding.get() => Err(OfferError::AdminAction),
            None => Err(OfferError::NotConnected),
        }
    }

    /// Whether it is there, or on its way.
    pub(super) fn is_wanted(&self) -> bool {
        self.adding.get() || self.publication.get().is_some()
    }
}

/// Publications on their way. Mirrors `ContainerClientSession.connect`, which waits.
#[derive(Default)]
pub(super) struct PendingEgress {
    adds: RefCell<Vec<(Weak<Egress>, AsyncAdd<Publication>)>>,
}

impl PendingEgress {
    /// Starts to add the publication of a client.
    pub(super) fn connect(&self, aeron: &Aeron, egress: &Rc<Egress>, channel: &str, stream_id: i32) -> Result<()> {
        if egress.is_wanted() {
            return Ok(());
        }
        let add = aeron.async_add_publication(channel, stream_id).map_err(failed)?;
        egress.adding.set(true);
        self.adds.borrow_mut().push((Rc::downgrade(egress), add));
        Ok(())
    }

    /// Looks after those that are on their way, and tells of each that failed. A session that no longer wants its
    /// publication cancels it.
    pub(super) fn poll(&self, mut on_failure: impl FnMut(Error)) {
        if self.adds.borrow().is_empty() {
            return;
        }
        self.adds.borrow_mut().retain_mut(|(egress, add)| {
            let Some(egress) = egress.upgrade() else { return false };
            match add.poll() {
                Ok(None) => return true,
                Ok(Some(publication)) => {
                    // It is empty: a session starts one add at a time.
                    let _ = egress.publication.set(publication);
                }
                Err(error) => on_failure(failed(error)),
            }
            egress.adding.set(false);
            false
        });
    }
}

fn failed(error: Error) -> Error {
    error.context("failed to connect session response publication")
}
