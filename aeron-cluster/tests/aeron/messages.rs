//! What is sent arrives, by every way of sending and over both media.

use std::io::IoSlice;

use aeron_cluster::aeron::{BufferClaim, ExclusivePublication, FrameFlags, OfferError, Publication};
use aeron_cluster::testing::PortBlock;

use crate::rig::{Rig, awaited, receive, until};

const STREAM: i32 = 7;

/// Both kinds of publications, for what they have in common.
trait Sender {
    fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError>;
    fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError>;
    fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError>;
    fn is_connected(&self) -> bool;
    fn position(&self) -> Result<i64, OfferError>;
    fn session_id(&self) -> i32;
    fn max_payload_length(&self) -> usize;
    fn max_message_length(&self) -> usize;
}

macro_rules! sender {
    ($($publication:ty),*) => {$(
        impl Sender for $publication {
            fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> { <$publication>::offer(self, message) }
            fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
                <$publication>::offer_vectored(self, pieces)
            }
            fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
                <$publication>::try_claim(self, length)
            }
            fn is_connected(&self) -> bool { <$publication>::is_connected(self) }
            fn position(&self) -> Result<i64, OfferError> { <$publication>::position(self) }
            fn session_id(&self) -> i32 { <$publication>::session_id(self) }
            fn max_payload_length(&self) -> usize { <$publication>::max_payload_length(self) }
            fn max_message_length(&self) -> usize { <$publication>::max_message_length(self) }
        }
    )*};
}
sender!(Publication, ExclusivePublication);

/// Sends when there is room.
fn sent(mut send: impl FnMut() -> Result<i64, OfferError>) -> i64 {
    awaited("room to send", || match send() {
        Ok(position) => Some(position),
        Err(error) if error.is_retryable() => None,
        Err(error) => panic!("{error}"),
    })
}

fn every_way_of_sending(rig: &Rig, channel: &str, mut sender: impl Sender) {
    let mut subscription = rig.aeron.add_subscription(channel, STREAM).unwrap();
    until("the connection", || sender.is_connected() && subscription.is_connected());

    for number in 0..200u32 {
        sent(|| sender.offer(&number.to_le_bytes()));
        assert_eq!(receive(&mut subscription), number.to_le_bytes());
    }
    sent(|| sender.offer(b""));
    assert_eq!(receive(&mut subscription), b"");

    let pieces = [&b"in"[..], b"", b" three ", b"pieces", b""].map(IoSlice::new);
    sent(|| sender.offer_vectored(&pieces));
    assert_eq!(receive(&mut subscription), b"in three pieces");
    sent(|| sender.offer_vectored(&[]));
    assert_eq!(receive(&mut subscription), b"");

    let position = sent(|| {
        let mut claim = sender.try_claim(5)?;
        assert_eq!((claim.len(), claim.is_empty()), (5, false));
        claim.copy_from_slice(b"claim");
        let promised = claim.position();
        let position = claim.commit();
        assert_eq!(position, promised);
        Ok(position)
    });
    assert_eq!(sender.position(), Ok(position));
    let header = awaited("the claimed message", || {
        let mut seen = None;
        subscription
            .poll(1, |message, header| {
                assert_eq!(message, b"claim");
                assert!(header.flags().contains(FrameFlags::UNFRAGMENTED) && header.image_correlation_id().is_some());
                seen = Some((header.position(), header.session_id(), header.stream_id(), header.frame_length()));
            })
            .unwrap();
        seen
    });
    assert_eq!(header, (position, sender.session_id(), STREAM, 32 + 5));

    sent(|| Ok(sender.try_claim(0)?.commit()));
    assert_eq!(receive(&mut subscription), b"");
    settled_without_commit(&mut sender);
    sent(|| sender.offer(b"after"));
    assert_eq!(receive(&mut subscription), b"after", "what was not committed is skipped");
    refused_lengths(&mut sender);
}

fn settled_without_commit(sender: &mut impl Sender) {
    sent(|| {
        let mut claim = sender.try_claim(7)?;
        claim.copy_from_slice(b"aborted");
        claim.abort();
        Ok(0)
    });
    sent(|| {
        let mut claim = sender.try_claim(7)?;
        claim.copy_from_slice(b"dropped");
        Ok(0)
    });
}

/// Three pieces that have eight bytes together, as C reckons. The same memory again and again would do too, a map of 32 TiB of nothing for one,
/// which not every machine gives.
fn longer_than_can_be_counted() -> [IoSlice<'static>; 3] {
    static BYTES: [u8; 10] = [0; 10];
    [isize::MAX as usize, isize::MAX as usize, BYTES.len()].map(|iov_len| {
        let piece = libc::iovec { iov_base: BYTES.as_ptr().cast_mut().cast(), iov_len };
        // SAFETY: an IoSlice is laid out as an iovec. Whoever takes these looks at their lengths, and no further.
        unsafe { std::mem::transmute::<libc::iovec, IoSlice<'static>>(piece) }
    })
}

fn refused_lengths(sender: &mut impl Sender) {
    let too_long = vec![0; sender.max_message_length() + 1];
    assert_eq!(sender.offer(&too_long), Err(OfferError::InvalidArgument));
    assert_eq!(sender.offer_vectored(&[IoSlice::new(&too_long)]), Err(OfferError::InvalidArgument));
    let halves = too_long.split_at(too_long.len() / 2);
    let halves = [IoSlice::new(halves.0), IoSlice::new(halves.1)];
    assert_eq!(sender.offer_vectored(&halves), Err(OfferError::InvalidArgument));
    assert_eq!(sender.offer_vectored(&longer_than_can_be_counted()), Err(OfferError::InvalidArgument));
    for length in [sender.max_payload_length() + 1, usize::MAX, usize::MAX - 31, i32::MAX as usize + 1] {
        assert_eq!(sender.try_claim(length).map(|_| ()), Err(OfferError::InvalidArgument), "{length}");
    }
}

#[test]
fn every_way_of_sending_over_every_media() {
    let rig = Rig::new();
    let ports = PortBlock::reserve().unwrap();
    let udp = |port| format!("aeron:udp?endpoint=localhost:{}", ports.port(port));
    for (shared, exclusive) in [("aeron:ipc".to_owned(), "aeron:ipc?alias=own".to_owned()), (udp(0), udp(1))] {
        every_way_of_sending(&rig, &shared, rig.aeron.add_publication(&shared, STREAM).unwrap());
        every_way_of_sending(&rig, &exclusive, rig.aeron.add_exclusive_publication(&exclusive, STREAM).unwrap());
    }
}

#[test]
fn a_publication_says_why_it_does_not_take_a_message() {
    let rig = Rig::new();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    assert_eq!(publication.offer(b"nobody"), Err(OfferError::NotConnected));
    let _slow = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    until("the connection", || publication.is_connected());
    let refusal = awaited("back pressure", || {
        publication.offer(&[0; 1024]).err().filter(|e| !e.is_retryable() || *e == OfferError::BackPressured)
    });
    assert_eq!(refusal, OfferError::BackPressured);
    assert!(publication.position().unwrap() >= publication.position_limit().unwrap());
}

#[test]
fn publications_of_one_stream_share_a_session_and_exclusive_ones_do_not() {
    let rig = Rig::new();
    let shared = [(); 2].map(|()| rig.aeron.add_publication("aeron:ipc", STREAM).unwrap());
    let exclusive = [(); 2].map(|()| rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap());
    assert_eq!(shared[0].session_id(), shared[1].session_id());
    assert_ne!(exclusive[0].session_id(), exclusive[1].session_id());
    assert_eq!((shared[0].channel(), shared[0].stream_id()), ("aeron:ipc", STREAM));
    assert_eq!(shared[0].term_buffer_length(), 64 * 1024);

    let [first, second] = shared;
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    drop(first);
    until("the connection", || second.is_connected());
    sent(|| second.offer(b"still here"));
    assert_eq!(receive(&mut subscription), b"still here");
}

#[test]
fn threads_share_a_publication() {
    const EACH: u32 = 2000;
    let rig = Rig::new();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    until("the connection", || publication.is_connected() && subscription.is_connected());
    let mut next = [0u32; 3];
    std::thread::scope(|scope| {
        for thread in 0..3u32 {
            let publication = &publication;
            scope.spawn(move || {
                for number in 0..EACH {
                    sent(|| {
                        let mut claim = publication.try_claim(8)?;
                        claim[..4].copy_from_slice(&thread.to_le_bytes());
                        claim[4..].copy_from_slice(&number.to_le_bytes());
                        Ok(claim.commit())
                    });
                }
            });
        }
        while next.iter().sum::<u32>() < 3 * EACH {
            let message = receive(&mut subscription);
            let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
            let expected = &mut next[word(0) as usize];
            assert_eq!(word(4), *expected);
            *expected += 1;
        }
    });
}
