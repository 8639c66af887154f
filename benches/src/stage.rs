//! What all cases use: a media driver in this process, and a client.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use aeron_cluster::aeron::{self, Aeron, ExclusivePublication, Image, OfferError, Publication, Subscription};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::WorkDir;

use crate::MESSAGES;
use crate::until::until;

/// The minimum length of a term, in bytes: many times what most cases have in flight.
const TERM_LENGTH: u64 = 4 * 1024 * 1024;
/// The length of a term, in bytes, for each message of a batch. An IPC publication may be half a term ahead, which should be two batches.
const BYTES_OF_A_MESSAGE: u64 = 4 * 128;

/// A driver with a client.
pub struct Stage {
    // In the order of dropping: the client before its driver, the driver before its directory.
    /// The client.
    pub aeron: Aeron,
    _driver: MediaDriver,
    dir: WorkDir,
    used: Cell<i32>,
    messages: u64,
    term_length: u64,
}

impl Stage {
    /// Starts driver and client, for [`MESSAGES`] messages at a time.
    pub fn new() -> Rc<Self> {
        Self::for_batches_of(MESSAGES)
    }

    /// Starts driver and client, for echo cases with the given number of messages at a time.
    pub fn for_batches_of(messages: u64) -> Rc<Self> {
        let dir = WorkDir::new().expect("a directory");
        let context = DriverContext::new().dir(dir.path().join("driver")).threading_mode(ThreadingMode::Shared);
        let driver = MediaDriver::launch(context).expect("a media driver");
        let aeron = Aeron::connect(aeron::Context::new().dir(driver.dir())).expect("a client");
        let term_length = (messages * BYTES_OF_A_MESSAGE).next_power_of_two().max(TERM_LENGTH);
        Rc::new(Stage { aeron, _driver: driver, dir, used: Cell::new(1000), messages, term_length })
    }

    /// How many messages an echo case handles at a time.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many such batches a stream takes before it reuses memory.
    pub fn batches_of_a_round(&self) -> u64 {
        3 * self.term_length / (self.messages * BYTES_OF_A_MESSAGE / 4) + 1
    }

    /// The channel of every stream.
    pub fn channel(&self) -> String {
        format!("aeron:ipc?term-length={}", self.term_length)
    }

    /// A number that no other case has, for a stream id or cluster id.
    pub fn number(&self) -> i32 {
        self.used.replace(self.used.get() + 1)
    }

    /// A directory that no other case has.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join(self.number().to_string())
    }

    /// A publication of a new stream, and its receiver.
    pub fn stream(&self) -> (Publication, Subscription) {
        let stream = self.number();
        let subscription = self.aeron.add_subscription(&self.channel(), stream).expect("a subscription");
        let publication = self.aeron.add_publication(&self.channel(), stream).expect("a publication");
        until("a connected stream", || publication.is_connected().then_some(()));
        (publication, subscription)
    }

    /// An exclusive publication of a new stream, and its receiver.
    pub fn exclusive_stream(&self) -> (ExclusivePublication, Subscription) {
        let stream = self.number();
        let subscription = self.aeron.add_subscription(&self.channel(), stream).expect("a subscription");
        let publication = self.aeron.add_exclusive_publication(&self.channel(), stream).expect("a publication");
        until("a connected stream", || publication.is_connected().then_some(()));
        (publication, subscription)
    }
}

/// The image of the only publication of a stream.
pub fn image(subscription: Subscription, session_id: i32) -> Image {
    let mut found = Some(subscription);
    until("an image", || match found.take()?.into_image(session_id) {
        Ok(image) => Some(image),
        Err(subscription) => {
            found = Some(subscription);
            None
        }
    })
}

/// Sends a message as soon as there is room.
pub fn send(mut offer: impl FnMut() -> Result<i64, OfferError>) -> i64 {
    until("room for a message", || offer().ok())
}

/// How many bytes the publication can send before it is back pressured.
pub fn room(publication: &Publication) -> i64 {
    until("a position", || publication.position_limit().ok()) - publication.position().unwrap_or(0)
}

/// Receives everything that has been sent, and waits until the stream has room for `length` bytes.
pub fn make_room(subscription: &mut Subscription, length: usize, room: impl Fn() -> i64) {
    until("room in the stream", || {
        while subscription.poll(1000, |_, _| {}).expect("a subscription that works") > 0 {}
        (room() >= length as i64).then_some(())
    });
}
