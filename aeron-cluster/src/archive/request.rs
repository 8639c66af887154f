//! Requests to an archive that are polled for their answer.

use std::ffi::CString;
use std::time::{Duration, Instant};

use aeron_sys as sys;

use super::client::{Archive, SourceLocation};
use super::error_code::native_code;
use super::proxy::{Proxy, ReplayRequest};
use super::replay_params::ReplayParams;
use super::response::{Answer, ControlResponse};
use super::response_replay::ResponseReplay;
use crate::aeron::{Action, kind_of, native_channel};
use crate::{Error, ErrorKind, Result};

/// Answers taken at a time, as `AERON_ARCHIVE_CONTROL_RESPONSE_POLLER_FRAGMENT_LIMIT_DEFAULT`.
const FRAGMENT_LIMIT: usize = 10;
// Of a header of the C archive client that is not installed (aeron_archive_client.h).
unsafe extern "C" {
    fn aeron_archive_next_correlation_id(archive: *mut sys::aeron_archive_t) -> i64;
}

/// The request.
#[derive(Debug)]
enum Request {
    Recording { channel: CString, stream_id: i32, location: SourceLocation, auto_stop: bool },
    Replay(ReplayRequest),
    ResponseReplay(Box<ResponseReplay>),
}

/// A pending request, made by [`Archive::request_recording`] or [`Archive::request_replay`].
///
/// Poll it until it returns the answer or an error. Until then make no other request over the same connection. If it is dropped before that, the
/// archive may still carry it out; a late answer does not disturb later requests. The C client only has requests that block.
///
/// ```no_run
/// # use aeron_cluster::archive::{Archive, ReplayParams};
/// # fn replay(archive: &mut Archive, mut do_something_else: impl FnMut()) -> aeron_cluster::Result<i64> {
/// let mut request = archive.request_replay(7, "aeron:ipc", 1001, &ReplayParams::new())?;
/// loop {
///     if let Some(replay_session_id) = request.poll(archive)? {
///         return Ok(replay_session_id);
///     }
///     do_something_else();
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the answer comes by polling it"]
pub struct PendingRequest {
    request: Request,
    doing: String,
    control_session_id: i64,
    correlation_id: i64,
    timeout: Duration,
    deadline: Instant,
    is_sent: bool,
    is_over: bool,
}

impl Archive {
    /// As [`start_recording`](Self::start_recording), without blocking: polling the result sends the request and returns the answer.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a channel that cannot be sent.
    pub fn request_recording(
        &mut self,
        channel: &str,
        stream_id: i32,
        location: SourceLocation,
        auto_stop: bool,
    ) -> Result<PendingRequest> {
        let doing = format!("cannot start to record {channel} stream {stream_id}");
        let channel = native_channel(channel, "recording channel")?;
        Ok(self.pending(doing, Request::Recording { channel, stream_id, location, auto_stop }))
    }

    /// As [`start_replay`](Self::start_replay), without blocking: polling the result sends the request and returns the answer. For a response
    /// channel polls also add, and close, a publication of its own.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a channel that cannot be sent, and for one with `control-mode=response` without
    /// [`ReplayParams::subscription_registration_id`], or of another media than the archive's control channel.
    pub fn request_replay(
        &mut self,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        params: &ReplayParams,
    ) -> Result<PendingRequest> {
        let doing = format!("cannot start to replay the recording {recording_id} on {channel} stream {stream_id}");
        let is_response = self.is_response_channel(channel)?;
        let channel = native_channel(channel, "replay channel")?;
        let replay = ReplayRequest { recording_id, channel, stream_id, params: params.native(&doing)? };
        let request = if is_response {
            let registration_id = params.response_subscription(&doing)?;
            Request::ResponseReplay(Box::new(ResponseReplay::new(self, replay, registration_id)?))
        } else {
            Request::Replay(replay)
        };
        Ok(self.pending(doing, request))
    }

    fn pending(&mut self, doing: String, request: Request) -> PendingRequest {
        let (control_session_id, correlation_id) = (self.control_session_id(), self.next_correlation_id());
        let timeout = self.message_timeout();
        let deadline = Instant::now() + timeout;
        PendingRequest {
            request,
            doing,
            control_session_id,
            correlation_id,
            timeout,
            deadline,
            is_sent: false,
            is_over: false,
        }
    }

    fn next_correlation_id(&self) -> i64 {
        // SAFETY: the connection is live as long as `self`, and its client with it.
        unsafe { aeron_archive_next_correlation_id(self.as_ptr()) }
    }
}

impl PendingRequest {
    /// Sends the request if that is not done yet, and returns the archive's answer; `None` means not yet. Does not block; runs the client's
    /// conductor if that has no thread. The answer is the id of the recording subscription or of the replay, as from
    /// [`Archive::start_recording`] and [`Archive::start_replay`].
    ///
    /// # Errors
    ///
    /// - [`Archive`](ErrorKind::Archive) or [`StorageSpace`](ErrorKind::StorageSpace): the archive refused, with its message;
    /// - [`Timeout`](ErrorKind::Timeout): no answer within the message timeout;
    /// - [`NotConnected`](ErrorKind::NotConnected): the archive went away; [`Closed`](ErrorKind::Closed): the client ended;
    /// - [`State`](ErrorKind::State): the answer, or an error, was already returned;
    /// - [`InvalidArgument`](ErrorKind::InvalidArgument): `archive` is not the connection that the request was made with; it can still be polled
    ///   with that one.
    pub fn poll(&mut self, archive: &mut Archive) -> Result<Option<i64>> {
        if self.is_over {
            return Err(self.error(ErrorKind::State, "it was answered already"));
        }
        if archive.control_session_id() != self.control_session_id {
            return Err(self.error(ErrorKind::InvalidArgument, "it was made with another connection to an archive"));
        }
        let polled = self.step(archive);
        self.is_over = !matches!(polled, Ok(None));
        polled
    }

    fn step(&mut self, archive: &mut Archive) -> Result<Option<i64>> {
        archive.aeron().check_process()?;
        archive.aeron().drive();
        if archive.aeron().is_closed() {
            return Err(self.error(ErrorKind::Closed, "the Aeron client is closed"));
        }
        if !self.is_sent {
            self.is_sent = self.send(archive)?;
        }
        if let Some(answer) = self.answer(archive)? {
            return self.on_answer(archive, answer?);
        }
        if !archive.is_connected() {
            return Err(self.error(ErrorKind::NotConnected, "the archive went away"));
        }
        if Instant::now() > self.deadline {
            let what = if self.is_sent { "did not answer" } else { "did not take the request" };
            let message = format!("the archive {what} within its message timeout of {:?}", self.timeout);
            return Err(self.error(ErrorKind::Timeout, &message));
        }
        Ok(None)
    }

    /// Makes one attempt to send the request. Returns whether it was sent.
    fn send(&mut self, archive: &Archive) -> Result<bool> {
        let id = self.correlation_id;
        let sent = match &mut self.request {
            Request::Recording { channel, stream_id, location, auto_stop } => {
                Proxy::of(archive)?.start_recording(id, channel, *stream_id, *location, *auto_stop)
            }
            Request::Replay(replay) => Proxy::of(archive)?.replay(id, replay),
            Request::ResponseReplay(replay) => replay.send(archive, id),
        };
        // C passes the time where it tries again.
        archive.callbacks().finish()?;
        sent.map_err(|error| error.context(&self.doing))
    }

    /// What the archive's answer means: the end, or that there is another request to make.
    fn on_answer(&mut self, archive: &Archive, id: i64) -> Result<Option<i64>> {
        let Request::ResponseReplay(replay) = &mut self.request else { return Ok(Some(id)) };
        let answer = replay.on_answer(archive, id).map_err(|error| error.context(&self.doing))?;
        if answer.is_none() {
            (self.correlation_id, self.is_sent) = (archive.next_correlation_id(), false);
        }
        Ok(answer)
    }

    /// The answer to this request, if it is there. Other answers are late ones, to requests that were dropped.
    fn answer(&self, archive: &mut Archive) -> Result<Option<Result<i64>>> {
        let mut answer = None;
        archive.poll_responses(FRAGMENT_LIMIT, |message| match ControlResponse::decode(message) {
            Some(response)
                if response.control_session_id == self.control_session_id
                    && response.correlation_id == self.correlation_id =>
            {
                answer = Some(self.result(response.answer));
                Action::Break
            }
            _ => Action::Continue,
        })?;
        Ok(answer)
    }

    fn result(&self, answer: Answer<'_>) -> Result<i64> {
        match answer {
            Answer::Done(id) => Ok(id),
            Answer::Refused(code, words) => {
                let known = native_code(code);
                let kind = known.map_or(ErrorKind::Archive, kind_of);
                let native = known.unwrap_or_else(|| i32::try_from(code).map_or(0, i32::wrapping_neg));
                let words = String::from_utf8_lossy(words);
                Err(Error::with_code(kind, native, format!("{}: errorCode={code}, error: {words}", self.doing)))
            }
            Answer::Unexpected(code) => {
                Err(self.error(ErrorKind::Archive, &format!("unexpected response code: {code}")))
            }
        }
    }

    fn error(&self, kind: ErrorKind, why: &str) -> Error {
        Error::new(kind, format!("{}: {why}", self.doing))
    }
}
