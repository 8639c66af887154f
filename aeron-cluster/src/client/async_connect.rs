//! Opening a client's first session without blocking.

use std::fmt;

use super::cluster::AeronCluster;
use super::connect_state::ConnectState;
use super::connecting::Connecting;
use super::settings::Settings;
use crate::aeron::IdleStrategy as _;
use crate::error::{Error, ErrorKind, Result};

/// A session being opened. Mirrors `AeronCluster.AsyncConnect`.
///
/// [Poll](Self::poll) it until it returns the client or an error. Dropping or [closing](Self::close) it before that closes what it
/// has opened. If the cluster has opened the session by then, it may stay open there until the cluster's session timeout.
#[must_use = "dropping it gives the connection up"]
pub struct AsyncConnect {
    under_way: Option<(Settings, Connecting)>,
    state: ConnectState,
}

impl AsyncConnect {
    pub(super) fn new(settings: Settings) -> Self {
        let connecting = Connecting::new(&settings);
        Self { state: connecting.state(), under_way: Some((settings, connecting)) }
    }

    /// How far connecting has come.
    pub fn state(&self) -> ConnectState {
        self.state
    }

    /// The number of [`state`](Self::state) in Java: −1 to 5.
    pub fn step(&self) -> i32 {
        self.state.step()
    }

    /// Does the next step, and returns the client once the session is open. Does not block.
    ///
    /// # Errors
    ///
    /// As [`AeronCluster::connect`]. An error is final: everything that was opened is closed, and polling again is an error.
    pub fn poll(&mut self) -> Result<Option<AeronCluster>> {
        let Some((settings, mut connecting)) = self.under_way.take() else {
            let message = format!("connecting is over: state={}", self.state);
            return Err(Error::new(ErrorKind::State, message));
        };
        let connected = connecting.poll(&settings)?;
        self.state = connecting.state();
        match connected {
            Some(connected) => Ok(Some(AeronCluster::new(settings, connected))),
            None => {
                self.under_way = Some((settings, connecting));
                Ok(None)
            }
        }
    }

    /// Abandons the attempt. The same as dropping it.
    pub fn close(self) {}

    pub(super) fn wait(mut self) -> Result<AeronCluster> {
        let mut state = self.state;
        loop {
            if let Some(cluster) = self.poll()? {
                return Ok(cluster);
            }
            let Some((settings, _)) = &mut self.under_way else { continue };
            if state == self.state {
                settings.idle_strategy.idle(0);
            } else {
                settings.idle_strategy.reset();
                state = self.state;
            }
        }
    }
}

impl fmt::Debug for AsyncConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncConnect").field("state", &self.state).finish_non_exhaustive()
    }
}
