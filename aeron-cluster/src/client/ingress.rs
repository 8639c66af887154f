//! The publication to the leader, exclusive or shared, and adding it without blocking.

use std::io::IoSlice;

use crate::aeron::{Aeron, AsyncAdd, BufferClaim, ExclusivePublication, OfferError, Publication};
use crate::error::{Error, ErrorKind, Result};

/// A publication to a cluster, exclusive or shared. See [`Context::is_ingress_exclusive`](super::Context::is_ingress_exclusive).
#[derive(Debug)]
pub enum IngressPublication {
    /// A publication that only this client uses.
    Exclusive(ExclusivePublication),
    /// A publication that other users of the same Aeron client may share.
    Shared(Publication),
}

impl From<ExclusivePublication> for IngressPublication {
    fn from(publication: ExclusivePublication) -> Self {
        Self::Exclusive(publication)
    }
}

impl From<Publication> for IngressPublication {
    fn from(publication: Publication) -> Self {
        Self::Shared(publication)
    }
}

impl IngressPublication {
    /// As [`Publication::offer`].
    pub fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> {
        match self {
            Self::Exclusive(publication) => publication.offer(message),
            Self::Shared(publication) => publication.offer(message),
        }
    }

    /// As [`Publication::offer_vectored`].
    #[inline]
    pub fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        match self {
            Self::Exclusive(publication) => publication.offer_vectored(pieces),
            Self::Shared(publication) => publication.offer_vectored(pieces),
        }
    }

    /// As [`Publication::try_claim`].
    #[inline]
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        match self {
            Self::Exclusive(publication) => publication.try_claim(length),
            Self::Shared(publication) => publication.try_claim(length),
        }
    }

    /// As [`Publication::is_connected`].
    pub fn is_connected(&self) -> bool {
        match self {
            Self::Exclusive(publication) => publication.is_connected(),
            Self::Shared(publication) => publication.is_connected(),
        }
    }

    /// As [`Publication::channel`].
    pub fn channel(&self) -> &str {
        match self {
            Self::Exclusive(publication) => publication.channel(),
            Self::Shared(publication) => publication.channel(),
        }
    }

    /// As [`Publication::max_payload_length`].
    pub fn max_payload_length(&self) -> usize {
        match self {
            Self::Exclusive(publication) => publication.max_payload_length(),
            Self::Shared(publication) => publication.max_payload_length(),
        }
    }

    /// As [`Publication::max_message_length`].
    pub fn max_message_length(&self) -> usize {
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

/// A publication being added; the request is repeated as long as the driver refuses it only temporarily.
#[derive(Debug)]
pub(super) struct AddingIngress {
    channel: String,
    stream_id: i32,
    exclusive: bool,
    add: Option<Add>,
    refusal: Option<Error>,
}

impl AddingIngress {
    pub(super) fn new(channel: String, stream_id: i32, exclusive: bool) -> Self {
        Self { channel, stream_id, exclusive, add: None, refusal: None }
    }

    /// Sends the request, or checks for the answer. An error is final.
    pub(super) fn poll(&mut self, aeron: &Aeron) -> Result<Option<IngressPublication>> {
        let answer = self.try_poll(aeron);
        unless_temporary(&mut self.add, &mut self.refusal, answer)
    }

    /// Why the driver last refused the request, if only temporarily.
    pub(super) fn refusal(&self) -> Option<&Error> {
        self.refusal.as_ref()
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

/// Returns the driver's answer. If it is a temporary refusal, stores that in `refusal`, clears `adding` so that the request is
/// repeated, and returns `None`.
pub(super) fn unless_temporary<A, T>(
    adding: &mut Option<A>,
    refusal: &mut Option<Error>,
    answer: Result<Option<T>>,
) -> Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::ResourceTemporarilyUnavailable => {
            *adding = None;
            *refusal = Some(error);
            Ok(None)
        }
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_cannot_serve_at_the_moment_is_asked_for_again() {
        let refused = |kind| Err::<Option<()>, _>(Error::new(kind, "send_channel_endpoint found in CLOSING state"));
        let mut adding = Some("the first request");
        let mut refusal = None;
        let answer = unless_temporary(&mut adding, &mut refusal, refused(ErrorKind::ResourceTemporarilyUnavailable));
        assert_eq!((answer, adding), (Ok(None), None));
        assert!(refusal.is_some_and(|refusal| refusal.message().contains("CLOSING")));

        let (mut adding, mut refusal) = (Some("the second request"), None);
        let answer = unless_temporary(&mut adding, &mut refusal, refused(ErrorKind::Registration));
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Registration);
        assert_eq!(unless_temporary(&mut adding, &mut refusal, Ok(Some(7))), Ok(Some(7)));
        assert!(adding.is_some() && refusal.is_none());
    }
}
