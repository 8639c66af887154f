//! Polling images and sending on publications, in Rust and in C.

use std::hint::black_box;
use std::rc::Rc;

use aeron_cluster::aeron::{
    Action, DATA_HEADER_LENGTH, ExclusivePublication, Image, OfferError, Publication, Subscription,
};

use crate::stage::{image, make_room, room, send};
use crate::until::until;
use crate::{Case, LENGTH, MESSAGES, Stage, native};

/// The fragment limit of a poll, the same as the container's.
const FRAGMENT_LIMIT: usize = 50;
/// How much of the stream a run takes, in bytes.
const BYTES: usize = MESSAGES as usize * (DATA_HEADER_LENGTH + LENGTH);
const MESSAGE: [u8; LENGTH] = [5; LENGTH];

/// Polls [`MESSAGES`] messages that were sent before the run, so that only the polling is measured.
struct Poll {
    publication: ExclusivePublication,
    image: Image,
    /// The position after the last message.
    limit: i64,
    /// Polls the image up to that position. Returns a sum over the messages, which must have been read for it.
    poll: fn(&mut Image, i64) -> i64,
}

impl Case for Poll {
    fn prepare(&mut self) {
        for _ in 0..MESSAGES {
            self.limit = send(|| self.publication.offer(&MESSAGE));
        }
    }

    fn run(&mut self) {
        black_box((self.poll)(&mut self.image, self.limit));
        assert_eq!(self.image.position(), self.limit);
    }
}

fn poll(stage: &Stage, poll: fn(&mut Image, i64) -> i64) -> Box<dyn Case> {
    let (publication, subscription) = stage.exclusive_stream();
    let image = image(subscription, publication.session_id());
    Box::new(Poll { publication, image, limit: 0, poll })
}

pub fn poll_rust(stage: &Rc<Stage>) -> Box<dyn Case> {
    poll(stage, |image, limit| {
        let (mut messages, mut sum, mut position) = (0, 0_i64, 0);
        while messages < MESSAGES {
            let polled = image.bounded_controlled_poll(limit, FRAGMENT_LIMIT, |message, header| {
                let first = message.first_chunk().map_or(0, |first| i64::from_le_bytes(*first));
                messages += 1;
                sum = sum.wrapping_add(first.wrapping_add(message.len() as i64));
                position = header.position();
                Action::Continue
            });
            polled.expect("an image that works");
        }
        sum.wrapping_add(position)
    })
}

pub fn poll_c(stage: &Rc<Stage>) -> Box<dyn Case> {
    poll(stage, |image, limit| native::poll(image, limit, MESSAGES))
}

/// Sends [`MESSAGES`] messages. Room for them is made before the run, so that no send of a run is back pressured.
struct Send<P> {
    publication: P,
    subscription: Subscription,
    /// How many bytes the publication can send now.
    room: fn(&P) -> i64,
    /// Sends all messages of a run.
    send: fn(&mut P),
}

impl<P> Case for Send<P> {
    fn prepare(&mut self) {
        // With room to spare, since padding at the ends of terms takes some.
        make_room(&mut self.subscription, 2 * BYTES, || (self.room)(&self.publication));
    }

    fn run(&mut self) {
        (self.send)(&mut self.publication);
    }
}

fn shared(stage: &Stage, send: fn(&mut Publication)) -> Box<dyn Case> {
    let (publication, subscription) = stage.stream();
    Box::new(Send { publication, subscription, room, send })
}

fn exclusive(stage: &Stage, send: fn(&mut ExclusivePublication)) -> Box<dyn Case> {
    let (publication, subscription) = stage.exclusive_stream();
    let room = |publication: &ExclusivePublication| {
        until("a position", || publication.position_limit().ok()) - publication.position().unwrap_or(0)
    };
    Box::new(Send { publication, subscription, room, send })
}

/// Calls `send` until [`MESSAGES`] messages were sent. At the end of a term Aeron refuses a message, which is then sent again.
#[inline]
fn repeat(mut send: impl FnMut() -> Result<i64, OfferError>) {
    let mut sent = 0;
    while sent < MESSAGES {
        match send() {
            Ok(_) => sent += 1,
            Err(OfferError::AdminAction) => {}
            Err(reason) => panic!("refused: {reason}"),
        }
    }
}

pub fn offer_rust(stage: &Rc<Stage>) -> Box<dyn Case> {
    shared(stage, |publication| repeat(|| publication.offer(&MESSAGE)))
}

pub fn offer_c(stage: &Rc<Stage>) -> Box<dyn Case> {
    shared(stage, |publication| native::offer(publication, &MESSAGE, MESSAGES))
}

pub fn claim_rust(stage: &Rc<Stage>) -> Box<dyn Case> {
    shared(stage, |publication| {
        repeat(|| {
            let mut claim = publication.try_claim(LENGTH)?;
            claim.copy_from_slice(&MESSAGE);
            Ok(claim.commit())
        });
    })
}

pub fn claim_c(stage: &Rc<Stage>) -> Box<dyn Case> {
    shared(stage, |publication| native::claim(publication, &MESSAGE, MESSAGES))
}

pub fn exclusive_offer_rust(stage: &Rc<Stage>) -> Box<dyn Case> {
    exclusive(stage, |publication| repeat(|| publication.offer(&MESSAGE)))
}

pub fn exclusive_offer_c(stage: &Rc<Stage>) -> Box<dyn Case> {
    exclusive(stage, |publication| native::exclusive_offer(publication, &MESSAGE, MESSAGES))
}

pub fn exclusive_claim_rust(stage: &Rc<Stage>) -> Box<dyn Case> {
    exclusive(stage, |publication| {
        repeat(|| {
            let mut claim = publication.try_claim(LENGTH)?;
            claim.copy_from_slice(&MESSAGE);
            Ok(claim.commit())
        });
    })
}

pub fn exclusive_claim_c(stage: &Rc<Stage>) -> Box<dyn Case> {
    exclusive(stage, |publication| native::exclusive_claim(publication, &MESSAGE, MESSAGES))
}
