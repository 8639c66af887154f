//! A safe Aeron client: a wrapper around the official C client that cannot be misused from safe code.
//!
//! [`Aeron`] is a client of a media driver; it adds [`Publication`]s, [`ExclusivePublication`]s, [`Subscription`]s and
//! [`Counter`]s. Every handle keeps its client alive: the client closes after the last of its handles is gone, never
//! before, and never on the conductor thread.
//!
//! The client's conductor, which talks to the driver, runs on a thread of its own, or else the program runs it ([`Aeron::do_work`]).
//!
//! If the driver dies, the process goes on: [`Aeron::is_closed`] becomes true, sends return [`OfferError::Closed`], and polls deliver
//! nothing.
#![allow(unsafe_code)]

mod async_add;
mod block;
mod c_text;
mod callback;
mod channel_builder;
mod channel_status;
mod channel_uri;
mod claim;
mod client;
mod cnc;
mod conductor_handlers;
mod conductor_idle_strategy;
mod context;
mod counter;
mod counters;
mod destination;
pub(crate) mod distinct_errors;
mod exclusive_publication;
mod fragment_assembler;
#[cfg(feature = "testing")]
pub(crate) mod fuzzing;
mod handle;
mod header;
mod heartbeat;
mod idle;
mod image;
mod image_handlers;
mod image_ref;
mod invoker;
mod look_ahead;
#[cfg(doctest)]
mod misuse;
mod native_context;
mod native_error;
mod offer;
mod prefetch;
mod publication;
mod publication_constants;
mod reserved_value;
mod session_id;
mod settings;
mod shared_bytes;
mod subscription;
mod trampoline;
mod version;

pub use async_add::AsyncAdd;
pub use block::Block;
pub(crate) use c_text::c_string;
pub(crate) use channel_builder::check_term_length;
pub use channel_status::ChannelStatus;
pub use channel_uri::ChannelUri;
pub(crate) use channel_uri::native_channel;
pub use claim::BufferClaim;
pub use client::Aeron;
pub(crate) use cnc::one_at_a_time;
pub use cnc::{CncConstants, CncFile, DistinctError, Loss, default_dir, request_driver_termination};
#[cfg(feature = "driver")]
pub(crate) use cnc::{check_leftover, native_dir};
pub use conductor_handlers::{CounterEvent, HandlerId, PublicationError, Registered, RegisteredKind};
pub use conductor_idle_strategy::ConductorIdleStrategy;
pub use context::Context;
pub use counter::Counter;
pub use counters::{CounterState, CounterView, CountersReader, ReadableCounter};
pub use destination::AsyncDestination;
pub use exclusive_publication::ExclusivePublication;
pub use fragment_assembler::{FragmentAssembler, ImageFragmentAssembler};
pub use header::{FrameFlags, Header};
pub(crate) use heartbeat::driver_is_alive;
pub use idle::{
    BackoffIdleStrategy, BusySpinIdleStrategy, IdleStrategy, NoOpIdleStrategy, SleepingIdleStrategy,
    YieldingIdleStrategy,
};
pub use image::Image;
pub(crate) use image::poll_native_image;
pub use image_handlers::{ImageHandlers, ImageView};
pub use image_ref::ImageRef;
pub(crate) use look_ahead::LookAhead;
pub(crate) use native_context::clock_nanos;
#[cfg(feature = "driver")]
pub(crate) use native_error::check;
pub(crate) use native_error::{LAST_REGISTRATION_CODE, kind_of, last_error};
pub use offer::OfferError;
pub(crate) use offer::total_length;
pub(crate) use prefetch::prefetch;
pub use publication::Publication;
pub use session_id::AsyncSessionId;
pub use settings::Settings;
pub(crate) use shared_bytes::SharedBytes;
pub use subscription::Subscription;
pub(crate) use subscription::poll_native;
pub use trampoline::Action;
pub(crate) use trampoline::Slot;
pub use version::{commit, version};

pub(crate) use fragment_assembler::MessageBuilder;

/// The length of the header at the start of every frame of a log buffer, in bytes (`DataHeaderFlyweight.HEADER_LENGTH`).
pub const DATA_HEADER_LENGTH: usize = 32;
/// Frames start at multiples of this length, in bytes (`FrameDescriptor.FRAME_ALIGNMENT`).
pub const FRAME_ALIGNMENT: usize = 32;
/// Stands for "no value" in signed numbers of the protocol (`Aeron.NULL_VALUE`).
pub const NULL_VALUE: i64 = -1;
