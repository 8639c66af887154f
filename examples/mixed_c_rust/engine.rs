//! The C half of the program, wrapped for Rust.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use aeron_cluster::aeron::Aeron;
use anyhow::{Context as _, Result, bail};

/// `engine_t`.
#[repr(C)]
struct Native {
    _opaque: [u8; 0],
}

/// The state of the auction: `engine_state_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The best bid.
    pub best: i64,
    /// How many bids there were.
    pub bids: i64,
}

impl State {
    /// Encodes the state for messages and snapshots.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.best.to_le_bytes());
        bytes[8..].copy_from_slice(&self.bids.to_le_bytes());
        bytes
    }

    /// Decodes the state from a message or snapshot.
    pub fn from_bytes(bytes: &[u8]) -> Result<State> {
        let (best, bids) = bytes.split_first_chunk().context("a state has 16 bytes")?;
        Ok(State { best: i64::from_le_bytes(*best), bids: i64::from_le_bytes(bids.try_into()?) })
    }
}

#[link(name = "mixed_engine", kind = "static")]
unsafe extern "C" {
    fn engine_create(aeron: *mut aeron_sys::aeron_t, channel: *const c_char, stream_id: i32) -> *mut Native;
    fn engine_destroy(engine: *mut Native);
    fn engine_load(engine: *mut Native, state: *const State);
    fn engine_bid(engine: *mut Native, amount: i64) -> State;
    fn engine_state(engine: *const Native) -> State;
    fn engine_poll(engine: *mut Native) -> c_int;
}

/// The auction. It shares the container's Aeron client, and keeps it open.
pub struct Engine {
    raw: NonNull<Native>,
    // After `raw`, which publishes through it until it is destroyed.
    _aeron: Aeron,
}

// SAFETY: the engine is memory without ties to a thread, and what it has of Aeron may be used from any; only its owner reaches it.
unsafe impl Send for Engine {}

impl Engine {
    /// Creates an auction without bids.
    pub fn new(aeron: &Aeron, channel: &CStr, stream_id: i32) -> Result<Engine> {
        // SAFETY: the client lives as long as the clone that is kept; C copies the channel.
        let raw = unsafe { engine_create(aeron.as_ptr(), channel.as_ptr(), stream_id) };
        let raw = NonNull::new(raw).context("the C engine cannot be made: Aeron refuses its publication")?;
        Ok(Engine { raw, _aeron: aeron.clone() })
    }

    /// Sets the state from a snapshot.
    pub fn load(&mut self, state: State) {
        // SAFETY: the engine is live and ours; C copies the state.
        unsafe { engine_load(self.raw.as_ptr(), &state) };
    }

    /// Makes a bid. Returns the new state.
    pub fn bid(&mut self, amount: i64) -> State {
        // SAFETY: the engine is live and ours.
        unsafe { engine_bid(self.raw.as_ptr(), amount) }
    }

    /// The state of the auction.
    pub fn state(&self) -> State {
        // SAFETY: the engine is live.
        unsafe { engine_state(self.raw.as_ptr()) }
    }

    /// Lets the C side publish. Returns the amount of work done.
    pub fn poll(&mut self) -> Result<usize> {
        // SAFETY: the engine is live and ours, and its client is open.
        match unsafe { engine_poll(self.raw.as_ptr()) } {
            work if work >= 0 => Ok(work as usize),
            _ => bail!("the C engine cannot publish"),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: the engine is live and not used again; the client is let go after it.
        unsafe { engine_destroy(self.raw.as_ptr()) };
    }
}
