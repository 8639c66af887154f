//! Logs taken and sent as they are, frame by frame.

use aeron_cluster::aeron::{Block, ExclusivePublication, OfferError, Subscription};

use crate::rig::{Rig, awaited, image_of, receive, until};

const STREAM: i32 = 16;

/// A block, copied to where blocks may be sent from.
#[derive(Debug, Clone, PartialEq)]
struct Copy {
    words: Vec<i64>,
    length: usize,
    session_id: i32,
    term_id: i32,
}

impl Copy {
    fn new(block: Block<'_>) -> Copy {
        let words = block.bytes.chunks(8).map(|word| i64::from_ne_bytes(word.try_into().unwrap())).collect();
        Copy { words, length: block.bytes.len(), session_id: block.session_id, term_id: block.term_id }
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

/// The next block of some image of a subscription.
fn next_block(subscription: &mut Subscription, limit: usize) -> Copy {
    awaited("a block", || {
        let mut copy = None;
        let length = subscription.block_poll(limit, |block| copy = Some(Copy::new(block))).unwrap();
        assert_eq!(length, copy.as_ref().map_or(0, |copy| copy.length));
        copy
    })
}

#[test]
fn a_stream_goes_on_as_another_with_its_frames() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut first = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
    until("a subscriber", || first.is_connected());
    for message in [&b"one"[..], b"two", b"three"] {
        first.offer(message).unwrap();
    }
    // Only whole frames are delivered.
    let block = next_block(&mut subscription, 191);
    assert_eq!((block.length, block.session_id), (128, first.session_id()));
    assert_eq!(block.term_id, first.initial_term_id());
    assert_eq!(next_block(&mut subscription, usize::MAX).length, 64);

    // A copy of the stream: same session, stream and term.
    let (session, term) = (block.session_id, block.term_id);
    drop(first);
    until("the first one to go", || !subscription.is_connected());
    let channel = format!(
        "aeron:ipc?term-length=64k|init-term-id={term}|term-id={term}|term-offset=0|session-id={session}|alias=copy"
    );
    let mut copy = awaited("the session to be free", || rig.aeron.add_exclusive_publication(&channel, STREAM).ok());
    until("a subscriber", || copy.is_connected());
    let mut aligned = vec![0i64; block.words.len()];
    aligned.copy_from_slice(&block.words);
    // SAFETY: integers are bytes.
    let bytes = unsafe { std::slice::from_raw_parts(aligned.as_ptr().cast::<u8>(), block.length) };
    assert_eq!(copy.offer_block(&bytes[..127]), Err(OfferError::InvalidArgument));
    assert_eq!(copy.offer_block(&bytes[64..]), Err(OfferError::InvalidArgument), "it is not the next frame");
    assert_eq!(copy.offer_block(bytes), Ok(128));
    assert_eq!(copy.offer_block(bytes), Err(OfferError::InvalidArgument), "it is behind the stream now");
    assert_eq!((receive(&mut subscription), receive(&mut subscription)), (b"one".to_vec(), b"two".to_vec()));
    assert_eq!(block.bytes()[32..35], *b"one");
}

/// A block of one frame that fills `length` bytes, at `offset` of a publication's current term.
fn block_of(publication: &ExclusivePublication, term_id: i32, offset: usize, length: usize) -> Vec<i64> {
    const UNFRAGMENTED_DATA: i32 = 0x0001_C000;
    let mut words = vec![0i64; length / 8];
    let header = [length as i32, UNFRAGMENTED_DATA, offset as i32, publication.session_id(), STREAM, term_id, 0, 0];
    for (word, pair) in words.iter_mut().zip(header.chunks(2)) {
        let bytes = [pair[0].to_ne_bytes(), pair[1].to_ne_bytes()].concat();
        *word = i64::from_ne_bytes(bytes.try_into().unwrap());
    }
    words
}

fn bytes_of(words: &[i64]) -> &[u8] {
    // SAFETY: integers are bytes.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

#[test]
fn a_block_goes_into_the_current_term_or_not_at_all() {
    const TERM: usize = 64 * 1024;
    let mut rig = Rig::new();
    let mut exclusive = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
    let term = exclusive.initial_term_id();
    let small = |exclusive: &ExclusivePublication, term, offset| block_of(exclusive, term, offset, 64);
    let first = small(&exclusive, term, 0);
    assert_eq!(exclusive.offer_block(bytes_of(&first)), Err(OfferError::NotConnected));
    let mut image = image_of(rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap(), exclusive.session_id());
    until("the subscriber", || exclusive.is_connected());

    // As much as a term has, at once; nobody has read anything of it, and no more is taken.
    let whole = block_of(&exclusive, term, 0, TERM);
    until("room", || exclusive.available_window().is_ok_and(|window| window > 0));
    assert_eq!(exclusive.offer_block(bytes_of(&whole)), Ok(TERM as i64));
    let next = small(&exclusive, term.wrapping_add(1), 0);
    assert_eq!(exclusive.offer_block(bytes_of(&next)), Err(OfferError::BackPressured));
    assert_eq!(awaited("the block", || image.block_poll(TERM, |_| {}).ok().filter(|length| *length > 0)), TERM);
    until("room", || exclusive.offer_block(bytes_of(&next)) == Ok(TERM as i64 + 64));

    let long = block_of(&exclusive, term.wrapping_add(1), 64, TERM);
    assert_eq!(exclusive.offer_block(bytes_of(&long)), Err(OfferError::InvalidArgument), "longer than the rest");
    rig.kill_driver();
    rig.wait_for_the_end();
    assert_eq!(exclusive.offer_block(bytes_of(&next)), Err(OfferError::Closed));
}

#[test]
fn a_handler_that_panics_has_taken_its_block() {
    let rig = Rig::new();
    let subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let publication = rig.aeron.add_publication("aeron:ipc", STREAM).unwrap();
    let mut image = image_of(subscription, publication.session_id());
    until("room", || publication.offer(b"taken").is_ok());
    let poll = || image.block_poll(4096, |_| panic!("no blocks today"));
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"no blocks today"));
    assert_eq!(image.position(), 64);
    publication.offer(b"next").unwrap();
    let mut subscription = image.into_subscription();
    assert_eq!(receive(&mut subscription), b"next");
}

#[test]
fn padding_is_a_block_of_its_own() {
    let rig = Rig::new();
    let mut subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
    let mut exclusive = rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap();
    until("a subscriber", || exclusive.is_connected());
    exclusive.offer(b"before").unwrap();
    exclusive.append_padding(1000).unwrap();
    exclusive.offer(b"behind").unwrap();
    let lengths: Vec<_> = (0..3).map(|_| next_block(&mut subscription, 65_536).length).collect();
    assert_eq!(lengths, [64, 1056, 64]);
}
