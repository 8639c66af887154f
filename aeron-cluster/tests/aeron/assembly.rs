//! Long messages of several senders, taken apart by the driver and put together again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aeron_cluster::aeron::{Action, ExclusivePublication, FragmentAssembler, FrameFlags, OfferError, Subscription};

use crate::rig::{Rig, until};

const STREAM: i32 = 10;
const MESSAGES: u32 = 60;

/// A message that says who sent it and which it is, of a length that differs from message to message.
fn message(sender: u32, number: u32, longest: usize) -> Vec<u8> {
    let length = 8 + (number as usize * 1777 + sender as usize * 501) % (longest - 8);
    let mut bytes: Vec<u8> = (0..length).map(|at| (at as u32 ^ number ^ sender << 4) as u8).collect();
    bytes[..4].copy_from_slice(&sender.to_le_bytes());
    bytes[4..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Two senders whose fragments a subscriber takes a few at a time, so that they interleave.
struct Talk {
    senders: [ExclusivePublication; 2],
    subscription: Subscription,
    sent: [u32; 2],
    received: [u32; 2],
}

impl Talk {
    fn new(rig: &Rig) -> Talk {
        let subscription = rig.aeron.add_subscription("aeron:ipc", STREAM).unwrap();
        let senders = [(); 2].map(|()| rig.aeron.add_exclusive_publication("aeron:ipc", STREAM).unwrap());
        until("the images", || subscription.image_count() == 2);
        Talk { senders, subscription, sent: [0; 2], received: [0; 2] }
    }

    fn longest(&self) -> usize {
        self.senders[0].max_message_length()
    }

    /// Sends what there is room for.
    fn send(&mut self) {
        let longest = self.longest();
        for (index, sender) in self.senders.iter_mut().enumerate() {
            while self.sent[index] < MESSAGES {
                match sender.offer(&message(index as u32, self.sent[index], longest)) {
                    Ok(_) => self.sent[index] += 1,
                    Err(OfferError::BackPressured | OfferError::AdminAction) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.received == [MESSAGES; 2]
    }
}

/// Takes all messages, each of which `answer` may refuse before it is taken.
fn talk(mut answer: impl FnMut(u32) -> Action) {
    let rig = Rig::new();
    let mut talk = Talk::new(&rig);
    let mut assembler = FragmentAssembler::new();
    until("all messages", || {
        talk.send();
        let longest = talk.longest();
        let Talk { subscription, received, senders, .. } = &mut talk;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            subscription.controlled_poll(3, |fragment, header| {
                assembler.on_fragment(fragment, header, |bytes, header| {
                    let sender = u32::from_le_bytes(bytes[..4].try_into().unwrap());
                    let expected = &mut received[sender as usize];
                    assert_eq!(bytes, message(sender, *expected, longest), "message {expected} of {sender}");
                    assert_eq!(header.session_id(), senders[sender as usize].session_id());
                    assert!(header.flags().contains(FrameFlags::UNFRAGMENTED));
                    assert_eq!(header.frame_length() as usize, bytes.len() + 32);
                    let action = answer(*expected);
                    *expected += u32::from(action != Action::Abort);
                    action
                })
            })
        }));
        match polled {
            Ok(polled) => assert!(polled.is_ok()),
            Err(payload) => assert!(payload.is::<Refused>(), "{:?}", payload.downcast_ref::<String>()),
        }
        talk.is_over()
    });
}

/// What a handler panics with that is meant to.
struct Refused;

#[test]
fn long_messages_of_two_senders_do_not_mix() {
    talk(|_| Action::Continue);
}

#[test]
fn long_messages_that_are_refused_come_again_whole() {
    let mut calls = 0;
    talk(|number| {
        calls += 1;
        match calls % 3 {
            0 => Action::Abort,
            1 => std::panic::panic_any(Refused),
            _ if number % 2 == 0 => Action::Break,
            _ => Action::Commit,
        }
    });
}
