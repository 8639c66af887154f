//! A connection to an archive.

use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

use aeron_sys as sys;

use super::connect::AsyncConnect;
use super::context::{Context, NativeContext};
use super::recording::{RecordingDescriptor, on_descriptor};
use super::{check, failure};
use crate::Result;
use crate::aeron::{Action, Aeron, FragmentAssembler, NULL_VALUE, native_channel, poll_native};

/// How often a waiting connect takes its next step.
const POLL_INTERVAL: Duration = Duration::from_micros(200);
/// The longest error message of an archive that is kept.
const MAX_ERROR_LENGTH: usize = 8 * 1024;

/// Where the publication to be recorded is. Mirrors `SourceLocation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceLocation {
    /// On the archive's own media driver, of which it makes a spy.
    Local,
    /// Anywhere on the network.
    Remote,
}

impl SourceLocation {
    fn native(self) -> sys::aeron_archive_source_location_t {
        match self {
            SourceLocation::Local => sys::aeron_archive_source_location_en_AERON_ARCHIVE_SOURCE_LOCATION_LOCAL,
            SourceLocation::Remote => sys::aeron_archive_source_location_en_AERON_ARCHIVE_SOURCE_LOCATION_REMOTE,
        }
    }
}

/// A connection to an archive. Mirrors `AeronArchive` and `aeron_archive_t`.
///
/// Requests wait for the archive's answer, at most as long as the context's message timeout. All of them can fail with:
///
/// - [`NotConnected`](crate::ErrorKind::NotConnected): the archive went away; connect anew, this one is of no more use;
/// - [`Timeout`](crate::ErrorKind::Timeout): no answer in time;
/// - [`StorageSpace`](crate::ErrorKind::StorageSpace): the archive's disk is full;
/// - [`Archive`](crate::ErrorKind::Archive): the archive refused, the message says why.
///
/// Dropping it ends the session with the archive; what it records goes on, as far as no autostop ends it.
pub struct Archive {
    raw: NonNull<sys::aeron_archive_t>,
    // After `raw`, which works with it until it is closed.
    context: NativeContext,
    /// Of the answers that are polled for here, apart from C's own.
    assembler: FragmentAssembler,
}

// SAFETY: the C object is not bound to a thread: it locks a mutex within each call (aeron_archive_client.c), and only one
// owner calls it here.
unsafe impl Send for Archive {}

impl Archive {
    /// # Safety
    ///
    /// `raw` must be live and owned by nobody else, and connected with `context`.
    pub(super) unsafe fn new(raw: NonNull<sys::aeron_archive_t>, context: NativeContext) -> Self {
        Archive { raw, context, assembler: FragmentAssembler::new() }
    }

    /// Connects to the archive.
    ///
    /// # Blocking
    ///
    /// Up to the context's message timeout.
    ///
    /// # Errors
    ///
    /// As [`AsyncConnect::start`] and [`AsyncConnect::poll`].
    pub fn connect(context: &Context) -> Result<Archive> {
        let mut connect = AsyncConnect::start(context)?;
        loop {
            if let Some(archive) = connect.poll()? {
                return Ok(archive);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Ends the session with the archive, as dropping it does.
    pub fn close(self) {}

    /// The client it works through.
    pub fn aeron(&self) -> &Aeron {
        &self.context.aeron
    }

    /// The archive's id, by which its counters are told from those of other archives on the same media driver.
    pub fn archive_id(&self) -> i64 {
        // SAFETY: the connection is live as long as `self`.
        unsafe { sys::aeron_archive_get_archive_id(self.ptr()) }
    }

    /// The id of this session with the archive.
    pub fn control_session_id(&self) -> i64 {
        // SAFETY: as in `archive_id`.
        unsafe { sys::aeron_archive_control_session_id(self.ptr()) }
    }

    /// Starts to record publications of a channel and stream, also those that appear later. A channel with a session id
    /// means that session alone. With `auto_stop`, the archive ends the recording subscription with the first image.
    ///
    /// Returns the id of the recording subscription. Mirrors `AeronArchive.startRecording`.
    pub fn start_recording(
        &mut self,
        channel: &str,
        stream_id: i32,
        location: SourceLocation,
        auto_stop: bool,
    ) -> Result<i64> {
        let _turn = self.context.aeron.turn()?;
        let mut id = NULL_VALUE;
        let native = native_channel(channel, "recording channel")?;
        // SAFETY: the connection is live, C writes the id and copies the string into its request.
        let result = unsafe {
            sys::aeron_archive_start_recording(
                &mut id,
                self.ptr(),
                native.as_ptr(),
                stream_id,
                location.native(),
                auto_stop,
            )
        };
        check(result, format_args!("cannot start to record {channel} stream {stream_id}"))?;
        Ok(id)
    }

    /// Ends a recording subscription, by the id that [`start_recording`](Self::start_recording) gave. Mirrors
    /// `AeronArchive.stopRecording`.
    pub fn stop_recording(&mut self, subscription_id: i64) -> Result<()> {
        let _turn = self.context.aeron.turn()?;
        // SAFETY: the connection is live.
        let result = unsafe { sys::aeron_archive_stop_recording_subscription(self.ptr(), subscription_id) };
        check(result, format_args!("cannot stop the recording subscription {subscription_id}"))
    }

    /// Ends a recording subscription by its channel and stream, and says whether there was one. Mirrors
    /// `AeronArchive.tryStopRecording`.
    pub fn try_stop_recording_channel(&mut self, channel: &str, stream_id: i32) -> Result<bool> {
        let _turn = self.context.aeron.turn()?;
        let mut stopped = false;
        let native = native_channel(channel, "recording channel")?;
        // SAFETY: the connection is live, C writes the answer and copies the string into its request.
        let result = unsafe {
            sys::aeron_archive_try_stop_recording_channel_and_stream(
                &mut stopped,
                self.ptr(),
                native.as_ptr(),
                stream_id,
            )
        };
        check(result, format_args!("cannot stop recording {channel} stream {stream_id}"))?;
        Ok(stopped)
    }

    /// Ends one recording, and says whether it was going on. Mirrors `AeronArchive.tryStopRecordingByIdentity`.
    pub fn try_stop_recording(&mut self, recording_id: i64) -> Result<bool> {
        let _turn = self.context.aeron.turn()?;
        let mut stopped = false;
        // SAFETY: the connection is live and C writes the answer.
        let result =
            unsafe { sys::aeron_archive_try_stop_recording_by_identity(&mut stopped, self.ptr(), recording_id) };
        check(result, format_args!("cannot stop the recording {recording_id}"))?;
        Ok(stopped)
    }

    /// Starts to replay a recording onto a channel and stream: from `position`, or its start, and for `length` bytes, or to
    /// its end. A length of `i64::MAX` follows a recording that goes on.
    ///
    /// Returns the id of the replay; its low 32 bits, as an `i32`, are the session id of the publication that replays.
    /// Mirrors `AeronArchive.startReplay`.
    pub fn start_replay(
        &mut self,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        position: Option<i64>,
        length: Option<i64>,
    ) -> Result<i64> {
        let _turn = self.context.aeron.turn()?;
        let doing = format!("cannot start to replay the recording {recording_id} on {channel} stream {stream_id}");
        let native = native_channel(channel, "replay channel")?;
        let mut params = replay_params(position, length, &doing)?;
        let mut id = NULL_VALUE;
        // SAFETY: the connection is live, C writes the id, copies the string and reads the parameters within the call.
        let result = unsafe {
            sys::aeron_archive_start_replay(&mut id, self.ptr(), recording_id, native.as_ptr(), stream_id, &mut params)
        };
        check(result, doing)?;
        Ok(id)
    }

    /// Ends a replay, by the id that [`start_replay`](Self::start_replay) gave. Mirrors `AeronArchive.stopReplay`.
    pub fn stop_replay(&mut self, replay_session_id: i64) -> Result<()> {
        let _turn = self.context.aeron.turn()?;
        // SAFETY: the connection is live.
        let result = unsafe { sys::aeron_archive_stop_replay(self.ptr(), replay_session_id) };
        check(result, format_args!("cannot stop the replay {replay_session_id}"))
    }

    /// How far a recording has come, `None` if it is not going on. Mirrors `AeronArchive.getRecordingPosition`.
    pub fn recording_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "recording position", sys::aeron_archive_get_recording_position)
    }

    /// Where a recording starts. Mirrors `AeronArchive.getStartPosition`.
    pub fn start_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "start position", sys::aeron_archive_get_start_position)
    }

    /// Where a recording stopped, `None` if it is going on. Mirrors `AeronArchive.getStopPosition`.
    pub fn stop_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "stop position", sys::aeron_archive_get_stop_position)
    }

    /// How far a recording has come, or where it stopped. Mirrors `AeronArchive.getMaxRecordedPosition`.
    pub fn max_recorded_position(&mut self, recording_id: i64) -> Result<Option<i64>> {
        self.position(recording_id, "recorded position", sys::aeron_archive_get_max_recorded_position)
    }

    fn position(
        &mut self,
        recording_id: i64,
        what: &str,
        getter: unsafe extern "C" fn(*mut i64, *mut sys::aeron_archive_t, i64) -> i32,
    ) -> Result<Option<i64>> {
        let _turn = self.context.aeron.turn()?;
        let mut position = NULL_VALUE;
        // SAFETY: the connection is live and C writes the position.
        let result = unsafe { getter(&mut position, self.ptr(), recording_id) };
        check(result, format_args!("cannot get the {what} of the recording {recording_id}"))?;
        Ok((position != NULL_VALUE).then_some(position))
    }

    /// The recording with this id, if there is one. Mirrors `AeronArchive.listRecording`.
    pub fn list_recording(&mut self, recording_id: i64) -> Result<Option<RecordingDescriptor>> {
        let _turn = self.context.aeron.turn()?;
        let mut found: Vec<RecordingDescriptor> = Vec::new();
        let (mut count, clientd) = (0, std::ptr::from_mut(&mut found).cast::<c_void>());
        // SAFETY: the connection is live; C calls `on_descriptor` within the call alone, with `found`.
        let result = unsafe {
            sys::aeron_archive_list_recording(&mut count, self.ptr(), recording_id, Some(on_descriptor), clientd)
        };
        check(result, format_args!("cannot list the recording {recording_id}"))?;
        Ok(found.pop())
    }

    /// At most `count` recordings, from the id `from` on. Mirrors `AeronArchive.listRecordings`.
    pub fn list_recordings(&mut self, from: i64, count: i32) -> Result<Vec<RecordingDescriptor>> {
        let _turn = self.context.aeron.turn()?;
        let mut found: Vec<RecordingDescriptor> = Vec::new();
        let (mut listed, clientd) = (0, std::ptr::from_mut(&mut found).cast::<c_void>());
        // SAFETY: the connection is live; C calls `on_descriptor` within the call alone, with `found`.
        let result = unsafe {
            sys::aeron_archive_list_recordings(&mut listed, self.ptr(), from, count, Some(on_descriptor), clientd)
        };
        check(result, format_args!("cannot list {count} recordings from {from}"))?;
        Ok(found)
    }

    /// Reports an error that the archive sent, if one has come; a recording that fails for lack of space is told so.
    /// Does not block. Mirrors `AeronArchive.checkForErrorResponse`.
    pub fn check_for_error_response(&mut self) -> Result<()> {
        let _turn = self.context.aeron.turn()?;
        // SAFETY: the connection is live, and has no error handler that would swallow the error.
        let result = unsafe { sys::aeron_archive_check_for_error_response(self.ptr()) };
        check(result, "the archive reports an error")
    }

    /// The text of an error that the archive sent, if one has come. Does not block. Mirrors
    /// `AeronArchive.pollForErrorResponse`.
    pub fn poll_for_error_response(&mut self) -> Result<Option<String>> {
        let _turn = self.context.aeron.turn()?;
        let mut text = vec![0u8; MAX_ERROR_LENGTH];
        // SAFETY: the connection is live; C writes a NUL-terminated string of at most the length given.
        let result =
            unsafe { sys::aeron_archive_poll_for_error_response(self.ptr(), text.as_mut_ptr().cast(), text.len()) };
        check(result, "cannot poll the archive for errors")?;
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default().to_string_lossy();
        Ok((!text.is_empty()).then(|| text.into_owned()))
    }

    /// The counter of this archive that shows how far it has recorded the publication with this session id, if it records
    /// it. Mirrors `RecordingPos.findCounterIdBySession`.
    pub fn recording_counter(&self, session_id: i32) -> Option<i32> {
        // SAFETY: the counters belong to the client, which is live as long as `self`.
        let id = unsafe {
            sys::aeron_archive_recording_pos_find_counter_id_by_session_id(
                self.counters(),
                session_id,
                self.archive_id(),
            )
        };
        (id >= 0).then_some(id)
    }

    /// The recording whose progress a counter shows, if it shows one. Mirrors `RecordingPos.getRecordingId`.
    pub fn recording_id(&self, counter_id: i32) -> Option<i64> {
        // SAFETY: as in `recording_counter`; C checks the counter's id and type.
        let id = unsafe { sys::aeron_archive_recording_pos_get_recording_id(self.counters(), counter_id) };
        (id != NULL_VALUE).then_some(id)
    }

    /// Whether a counter still shows the progress of a recording. Mirrors `RecordingPos.isActive`.
    pub fn is_recording_active(&self, counter_id: i32, recording_id: i64) -> bool {
        let mut is_active = false;
        // SAFETY: as in `recording_id`.
        let result = unsafe {
            sys::aeron_archive_recording_pos_is_active(&mut is_active, self.counters(), counter_id, recording_id)
        };
        result == 0 && is_active
    }

    /// Whether the archive can answer. Once it cannot, this connection is of no more use.
    pub(super) fn is_connected(&self) -> bool {
        // SAFETY: the connection is live, and its subscription as long.
        unsafe { sys::aeron_subscription_is_connected(self.responses()) }
    }

    /// How long an answer may take.
    pub(super) fn message_timeout(&self) -> Duration {
        self.context.message_timeout()
    }

    /// Gives whole messages of the archive to `handler`, which says after each how to go on.
    pub(super) fn poll_responses(&mut self, limit: usize, mut handler: impl FnMut(&[u8]) -> Action) -> Result<()> {
        let subscription = self.responses();
        let assembler = &mut self.assembler;
        // SAFETY: the subscription is live as long as the connection, and polled through `&mut self` alone.
        let polled = unsafe {
            poll_native(subscription, limit, |fragment, header| {
                assembler.on_fragment(fragment, header, |message, _| handler(message))
            })
        };
        polled.map(drop)
    }

    fn responses(&self) -> *mut sys::aeron_subscription_t {
        // SAFETY: the connection is live as long as `self`; C hands out its subscription and keeps owning it.
        unsafe { sys::aeron_archive_get_control_response_subscription(self.ptr()) }
    }

    /// The C archive client, for C code in the same process. It lives as long as this value; never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_archive_t {
        self.ptr()
    }

    fn ptr(&self) -> *mut sys::aeron_archive_t {
        self.raw.as_ptr()
    }

    fn counters(&self) -> *mut sys::aeron_counters_reader_t {
        // SAFETY: the client is live as long as `self`.
        unsafe { sys::aeron_counters_reader(self.context.aeron.as_ptr()) }
    }
}

/// What a replay is asked for with.
pub(super) fn replay_params(
    position: Option<i64>,
    length: Option<i64>,
    doing: &str,
) -> Result<sys::aeron_archive_replay_params_t> {
    let mut params = std::mem::MaybeUninit::uninit();
    // SAFETY: aeron_archive_replay_params_init writes every field and gives 0 (aeron_archive_replay_params.c).
    let mut params = unsafe {
        check(sys::aeron_archive_replay_params_init(params.as_mut_ptr()), doing)?;
        params.assume_init()
    };
    params.position = position.unwrap_or(NULL_VALUE);
    params.length = length.unwrap_or(NULL_VALUE);
    Ok(params)
}

impl Drop for Archive {
    fn drop(&mut self) {
        // SAFETY: the connection is live and closed here alone; its client and context go after it.
        if unsafe { sys::aeron_archive_close(self.ptr()) } < 0 {
            tracing::warn!("{}", failure("cannot close the connection to the archive"));
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("archive_id", &self.archive_id())
            .field("control_session_id", &self.control_session_id())
            .finish()
    }
}
