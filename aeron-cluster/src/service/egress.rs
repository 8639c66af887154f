//! Publications to clients, added without blocking.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use crate::aeron::{Aeron, AsyncAdd, OfferError, Publication};
use crate::error::{Error, Result};

/// The publication to one client: added, being added, or absent.
#[derive(Default)]
pub(super) struct Egress {
    publication: OnceCell<Publication>,
    adding: Cell<bool>,
}

impl Egress {
    /// The publication, or what a send returns without one.
    #[inline]
    pub(super) fn publication(&self) -> Result<&Publication, OfferError> {
        match self.publication.get() {
            Some(publication) => Ok(publication),
            None if self.adding.get() => Err(OfferError::AdminAction),
            None => Err(OfferError::NotConnected),
        }
    }

    /// Whether the publication is there or being added.
    pub(super) fn is_wanted(&self) -> bool {
        self.adding.get() || self.publication.get().is_some()
    }
}

/// Publications that are being added. Mirrors `ContainerClientSession.connect`, which blocks.
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

    /// Takes the publications that the driver has added, and calls `on_failure` for each that failed. One whose session has dropped its
    /// [`Egress`] is cancelled.
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
