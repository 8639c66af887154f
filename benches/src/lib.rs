//! Measurements of `aeron-cluster`.
//!
//! A [`Case`] is a piece of work that is repeated. `cargo bench -p aeron-cluster-benches` times it. The program `instructions` counts its
//! instructions and compares them with the checked-in counts and with those of the same loop in C.

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

/// The number of messages of a run.
pub const MESSAGES: u64 = 2_000;
/// The length of a message, in bytes.
pub const LENGTH: usize = 64;

/// A piece of work to measure.
pub trait Case {
    /// Prepares a run. Not measured.
    fn prepare(&mut self);

    /// Runs once, which is measured: handles [`MESSAGES`] messages, or for an echo case as many as its [`Stage`] was started for.
    fn run(&mut self);
}

/// Creates a case.
pub type Make = fn(&Rc<Stage>) -> Box<dyn Case>;

/// All cases by name. If there is the same loop in C, the names end in `/rust` and `/c`.
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

/// Bars for instruction counts: `(case, other case, maximum ratio of the first to the second)`.
pub const BARS: &[(&str, &str, f64)] = &[
    ("poll/rust", "poll/c", 1.05),
    ("offer/rust", "offer/c", 1.05),
    ("claim/rust", "claim/c", 1.05),
    ("exclusive_offer/rust", "exclusive_offer/c", 1.05),
    ("exclusive_claim/rust", "exclusive_claim/c", 1.05),
];
