//! Snapshots as the service reads and writes them.

use std::io::IoSlice;

use crate::aeron::{Action, BufferClaim, ExclusivePublication, FrameFlags, Header, Image, MessageBuilder, OfferError};
use crate::error::{Error, ErrorKind, Result};

use super::{Cluster, ServiceError};

/// Fragments taken from a snapshot at a time.
pub(super) const FRAGMENT_LIMIT: usize = 10;

/// A snapshot being loaded. In [`on_start`](super::ClusteredService::on_start) it stands at the first message that the
/// service wrote.
pub struct SnapshotImage {
    image: Image,
    builder: MessageBuilder,
}

impl SnapshotImage {
    pub(super) fn new(image: Image) -> Self {
        SnapshotImage { image, builder: MessageBuilder::default() }
    }

    /// The next message; `None` at the end of the snapshot. Blocks, through [`Cluster::idle`], until the archive has replayed it.
    ///
    /// # Errors
    ///
    /// The container is ending, or the snapshot is cut short, which must not pass for a shorter one.
    pub fn read_message(&mut self, cluster: &Cluster) -> Result<Option<Vec<u8>>, ServiceError> {
        let mut message = Vec::new();
        loop {
            match self.poll_into(&mut message)? {
                Polled::Message => return Ok(Some(message)),
                Polled::End => return Ok(None),
                Polled::Fragments(fragments) => cluster.idle(fragments)?,
            }
        }
    }

    /// Copies the next message into `message`, if it is there. Does not block.
    pub(super) fn poll_into(&mut self, message: &mut Vec<u8>) -> Result<Polled> {
        let mut taken = false;
        let fragments = self.controlled_poll(1, |bytes, _| {
            message.clear();
            message.extend_from_slice(bytes);
            taken = true;
            Action::Break
        })?;
        Ok(match taken {
            true => Polled::Message,
            false if fragments == 0 && self.is_done()? => Polled::End,
            false => Polled::Fragments(fragments),
        })
    }

    /// Delivers whole messages to `handler`, which says after each how to go on. Returns the fragments taken. Does not
    /// block.
    ///
    /// # Errors
    ///
    /// The image cannot be polled, or a fragment of a message is missing: the snapshot is corrupt, and must not pass for one
    /// without that message. Java skips it silently.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, mut handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        let SnapshotImage { image, builder } = self;
        let mut gap_before = None;
        let fragments = image.controlled_poll(fragment_limit, |fragment, header| {
            let values = header.values();
            let flags = header.flags();
            let gap =
                if flags.contains(FrameFlags::BEGIN) { builder.is_partial() } else { builder.has_gap_before(&values) };
            if gap {
                gap_before = Some(header.position());
                return Action::Abort;
            }
            if flags.contains(FrameFlags::UNFRAGMENTED) {
                return handler(fragment, header);
            }
            builder.on_fragment(fragment, header, values, |message, header| handler(message, header))
        })?;
        match gap_before {
            None => Ok(fragments),
            Some(position) => {
                Err(self.incomplete(&format!("a part is missing before the fragment that ends at {position}")))
            }
        }
    }

    /// Whether everything was read.
    ///
    /// # Errors
    ///
    /// The snapshot is cut short.
    pub fn is_done(&self) -> Result<bool> {
        // Whether it is closed is asked first: an image that closes after that has its end of stream set already.
        let closed = self.image.is_closed();
        if self.image.is_end_of_stream() {
            return if self.builder.is_partial() {
                Err(self.incomplete("the snapshot ends within it"))
            } else {
                Ok(true)
            };
        }
        if closed {
            return Err(Error::new(ErrorKind::Protocol, format!("snapshot ended unexpectedly: {:?}", self.image)));
        }
        Ok(false)
    }

    fn incomplete(&self, why: &str) -> Error {
        let position = self.image.position();
        let message = format!("snapshot is corrupt: the message at or before position {position} is incomplete, {why}");
        Error::new(ErrorKind::Protocol, message)
    }

    /// As [`controlled_poll`](Self::controlled_poll), but delivers the fragments as they are in the recording, without reassembling messages.
    /// Do not use both on fragments of the same message.
    pub fn controlled_poll_fragments<F>(&mut self, fragment_limit: usize, handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        self.image.controlled_poll(fragment_limit, handler)
    }

    /// The image of the replay, for its positions and its pointer for C. Read-only: it belongs to the container.
    pub fn image(&self) -> &Image {
        &self.image
    }
}

/// What [`SnapshotImage::poll_into`] found.
pub(super) enum Polled {
    Message,
    /// This many fragments of a message that is not complete.
    Fragments(usize),
    End,
}

impl std::fmt::Debug for SnapshotImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SnapshotImage").field(&self.image).finish()
    }
}

/// A snapshot being taken. What is sent here is recorded by the archive.
pub struct SnapshotPublication {
    publication: ExclusivePublication,
    /// How many [`SnapshotWriter`](super::SnapshotWriter)s were begun and not finished.
    pub(super) unfinished: usize,
    /// How many messages the service had sent to the log when a writer was finished; `None` if no writer recorded it.
    pub(super) service_messages: Option<u64>,
}

impl SnapshotPublication {
    pub(super) fn new(publication: ExclusivePublication) -> Self {
        SnapshotPublication { publication, unfinished: 0, service_messages: None }
    }

    /// Writes one message. Blocks, through [`Cluster::idle`], until the publication takes it.
    ///
    /// # Errors
    ///
    /// The container is ending, the recording is gone, or the message is longer than
    /// [`max_message_length`](Self::max_message_length).
    pub fn write_message(&mut self, cluster: &Cluster, message: &[u8]) -> Result<(), ServiceError> {
        loop {
            match self.publication.offer(message) {
                Ok(_) => return Ok(()),
                Err(reason) if reason.is_retryable() => cluster.idle(0)?,
                Err(reason) => return Err(self.refusal(reason, message.len()).into()),
            }
        }
    }

    /// Sends one message. Returns the position after it, in bytes. Does not block: retry a refusal that
    /// [`is_retryable`](OfferError::is_retryable), with [`Cluster::idle`] in between. Mirrors `ExclusivePublication.offer`.
    pub fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> {
        self.publication.offer(message)
    }

    /// As [`offer`](Self::offer), for a message that lies in several pieces.
    pub fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        self.publication.offer_vectored(pieces)
    }

    /// Claims space for one message, to be written in place and committed.
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        self.publication.try_claim(length)
    }

    /// The longest message, in bytes.
    pub fn max_message_length(&self) -> usize {
        self.publication.max_message_length()
    }

    /// The longest message that is one fragment, in bytes: what [`try_claim`](Self::try_claim) can give.
    pub fn max_payload_length(&self) -> usize {
        self.publication.max_payload_length()
    }

    /// How much was written, as a position in the stream, in bytes.
    pub fn position(&self) -> Result<i64, OfferError> {
        self.publication.position()
    }

    /// The publication of the snapshot, for its state and its pointer for C. Read-only: it belongs to the container.
    pub fn publication(&self) -> &ExclusivePublication {
        &self.publication
    }

    /// Checks that every [`SnapshotWriter`](super::SnapshotWriter) was finished, and recorded `sent` as the number of messages sent to the log.
    pub(super) fn check_finished(&self, sent: Option<u64>) -> Result<()> {
        let wrong = |message: &str| Err(Error::new(ErrorKind::State, message));
        if self.unfinished > 0 {
            return wrong("a SnapshotWriter was not finished: call finish on each");
        }
        if self.service_messages.is_some_and(|told| Some(told) != sent) {
            return wrong("the service sent a message to the log while it took a snapshot");
        }
        Ok(())
    }

    /// Why the snapshot cannot go on, in Java's words where Java has a message.
    pub(super) fn refusal(&self, reason: OfferError, length: usize) -> Error {
        let (kind, message) = match reason {
            OfferError::NotConnected => (ErrorKind::NotConnected, "publication is not connected".to_owned()),
            OfferError::Closed => (ErrorKind::NotConnected, "publication is closed".to_owned()),
            OfferError::MaxPositionExceeded => {
                let term = self.publication.term_buffer_length();
                (ErrorKind::NotConnected, format!("publication at max position: term-length={term}"))
            }
            other => {
                let longest = self.max_message_length();
                let text = format!(
                    "snapshot message of {length} bytes refused: {other}; the longest has {longest} bytes: write several"
                );
                (ErrorKind::InvalidArgument, text)
            }
        };
        Error::new(kind, message)
    }
}

impl std::fmt::Debug for SnapshotPublication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SnapshotPublication").field(&self.publication).finish()
    }
}
