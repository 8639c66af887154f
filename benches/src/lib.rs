//! Measurements of `aeron-cluster`.
//!
//! A [`Case`] is a piece of work that is done again and again. `cargo bench -p aeron-cluster-benches` tells its time; the program
//! `instructions` counts its instructions and compares them with the checked-in ones, and ours with those of the same loop in C.

mod codec;
mod container;
pub mod native;
mod stage;
mod streams;
#[path = "../../aeron-cluster/tests/support/until.rs"]
mod until;

use std::rc::Rc;

pub use container::{echo_c, echo_rust};
pub use stage::Stage;

/// Messages of a run.
pub const MESSAGES: u64 = 2_000;
/// Bytes of a message.
pub const LENGTH: usize = 64;

/// Something to measure.
pub trait Case {
    /// Puts in place what a run works on. Not measured.
    fn prepare(&mut self);

    /// Handles [`MESSAGES`] messages; if it is an echo, as many as its [`Stage`] is for. Measured.
    fn run(&mut self);
}

/// Makes a case.
pub type Make = fn(&Rc<Stage>) -> Box<dyn Case>;

/// All cases. One that has a loop in C beside it is called `…/rust`, and that loop `…/c`.
pub const CASES: &[(&str, Make)] = &[
    ("codec/decode_session_message", codec::decode_session_message),
    ("codec/decode_timer_event", codec::decode_timer_event),
    ("codec/decode_egress_message", codec::decode_egress_message),
    ("codec/decode_control_event", codec::decode_control_event),
    ("codec/encode_session_header", codec::encode_session_header),
    ("codec/encode_service_ack", codec::encode_service_ack),
    ("codec/encode_schedule_timer", codec::encode_schedule_timer),
    ("poll/rust", streams::poll_rust),
    ("poll/c", streams::poll_c),
    ("offer/rust", streams::offer_rust),
    ("offer/c", streams::offer_c),
    ("claim/rust", streams::claim_rust),
    ("claim/c", streams::claim_c),
    ("exclusive_offer/rust", streams::exclusive_offer_rust),
    ("exclusive_offer/c", streams::exclusive_offer_c),
    ("exclusive_claim/rust", streams::exclusive_claim_rust),
    ("exclusive_claim/c", streams::exclusive_claim_c),
    ("echo/rust", container::echo_rust),
    ("echo/c", container::echo_c),
    ("apply/10_sessions", container::apply_with_10_sessions),
    ("apply/10000_sessions", container::apply_with_10_000_sessions),
    ("apply/timers", container::apply_timers),
];

/// How many instructions a case may take beside another: `(this, that, at most so many times as many)`.
pub const BARS: &[(&str, &str, f64)] = &[
    ("poll/rust", "poll/c", 1.05),
    ("offer/rust", "offer/c", 1.05),
    ("claim/rust", "claim/c", 1.05),
    ("exclusive_offer/rust", "exclusive_offer/c", 1.05),
    ("exclusive_claim/rust", "exclusive_claim/c", 1.05),
];
