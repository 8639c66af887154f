//! Reassembles messages from fragments, in Rust, since C's assembler silently drops a message if an allocation fails.

use std::collections::HashMap;

use super::header::{FrameFlags, Header, HeaderValues, next_term_offset, payload_length};
use super::trampoline::Action;

/// Reassembles fragmented messages, separately for each session.
///
/// Call [`on_fragment`](Self::on_fragment) from a poll, controlled or not. Messages of one fragment are passed through without a copy. A
/// message with a missing fragment is dropped silently, as in Java; to detect this, compare positions. There is a buffer per
/// session, which grows to the longest message and is kept. Mirrors `io.aeron.ControlledFragmentAssembler`.
#[derive(Debug, Default)]
pub struct FragmentAssembler {
    sessions: HashMap<i32, MessageBuilder>,
}

impl FragmentAssembler {
    /// An assembler without any fragments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fragment, and calls `delegate` with the message if the fragment completes one.
    ///
    /// Returns the delegate's action, or [`Action::Continue`] if the message is incomplete. After [`Action::Abort`] the last fragment can
    /// be added again, and completes the message again. Does not block; allocates only to grow a buffer.
    #[inline]
    pub fn on_fragment<F>(&mut self, fragment: &[u8], header: &Header<'_>, delegate: F) -> Action
    where
        F: FnOnce(&[u8], &Header<'_>) -> Action,
    {
        if header.flags().contains(FrameFlags::UNFRAGMENTED) {
            return delegate(fragment, header);
        }
        let values = header.values();
        let builder = if header.flags().contains(FrameFlags::BEGIN) {
            Some(self.sessions.entry(values.session_id).or_default())
        } else {
            // A message whose first fragment was missed needs no buffer for the others.
            self.sessions.get_mut(&values.session_id)
        };
        builder.map_or(Action::Continue, |builder| builder.on_fragment(fragment, header, values, delegate))
    }

    /// Frees the buffer of a session, with its partial message.
    pub fn free_session(&mut self, session_id: i32) {
        self.sessions.remove(&session_id);
    }

    /// Frees all buffers, with their partial messages.
    pub fn clear(&mut self) {
        self.sessions.clear();
    }
}

/// Reassembles fragmented messages of one image, so that no session has to be looked up.
///
/// Otherwise like [`FragmentAssembler`]. Fragments of a session other than that of the message in progress are dropped. Mirrors
/// `io.aeron.ImageControlledFragmentAssembler`.
#[derive(Debug, Default)]
pub struct ImageFragmentAssembler {
    builder: MessageBuilder,
}

impl ImageFragmentAssembler {
    /// An assembler without any fragments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fragment, and calls `delegate` with the message if the fragment completes one. See [`FragmentAssembler::on_fragment`].
    #[inline]
    pub fn on_fragment<F>(&mut self, fragment: &[u8], header: &Header<'_>, delegate: F) -> Action
    where
        F: FnOnce(&[u8], &Header<'_>) -> Action,
    {
        if header.flags().contains(FrameFlags::UNFRAGMENTED) {
            return delegate(fragment, header);
        }
        let values = header.values();
        if self.builder.first.is_some_and(|first| first.session_id != values.session_id) {
            self.builder.reset();
        }
        self.builder.on_fragment(fragment, header, values, delegate)
    }

    /// Drops a partial message; the buffer is kept.
    pub fn reset(&mut self) {
        self.builder.reset();
    }
}

/// A message that its last fragment has completed. Unless its receiver has accepted it, dropping this removes that fragment again, because
/// it will be delivered again: after a panic as after [`Action::Abort`].
pub(crate) struct CompleteMessage<'b> {
    builder: &'b mut MessageBuilder,
    /// The offset of the last fragment.
    limit: usize,
    header: Header<'static>,
}

impl CompleteMessage<'_> {
    pub(crate) fn message(&self) -> &[u8] {
        &self.builder.buffer
    }

    pub(crate) fn header(&self) -> &Header<'static> {
        &self.header
    }

    /// Applies the receiver's action to it.
    pub(crate) fn settle(mut self, action: Action) {
        if action != Action::Abort {
            self.builder.reset();
            self.limit = 0;
        }
    }
}

impl Drop for CompleteMessage<'_> {
    fn drop(&mut self) {
        self.builder.buffer.truncate(self.limit);
    }
}

/// A message in progress.
#[derive(Debug, Default)]
pub(crate) struct MessageBuilder {
    buffer: Vec<u8>,
    first: Option<HeaderValues>,
    next_term_offset: i32,
}

impl MessageBuilder {
    /// Adds a fragment of a fragmented message. See [`FragmentAssembler::on_fragment`].
    pub(crate) fn on_fragment<F>(
        &mut self,
        fragment: &[u8],
        header: &Header<'_>,
        values: HeaderValues,
        delegate: F,
    ) -> Action
    where
        F: FnOnce(&[u8], &Header<'_>) -> Action,
    {
        let Some(complete) = self.add(fragment, header, values) else { return Action::Continue };
        let action = delegate(complete.message(), complete.header());
        complete.settle(action);
        action
    }

    /// Adds a fragment of a fragmented message. Returns the message if the fragment completes it.
    pub(crate) fn add(
        &mut self,
        fragment: &[u8],
        header: &Header<'_>,
        values: HeaderValues,
    ) -> Option<CompleteMessage<'_>> {
        let flags = FrameFlags(values.flags);
        if flags.contains(FrameFlags::BEGIN) {
            self.reset();
            self.first = Some(values);
        } else if !self.continues(&values) {
            self.reset();
            return None;
        }
        let limit = self.buffer.len();
        self.buffer.extend_from_slice(fragment);
        if !flags.contains(FrameFlags::END) {
            self.next_term_offset = next_term_offset(values.term_offset, values.frame_length);
            return None;
        }
        let header = self.complete_header(&values, header.image_correlation_id());
        Some(CompleteMessage { builder: self, limit, header })
    }

    pub(crate) fn reset(&mut self) {
        self.buffer.clear();
        self.first = None;
    }

    /// Whether a fragment that is not the first of its message does not continue the message in progress. [`on_fragment`](Self::on_fragment)
    /// would drop it.
    pub(crate) fn has_gap_before(&self, values: &HeaderValues) -> bool {
        !FrameFlags(values.flags).contains(FrameFlags::BEGIN) && !self.continues(values)
    }

    /// Whether a message is in progress: its first fragment has been added, but not its last.
    pub(crate) fn is_partial(&self) -> bool {
        self.first.is_some()
    }

    fn continues(&self, values: &HeaderValues) -> bool {
        self.first.is_some_and(|first| first.term_id == values.term_id && self.next_term_offset == values.term_offset)
    }

    /// The header of the whole message: the first fragment's, with the length and flags of the whole and the position
    /// of the last.
    fn complete_header(&self, last: &HeaderValues, image_correlation_id: Option<i64>) -> Header<'static> {
        let first = self.first.unwrap_or(*last);
        let header_length = first.frame_length - payload_length(first.frame_length) as i32;
        let values = HeaderValues {
            frame_length: header_length + self.buffer.len() as i32,
            flags: first.flags | last.flags,
            position: last.position,
            ..first
        };
        Header::from_values(values, image_correlation_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aeron::DATA_HEADER_LENGTH;

    fn frame(session_id: i32, flags: u8, term_offset: i32, payload: &[u8]) -> Header<'static> {
        let frame_length = (payload.len() + DATA_HEADER_LENGTH) as i32;
        Header::from_values(
            HeaderValues {
                frame_length,
                flags,
                frame_type: 1,
                term_offset,
                session_id,
                stream_id: 10,
                term_id: 5,
                reserved_value: 7,
                initial_term_id: 5,
                position_bits_to_shift: 16,
                position: i64::from(next_term_offset(term_offset, frame_length)),
            },
            Some(99),
        )
    }

    type Message = (Vec<u8>, i64, i32, u8, i32);

    fn take(assembler: &mut FragmentAssembler, header: Header<'_>, payload: &[u8], action: Action) -> Option<Message> {
        let mut message = None;
        let answer = assembler.on_fragment(payload, &header, |bytes, header| {
            message = Some((
                bytes.to_vec(),
                header.position(),
                header.frame_length(),
                header.flags().0,
                header.term_offset(),
            ));
            action
        });
        assert_eq!(answer, if message.is_some() { action } else { Action::Continue });
        message
    }

    #[test]
    fn a_whole_message_passes_through() {
        let mut assembler = FragmentAssembler::new();
        let message = take(&mut assembler, frame(1, 0xC0, 64, b"abc"), b"abc", Action::Commit);
        assert_eq!(message, Some((b"abc".to_vec(), 128, 35, 0xC0, 64)));
    }

    #[test]
    fn interleaved_sessions_do_not_mix() {
        let mut assembler = FragmentAssembler::new();
        let (long, other) = ([1u8; 32], [2u8; 32]);
        assert_eq!(take(&mut assembler, frame(1, 0x80, 0, &long), &long, Action::Continue), None);
        assert_eq!(take(&mut assembler, frame(2, 0x80, 0, &other), &other, Action::Continue), None);
        assert_eq!(take(&mut assembler, frame(1, 0, 64, &long), &long, Action::Continue), None);
        let message = take(&mut assembler, frame(1, 0x40, 128, b"end"), b"end", Action::Continue);
        let mut expected = [1u8; 64].to_vec();
        expected.extend_from_slice(b"end");
        assert_eq!(message, Some((expected, 192, 32 + 67, 0xC0, 0)));
        let message = take(&mut assembler, frame(2, 0x40, 64, b"x"), b"x", Action::Continue);
        assert_eq!(message.map(|m| m.0.len()), Some(33));
    }

    #[test]
    fn a_gap_drops_the_message_and_only_that() {
        let mut assembler = FragmentAssembler::new();
        assert_eq!(take(&mut assembler, frame(1, 0x80, 0, b"a"), b"a", Action::Continue), None);
        assert_eq!(take(&mut assembler, frame(1, 0x40, 128, b"c"), b"c", Action::Continue), None);
        assert_eq!(take(&mut assembler, frame(1, 0x80, 192, b"d"), b"d", Action::Continue), None);
        let message = take(&mut assembler, frame(1, 0x40, 256, b"e"), b"e", Action::Continue);
        assert_eq!(message.map(|m| m.0), Some(b"de".to_vec()));
    }

    #[test]
    fn what_is_forgotten_of_one_session_is_not_missed_by_another() {
        let mut assembler = FragmentAssembler::new();
        for session in [1, 2, 3] {
            assert_eq!(take(&mut assembler, frame(session, 0x80, 0, b"a"), b"a", Action::Continue), None);
        }
        assembler.free_session(1);
        assert_eq!(assembler.sessions.len(), 2, "its memory is given back");
        assert_eq!(take(&mut assembler, frame(1, 0x40, 64, b"b"), b"b", Action::Continue), None);
        let message = take(&mut assembler, frame(2, 0x40, 64, b"b"), b"b", Action::Continue);
        assert_eq!(message.map(|m| m.0), Some(b"ab".to_vec()));
        assembler.clear();
        assert!(assembler.sessions.is_empty());
        assert_eq!(take(&mut assembler, frame(3, 0x40, 64, b"b"), b"b", Action::Continue), None);
    }

    #[test]
    fn one_image_needs_no_look_up_and_takes_nothing_of_another() {
        let mut assembler = ImageFragmentAssembler::new();
        let mut take = |session, flags, offset, payload: &[u8], action| {
            let mut message = None;
            let answer = assembler.on_fragment(payload, &frame(session, flags, offset, payload), |bytes, header| {
                message = Some((bytes.to_vec(), header.position()));
                action
            });
            assert_eq!(answer, if message.is_some() { action } else { Action::Continue });
            message
        };
        assert_eq!(take(1, 0xC0, 0, b"whole", Action::Commit), Some((b"whole".to_vec(), 64)));
        assert_eq!(take(1, 0x80, 64, b"a", Action::Continue), None);
        assert_eq!(take(1, 0x40, 128, b"b", Action::Abort), Some((b"ab".to_vec(), 192)));
        assert_eq!(take(1, 0x40, 128, b"b", Action::Continue), Some((b"ab".to_vec(), 192)));
        assert_eq!(take(1, 0x80, 192, b"c", Action::Continue), None);
        assert_eq!(take(2, 0x40, 256, b"d", Action::Continue), None, "of another session");
        assert_eq!(take(1, 0x40, 256, b"d", Action::Continue), None, "its beginning is forgotten");
        assert_eq!(take(1, 0x80, 320, b"e", Action::Continue), None);
        assembler.reset();
        let last = frame(1, 0x40, 384, b"f");
        assert_eq!(assembler.on_fragment(b"f", &last, |_, _| panic!("forgotten")), Action::Continue);
    }

    #[test]
    fn a_gap_is_seen_before_it_drops_the_message() {
        let mut builder = MessageBuilder::default();
        assert!(builder.has_gap_before(&frame(1, 0x40, 64, b"b").values()));
        let first = frame(1, 0x80, 0, b"a");
        assert!(!builder.has_gap_before(&first.values()));
        builder.on_fragment(b"a", &first, first.values(), |_, _| Action::Continue);
        assert!(!builder.has_gap_before(&frame(1, 0x40, 64, b"b").values()));
        assert!(builder.has_gap_before(&frame(1, 0x40, 128, b"c").values()));
    }

    #[test]
    fn an_aborted_message_is_completed_again() {
        let mut assembler = FragmentAssembler::new();
        assert_eq!(take(&mut assembler, frame(1, 0x80, 0, b"a"), b"a", Action::Continue), None);
        for action in [Action::Abort, Action::Abort, Action::Continue] {
            let message = take(&mut assembler, frame(1, 0x40, 64, b"b"), b"b", action);
            assert_eq!(message.map(|m| m.0), Some(b"ab".to_vec()));
        }
        assert_eq!(take(&mut assembler, frame(1, 0x40, 64, b"b"), b"b", Action::Continue), None);
    }

    #[test]
    fn a_message_whose_delegate_panicked_is_completed_again() {
        let mut assembler = FragmentAssembler::new();
        assert_eq!(take(&mut assembler, frame(1, 0x80, 0, b"a"), b"a", Action::Continue), None);
        let last = frame(1, 0x40, 64, b"b");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assembler.on_fragment(b"b", &last, |_, _| panic!("of the delegate"))
        }));
        assert!(panicked.is_err());
        let message = take(&mut assembler, frame(1, 0x40, 64, b"b"), b"b", Action::Continue);
        assert_eq!(message.map(|m| m.0), Some(b"ab".to_vec()));
    }
}
