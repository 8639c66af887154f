//! The log as the service reads it: fragments in, messages out, never past the commit position.

use crate::aeron::{Action, FrameFlags, Header, Image, LookAhead, MessageBuilder};
use crate::error::{Error, ErrorKind, Result};

/// Reads the log up to the commit position. Mirrors `io.aeron.cluster.service.BoundedLogAdapter`.
pub(super) struct LogAdapter {
    image: Option<Image>,
    // Kept from one log to the next: a commit position may lie within a message, and logs change at commit positions.
    builder: MessageBuilder,
    ahead: LookAhead,
    max_log_position: i64,
    fragment_limit: usize,
}

impl LogAdapter {
    pub(super) fn new(fragment_limit: usize) -> Self {
        LogAdapter {
            image: None,
            builder: MessageBuilder::default(),
            ahead: LookAhead::default(),
            max_log_position: 0,
            fragment_limit,
        }
    }

    /// Reads `image` from now on, up to `max_log_position`.
    pub(super) fn join(&mut self, image: Image, max_log_position: i64) {
        self.image = Some(image);
        self.ahead = LookAhead::default();
        self.max_log_position = max_log_position;
    }

    /// Whether a log is being read.
    pub(super) fn is_joined(&self) -> bool {
        self.image.is_some()
    }

    /// Ends the log at `position`, where another one is to be joined.
    pub(super) fn set_max_log_position(&mut self, position: i64) {
        self.max_log_position = position;
    }

    /// Whether nothing more will come: the end was reached, or the log is gone.
    pub(super) fn is_done(&self) -> bool {
        self.image.as_ref().is_some_and(|image| {
            image.position() >= self.max_log_position || image.is_end_of_stream() || image.is_closed()
        })
    }

    /// Leaves the log. Returns the position up to which it was read.
    pub(super) fn close(&mut self) -> Option<i64> {
        self.image.take().map(|image| image.position())
    }

    /// Reads a batch of messages up to `limit`, the commit position. Returns the fragments taken.
    ///
    /// `on_message` may look ahead, and says how to go on: [`Action::Abort`] leaves the message in the log, [`Action::Break`] ends the batch.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or the first fragments of a message are missing. Java drops the rest of such a message silently.
    #[inline]
    pub(super) fn poll<F>(&mut self, limit: i64, mut on_message: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>, &mut LookAhead) -> Action,
    {
        let LogAdapter { image, builder, ahead, fragment_limit, .. } = self;
        let Some(image) = image else { return Ok(0) };
        let mut gap_before = None;
        let gap_found = &mut gap_before;
        let fragments = image.bounded_controlled_poll(limit, *fragment_limit, move |fragment, header| {
            if header.flags().contains(FrameFlags::UNFRAGMENTED) {
                return on_message(fragment, header, ahead);
            }
            let mut on_message = |message: &[u8], header: &Header<'_>| on_message(message, header, ahead);
            take_part(builder, fragment, header, gap_found, &mut on_message)
        })?;
        gap_before.map_or(Ok(fragments), |position| Err(gap(position)))
    }
}

/// Takes a fragment of a longer message, and passes the message that it completes to `on_message`. Not inlined, so that the call for
/// messages of one fragment is.
#[inline(never)]
fn take_part<F>(
    builder: &mut MessageBuilder,
    fragment: &[u8],
    header: &Header<'_>,
    gap_before: &mut Option<i64>,
    on_message: &mut F,
) -> Action
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    let values = header.values();
    if builder.has_gap_before(&values) {
        *gap_before = Some(values.position);
        return Action::Break;
    }
    let Some(whole) = builder.add(fragment, header, values) else { return Action::Continue };
    let action = on_message(whole.message(), whole.header());
    whole.settle(action);
    action
}

#[cold]
fn gap(position: i64) -> Error {
    let message = format!(
        "Cluster log must be contiguous: the message of the fragment before position {position} has no beginning"
    );
    Error::new(ErrorKind::Protocol, message)
}
