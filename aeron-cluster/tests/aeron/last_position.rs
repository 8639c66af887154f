//! The last position of a stream, behind which nothing is taken.

use aeron_cluster::aeron::{ChannelUri, OfferError};

use crate::rig::{Rig, receive, until};

const STREAM: i32 = 20;
const TERM_LENGTH: usize = 64 * 1024;
const LAST: i64 = (TERM_LENGTH as i64) << 31;

/// A channel whose publication has room for messages of so many bytes, headers included.
fn room_for(length: i64) -> String {
    ChannelUri::ipc().initial_position(LAST - length, -777, TERM_LENGTH).unwrap().to_string()
}

#[test]
fn a_publication_ends_at_its_last_position() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication(&room_for(128), STREAM).unwrap();
    assert_eq!((publication.position(), publication.max_possible_position()), (Ok(LAST - 128), LAST));
    // Until there is a window, the message that fills the log is answered as one behind its end.
    until("a window", || publication.is_connected() && publication.position_limit().unwrap() > LAST - 64);
    assert_eq!(publication.offer(b"last"), Ok(LAST - 64));
    assert_eq!(publication.offer(b"word"), Ok(LAST));
    assert_eq!((receive(&mut subscription), receive(&mut subscription)), (b"last".to_vec(), b"word".to_vec()));
    for _ in 0..3 {
        assert_eq!(publication.offer(b"late"), Err(OfferError::MaxPositionExceeded));
        assert_eq!(publication.offer_vectored(&[]), Err(OfferError::MaxPositionExceeded));
        assert_eq!(publication.try_claim(4).map(drop), Err(OfferError::MaxPositionExceeded));
    }
    assert!(!OfferError::MaxPositionExceeded.is_retryable() && !publication.is_closed());
    assert_eq!(subscription.image_at_index(0).unwrap().position(), LAST);
}

#[test]
fn an_exclusive_publication_ends_at_its_last_position() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication(&room_for(128), STREAM).unwrap();
    assert_eq!((exclusive.position(), exclusive.max_possible_position()), (Ok(LAST - 128), LAST));
    until("a window", || exclusive.is_connected() && exclusive.position_limit().unwrap() > LAST - 64);
    assert_eq!(exclusive.offer(b"last"), Ok(LAST - 64));
    assert_eq!(exclusive.offer(b"word"), Ok(LAST));
    assert_eq!((receive(&mut subscription), receive(&mut subscription)), (b"last".to_vec(), b"word".to_vec()));
    for _ in 0..3 {
        assert_eq!(exclusive.offer(b"late"), Err(OfferError::MaxPositionExceeded));
        assert_eq!(exclusive.offer_vectored(&[]), Err(OfferError::MaxPositionExceeded));
        assert_eq!(exclusive.try_claim(4).map(drop), Err(OfferError::MaxPositionExceeded));
        assert_eq!(exclusive.append_padding(4), Err(OfferError::MaxPositionExceeded));
    }
    assert_eq!(subscription.image_at_index(0).unwrap().position(), LAST);
}

/// The message does not fit: what is left of the log becomes padding, and the stream is over all the same.
#[test]
fn a_message_that_is_longer_than_the_rest_ends_the_stream() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication(&room_for(96), STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication(&room_for(96), STREAM).unwrap();
    until("a window", || {
        [publication.position_limit(), exclusive.position_limit()].iter().all(|limit| limit.unwrap() > LAST - 64)
    });
    for _ in 0..3 {
        assert_eq!(publication.offer(&[1; 100]), Err(OfferError::MaxPositionExceeded));
        assert_eq!(exclusive.offer(&[1; 100]), Err(OfferError::MaxPositionExceeded));
    }
    assert_eq!(subscription.image_count(), 2);
    until("the padding to be passed over", || {
        subscription.poll(9, |_, _| panic!("there is no message")).unwrap();
        (0..2).all(|at| subscription.image_at_index(at).is_some_and(|image| image.position() == LAST))
    });
}
