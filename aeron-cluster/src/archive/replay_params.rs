//! Which part of a recording is replayed, and how.

use std::mem::MaybeUninit;

use aeron_sys as sys;

use super::check;
use super::guard::{id, invalid, position};
use crate::Result;

/// A length that C takes for "up to where the recording is now" (`ARCHIVE_REPLAY_ALL_AND_STOP`).
const ALL_AND_STOP: i64 = sys::ARCHIVE_REPLAY_ALL_AND_STOP as i64;

/// How much is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(i64),
    UntilNow,
}

/// Which part of a recording is replayed, and how. By default all of it, following an active recording as it grows. Mirrors
/// `ReplayParams` and `aeron_archive_replay_params_t`.
///
/// ```
/// use aeron_cluster::archive::ReplayParams;
/// let params = ReplayParams::new().position(0).length(64 * 1024);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayParams {
    position: Option<i64>,
    length: Option<Length>,
    bounding_limit_counter_id: Option<i32>,
    file_io_max_length: Option<i32>,
    replay_token: Option<i64>,
    subscription_registration_id: Option<i64>,
}

impl ReplayParams {
    /// The whole recording, following it as it grows.
    pub fn new() -> Self {
        ReplayParams::default()
    }

    /// The position at which the replay starts; it must be the start of a fragment. Default: the start of the recording.
    #[must_use]
    pub fn position(mut self, position: i64) -> Self {
        self.position = Some(position);
        self
    }

    /// The most bytes of the stream to replay; `i64::MAX` follows an active recording.
    #[must_use]
    pub fn length(mut self, length: i64) -> Self {
        self.length = Some(Length::Bytes(length));
        self
    }

    /// Ends the replay at the position that an active recording has when the replay starts. Mirrors `AeronArchive.REPLAY_ALL_AND_STOP`.
    #[must_use]
    pub fn until_now(mut self) -> Self {
        self.length = Some(Length::UntilNow);
        self
    }

    /// Bounds the replay by a counter of the archive's media driver. The archive trusts the
    /// counter, so its value must not exceed what is recorded. Mirrors `AeronArchive.startBoundedReplay`.
    #[must_use]
    pub fn bounding_limit_counter_id(mut self, counter_id: i32) -> Self {
        self.bounding_limit_counter_id = Some(counter_id);
        self
    }

    /// The most bytes that the archive reads from disk at a time. Default: the archive's setting.
    #[must_use]
    pub fn file_io_max_length(mut self, length: i32) -> Self {
        self.file_io_max_length = Some(length);
        self
    }

    /// The token of a replay that is requested over another publication. [`replay`](super::Archive::replay) sets it by itself.
    #[must_use]
    pub fn replay_token(mut self, token: i64) -> Self {
        self.replay_token = Some(token);
        self
    }

    /// The [`registration_id`](crate::aeron::Subscription::registration_id) of the subscription that receives the replay over a response channel, and
    /// that must be added before the replay. [`replay`](super::Archive::replay) sets it by itself.
    #[must_use]
    pub fn subscription_registration_id(mut self, registration_id: i64) -> Self {
        self.subscription_registration_id = Some(registration_id);
        self
    }

    /// The subscription of a replay over a response channel.
    pub(super) fn response_subscription(&self, doing: impl std::fmt::Display) -> Result<i64> {
        self.subscription_registration_id.ok_or_else(|| {
            invalid(format!(
                "{doing}: a response channel needs ReplayParams::subscription_registration_id, that of a subscription which was added to it"
            ))
        })
    }

    /// What C is given: the values, or its own "none".
    pub(super) fn native(&self, doing: impl std::fmt::Display) -> Result<sys::aeron_archive_replay_params_t> {
        let mut params = MaybeUninit::uninit();
        // SAFETY: aeron_archive_replay_params_init writes every field and gives 0 (aeron_archive_replay_params.c).
        let mut params = unsafe {
            check(sys::aeron_archive_replay_params_init(params.as_mut_ptr()), doing)?;
            params.assume_init()
        };
        if let Some(start) = self.position {
            params.position = position("replay position", start)?;
        }
        match self.length {
            Some(Length::Bytes(length)) => params.length = position("replay length", length)?,
            Some(Length::UntilNow) => params.length = ALL_AND_STOP,
            None => {}
        }
        if let Some(counter_id) = self.bounding_limit_counter_id {
            id("bounding counter", i64::from(counter_id))?;
            params.bounding_limit_counter_id = counter_id;
        }
        if let Some(length) = self.file_io_max_length {
            if length <= 0 {
                return Err(invalid(format!("file I/O length {length} is not positive")));
            }
            params.file_io_max_length = length;
        }
        params.replay_token = self.replay_token.unwrap_or(params.replay_token);
        if let Some(registration_id) = self.subscription_registration_id {
            params.subscription_registration_id = registration_id;
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_c_would_take_for_something_else_are_refused() {
        assert!(ReplayParams::new().position(-1).native("test").is_err());
        assert!(ReplayParams::new().length(-2).native("test").is_err());
        assert!(ReplayParams::new().bounding_limit_counter_id(-1).native("test").is_err());
        assert!(ReplayParams::new().file_io_max_length(0).native("test").is_err());
        let params = ReplayParams::new().until_now().native("test").unwrap();
        assert_eq!((params.position, params.length, params.bounding_limit_counter_id), (-1, -2, -1));
    }
}
