//! The publication to the leader, of either kind, and how it is added without waiting.

use std::io::IoSlice;

use crate::aeron::{Aeron, AsyncAdd, BufferClaim, ExclusivePublication, OfferError, Publication};
use crate::error::{Error, ErrorKind, Result};

/// A publication to a member.
#[derive(Debug)]
pub(super) enum IngressPublication {
    Exclusive(ExclusivePublication),
    Shared(Publication),
}

impl IngressPublication {
    pub(super) fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> {
        match self {
            Self::Exclusive(publication) => publication.offer(message),
            Self::Shared(publication) => publication.offer(message),
        }
    }

    #[inline]
    pub(super) fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        match self {
            Self::Exclusive(publication) => publication.offer_vectored(pieces),
            Self::Shared(publication) => publication.offer_vectored(pieces),
        }
    }

    #[inline]
    pub(super) fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        match self {
            Self::Exclusive(publication) => publication.try_claim(length),
            Self::Shared(publication) => publication.try_claim(length),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        match self {
            Self::Exclusive(publication) => publication.is_connected(),
            Self::Shared(publication) => publication.is_connected(),
        }
    }

    pub(super) fn channel(&self) -> &str {
        match self {
            Self::Exclusive(publication) => publication.channel(),
            Self::Shared(publication) => publication.channel(),
        }
    }

    pub(super) fn max_payload_length(&self) -> usize {
        match self {
            Self::Exclusive(publication) => publication.max_payload_length(),
            Self::Shared(publication) => publication.max_payload_length(),
        }
    }

    pub(super) fn max_message_length(&self) -> usize {
        match self {
            Self::Exclusive(publication) => publication.max_message_length(),
            Self::Shared(publication) => publication.max_message_length(),
        }
    }
}

#[derive(Debug)]
enum Add {
    Exclusive(AsyncAdd<ExclusivePublication>),
    Shared(AsyncAdd<Publication>),
}

/// A publication that the driver is asked for, again and again while it cannot serve the request at the moment.
#[derive(Debug)]
pub(super) struct AddingIngress {
    channel: String,
    stream_id: i32,
    exclusive: bool,
    add: Option<Add>,
}

impl AddingIngress {
    pub(super) fn new(channel: String, stream_id: i32, exclusive: bool) -> Self {
        Self { channel, stream_id, exclusive, add: None }
    }

    /// Asks the driver, or for its answer. An error is final.
    pub(super) fn poll(&mut self, aeron: &Aeron) -> Result<Option<IngressPublication>> {
        match self.try_poll(aeron) {
            Err(error) if is_temporary(&error) => {
                self.add = None;
                Ok(None)
            }
            result => result,
        }
    }

    fn try_poll(&mut self, aeron: &Aeron) -> Result<Option<IngressPublication>> {
        match &mut self.add {
            None => {
                self.add = Some(self.start(aeron)?);
                Ok(None)
            }
            Some(Add::Exclusive(add)) => Ok(add.poll()?.map(IngressPublication::Exclusive)),
            Some(Add::Shared(add)) => Ok(add.poll()?.map(IngressPublication::Shared)),
        }
    }

    fn start(&self, aeron: &Aeron) -> Result<Add> {
        Ok(if self.exclusive {
            Add::Exclusive(aeron.async_add_exclusive_publication(&self.channel, self.stream_id)?)
        } else {
            Add::Shared(aeron.async_add_publication(&self.channel, self.stream_id)?)
        })
    }
}

/// Whether the driver may serve the same request soon.
pub(super) fn is_temporary(error: &Error) -> bool {
    error.kind() == ErrorKind::ResourceTemporarilyUnavailable
}
