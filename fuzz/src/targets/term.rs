//! Frames of a log.

use aeron_cluster::aeron::{Action, DATA_HEADER_LENGTH, FragmentAssembler, Header, ImageFragmentAssembler};
use aeron_cluster::testing::fuzzing;

/// Of a message, by the reserved value of its frame.
const ACTIONS: [Action; 4] = [Action::Continue, Action::Commit, Action::Break, Action::Abort];

/// A log: polled, its messages put together, and sent on as a block.
pub fn term(frames: &[u8]) {
    let (mut of_sessions, mut of_image) = (FragmentAssembler::new(), ImageFragmentAssembler::new());
    let (mut delivered, mut has_stopped) = (0, false);
    let polled = fuzzing::poll_term(frames, |fragment, header| {
        delivered += fragment.len();
        let wanted = ACTIONS[(header.reserved_value() & 3) as usize];
        let mut length = None;
        let action = of_sessions.on_fragment(fragment, header, |message, header| {
            check(message, header, fragment, delivered);
            length = Some(message.len());
            wanted
        });
        if action == Action::Abort {
            // It would come again.
            of_sessions.on_fragment(fragment, header, |message, _| {
                assert_eq!(Some(message.len()), length);
                Action::Continue
            });
        }
        of_image.on_fragment(fragment, header, |message, header| {
            check(message, header, fragment, delivered);
            wanted
        });
        has_stopped |= matches!(action, Action::Abort | Action::Break);
        action
    });
    assert!(polled.taken <= TERM_LENGTH);
    // What may be sent is what a receiver can take.
    if fuzzing::is_block(frames) && !has_stopped && frames.len() <= TERM_LENGTH {
        assert_eq!(polled.taken, frames.len());
    }
}

/// The least there is.
const TERM_LENGTH: usize = 64 * 1024;

fn check(message: &[u8], header: &Header<'_>, last: &[u8], delivered: usize) {
    assert!(message.ends_with(last) && message.len() <= delivered);
    assert_eq!(header.frame_length() as usize, DATA_HEADER_LENGTH + message.len());
    let _ = (header.position(), header.image_correlation_id(), header.flags());
}
