//! A client as the service sees it.

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;

use super::egress::Egress;
use super::send_limits::SendLimits;
use super::state::{Sending, State};
use crate::aeron::{BufferClaim, OfferError, Publication, total_length};
use crate::codec::SessionMessageHeader;
use crate::error::{Error, ErrorKind, Result};
use crate::pieces::with_header;

/// A client's session with the cluster. Mirrors `io.aeron.cluster.service.ClientSession`.
///
/// Only the leader sends to clients. On other members sends check the message and return [`MOCKED_OFFER`](Self::MOCKED_OFFER), so that a
/// service need not know its role.
pub struct ClientSession {
    id: i64,
    state: Rc<State>,
    egress: Rc<Egress>,
    limits: SendLimits,
    is_closing: Cell<bool>,
    /// False once the log has brought the session's end.
    is_open: bool,
    response_stream_id: i32,
    client: Box<Client>,
}

/// What no message needs. Boxed so that the rest fits into one cache line (see [`SessionTable`](super::session_table::SessionTable)).
struct Client {
    response_channel: String,
    encoded_principal: Vec<u8>,
}

impl ClientSession {
    /// What sends return on a member that does not lead. It is no valid position, since those are multiples of 32.
    pub const MOCKED_OFFER: i64 = 1;

    pub(super) fn new(
        state: &Rc<State>,
        id: i64,
        response_stream_id: i32,
        response_channel: &str,
        encoded_principal: &[u8],
    ) -> Self {
        ClientSession {
            id,
            response_stream_id,
            client: Box::new(Client {
                response_channel: response_channel.to_owned(),
                encoded_principal: encoded_principal.to_vec(),
            }),
            limits: SendLimits::new(response_channel, &state.settings),
            is_closing: Cell::new(false),
            is_open: true,
            egress: Rc::default(),
            state: Rc::clone(state),
        }
    }

    /// The id, the same on all members.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The stream on which the client listens.
    pub fn response_stream_id(&self) -> i32 {
        self.response_stream_id
    }

    /// The channel on which the client listens.
    pub fn response_channel(&self) -> &str {
        &self.client.response_channel
    }

    /// The identity of the client, as encoded by the consensus module's authenticator; may be empty.
    pub fn encoded_principal(&self) -> &[u8] {
        &self.client.encoded_principal
    }

    /// Whether the service has asked for the session to be closed and the log has not brought its end yet. A member forgets this when it starts or
    /// becomes the leader, since the request may be lost; so replicated state must not depend on it.
    pub fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Asks the cluster to close the session. [`on_session_close`](super::ClusteredService::on_session_close) is called when that is done.
    ///
    /// Makes up to three attempts, idling in between. Repeating the request, or making it after the session's end, does nothing.
    ///
    /// # Errors
    ///
    /// Why the request was not taken; retry it if [`is_retryable`](OfferError::is_retryable).
    pub fn close(&self) -> Result<(), OfferError> {
        if self.is_closing.get() || !self.is_open {
            return self.state.check_sending_allowed();
        }
        self.state.close_session(self.id)?;
        self.is_closing.set(true);
        Ok(())
    }

    /// The longest message that [`offer`](Self::offer) accepts, in bytes, the same on every member. It follows from the `term-length` of the client's
    /// channel, or else from [`response_term_length`](super::Context::response_term_length).
    pub fn max_message_length(&self) -> usize {
        self.limits.message
    }

    /// The longest message that [`try_claim`](Self::try_claim) accepts, in bytes, the same on every member. It follows from the `mtu` of the client's
    /// channel, or else from [`response_mtu_length`](super::Context::response_mtu_length).
    pub fn max_payload_length(&self) -> usize {
        self.limits.claim
    }

    /// Sends a message to the client. Does not block.
    ///
    /// Returns the position after the message in the stream to the client, or [`MOCKED_OFFER`](Self::MOCKED_OFFER) on a member that does not lead.
    /// The container does not queue messages: the service decides what to do about a client that is slow or gone.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](OfferError::InvalidArgument) if the message is too long, on every member alike;
    /// [`AdminAction`](OfferError::AdminAction) while the publication to the client is being added,
    /// [`NotConnected`](OfferError::NotConnected) if there is no publication, the client does not listen (yet), or the publication's limits are
    /// below the settings (which is recorded);
    /// [`NotAllowed`](OfferError::NotAllowed) from a callback that must not send, and
    /// [`Closed`](OfferError::Closed) once the container is ending.
    #[inline]
    pub fn offer(&self, message: &[u8]) -> Result<i64, OfferError> {
        let sending = self.state.sending()?;
        self.limits.check_message(message.len())?;
        match sending {
            Sending::Mocked => Ok(Self::MOCKED_OFFER),
            Sending::Real => {
                let publication = self.egress.publication()?;
                let sent = publication.offer_behind(self.header().encode(), message);
                sent.map_err(|reason| self.refusal(reason, publication))
            }
        }
    }

    /// As [`offer`](Self::offer), for a message made up of several pieces.
    pub fn offer_vectored(&self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        let sending = self.state.sending()?;
        self.limits.check_message(total_length(pieces)?)?;
        match sending {
            Sending::Mocked => Ok(Self::MOCKED_OFFER),
            Sending::Real => {
                let publication = self.egress.publication()?;
                with_header(&self.header().encode(), pieces, |pieces| publication.offer_vectored(pieces))
                    .map_err(|reason| self.refusal(reason, publication))
            }
        }
    }

    /// Claims space for a message of `length` bytes, to be written in place and committed. On a member that does not lead
    /// it is scratch memory. The message must fit into one packet ([`max_payload_length`](Self::max_payload_length)); otherwise as
    /// [`offer`](Self::offer).
    pub fn try_claim(&self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        let sending = self.state.sending()?;
        self.limits.check_claim(length)?;
        match sending {
            Sending::Mocked => Ok(self.state.mocked_claim(length, Self::MOCKED_OFFER)),
            Sending::Real => {
                let publication = self.egress.publication()?;
                let header = self.header().encode();
                let claim = publication.try_claim(header.len() + length);
                Ok(claim.map_err(|reason| self.refusal(reason, publication))?.with_hidden_start(&header))
            }
        }
    }

    /// What a send returns if the publication refused it. The limits have already been checked, the same on all members; so a
    /// publication that finds the message too long counts as one that does not reach the client.
    #[cold]
    fn refusal(&self, reason: OfferError, publication: &Publication) -> OfferError {
        if reason != OfferError::InvalidArgument {
            return reason;
        }
        self.state.errors.count(&Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "the publication to session {} takes messages of {} bytes in packets of {}, less than response_term_length \
                 and response_mtu_length say: make them what the media drivers of all members have",
                self.id,
                publication.max_message_length(),
                publication.max_payload_length()
            ),
        ));
        OfferError::NotConnected
    }

    #[inline]
    fn header(&self) -> SessionMessageHeader {
        self.state.header(self.id)
    }

    /// Starts to connect to the client. A failure is recorded; sends then return `NotConnected`.
    pub(super) fn connect(&self) {
        self.state.connect_egress(&self.egress, &self.client.response_channel, self.response_stream_id);
    }

    /// Closes the publication to the client, or cancels adding it.
    pub(super) fn disconnect(&mut self) {
        self.egress = Rc::default();
    }

    /// To be called when the log brings the session's end.
    pub(super) fn end(&mut self) {
        self.disconnect();
        self.is_open = false;
        self.reset_closing();
    }

    pub(super) fn reset_closing(&self) {
        self.is_closing.set(false);
    }
}

impl std::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSession")
            .field("id", &self.id)
            .field("response_stream_id", &self.response_stream_id)
            .field("response_channel", &self.client.response_channel)
            .field("is_closing", &self.is_closing.get())
            .finish()
    }
}
