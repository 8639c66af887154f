//! Starting and stopping recordings.

use aeron_sys as sys;

use super::check;
use super::client::{Archive, SourceLocation};
use super::guard::{id, session_channel};
use crate::aeron::{ExclusivePublication, NULL_VALUE, Publication, native_channel};
use crate::{Error, ErrorKind, Result};

impl Archive {
    /// Starts to record the publications of a channel and stream, including those that appear later. A channel with a session id
    /// records only that session; a publication that matches a subscription with a session id and one without is recorded twice. With
    /// `auto_stop`, the archive ends the recording subscription when the first image ends.
    ///
    /// Returns the id of the recording subscription. Mirrors `AeronArchive.startRecording` and `aeron_archive_start_recording`.
    pub fn start_recording(
        &mut self,
        channel: &str,
        stream_id: i32,
        location: SourceLocation,
        auto_stop: bool,
    ) -> Result<i64> {
        let native = native_channel(channel, "recording channel")?;
        let mut subscription_id = NULL_VALUE;
        let doing = format_args!("cannot start to record {channel} stream {stream_id}");
        // SAFETY: C writes the id and copies the string into its request.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_start_recording(
                &mut subscription_id,
                archive,
                native.as_ptr(),
                stream_id,
                location.native(),
                auto_stop,
            )
        })?;
        Ok(subscription_id)
    }

    /// Continues a stopped recording from a publication that begins where it ended: the channel has `init-term-id`,
    /// `term-id` and `term-offset` for that position, and the recording's term length and MTU
    /// ([`RecordingDescriptor::continuing_channel`](super::RecordingDescriptor::continuing_channel)).
    ///
    /// Returns the id of the recording subscription. Mirrors `AeronArchive.extendRecording` and `aeron_archive_extend_recording`.
    pub fn extend_recording(
        &mut self,
        recording_id: i64,
        channel: &str,
        stream_id: i32,
        location: SourceLocation,
        auto_stop: bool,
    ) -> Result<i64> {
        let (recording_id, native) = (id("recording", recording_id)?, native_channel(channel, "recording channel")?);
        let mut subscription_id = NULL_VALUE;
        let doing = format_args!("cannot extend the recording {recording_id} from {channel} stream {stream_id}");
        // SAFETY: C writes the id and copies the string into its request.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_extend_recording(
                &mut subscription_id,
                archive,
                recording_id,
                native.as_ptr(),
                stream_id,
                location.native(),
                auto_stop,
            )
        })?;
        Ok(subscription_id)
    }

    /// Adds a publication and has its session recorded. Mirrors `AeronArchive.addRecordedPublication`.
    ///
    /// The archive and this client must share a media driver. Messages sent before the recording's counter appears
    /// ([`recording_counter`](Self::recording_counter)) are recorded too: the recording starts where the publication does, if
    /// nothing was consumed before.
    ///
    /// # Blocking
    ///
    /// As [`Aeron::add_publication`](crate::aeron::Aeron::add_publication), and then up to the message timeout.
    ///
    /// # Errors
    ///
    /// Those of both, and [`State`](ErrorKind::State) if this client already has such a publication. After an error no publication is left
    /// behind.
    pub fn add_recorded_publication(&mut self, channel: &str, stream_id: i32) -> Result<Publication> {
        let publication = self.aeron().add_publication(channel, stream_id)?;
        if !is_original(&publication)? {
            let message =
                format!("cannot record {channel} stream {stream_id}: this client has that publication already");
            return Err(Error::new(ErrorKind::State, message));
        }
        self.start_recording(
            &session_channel(channel, publication.session_id())?,
            stream_id,
            SourceLocation::Local,
            false,
        )?;
        Ok(publication)
    }

    /// As [`add_recorded_publication`](Self::add_recorded_publication), for an exclusive publication, which always has its own session.
    /// Mirrors `AeronArchive.addRecordedExclusivePublication`.
    pub fn add_recorded_exclusive_publication(
        &mut self,
        channel: &str,
        stream_id: i32,
    ) -> Result<ExclusivePublication> {
        let publication = self.aeron().add_exclusive_publication(channel, stream_id)?;
        self.start_recording(
            &session_channel(channel, publication.session_id())?,
            stream_id,
            SourceLocation::Local,
            false,
        )?;
        Ok(publication)
    }

    /// Ends a recording subscription, by the id from [`start_recording`](Self::start_recording), and its recordings. It is an error if it has
    /// already ended. Mirrors `AeronArchive.stopRecording`.
    pub fn stop_recording(&mut self, subscription_id: i64) -> Result<()> {
        let subscription_id = id("recording subscription", subscription_id)?;
        let doing = format_args!("cannot stop the recording subscription {subscription_id}");
        // SAFETY: numbers alone.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_stop_recording_subscription(archive, subscription_id)
        })
    }

    /// As [`stop_recording`](Self::stop_recording), but returns whether there was such a subscription. Mirrors
    /// `AeronArchive.tryStopRecording`.
    pub fn try_stop_recording_subscription(&mut self, subscription_id: i64) -> Result<bool> {
        let subscription_id = id("recording subscription", subscription_id)?;
        let mut stopped = false;
        let doing = format_args!("cannot stop the recording subscription {subscription_id}");
        // SAFETY: C writes the answer.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_try_stop_recording_subscription(&mut stopped, archive, subscription_id)
        })?;
        Ok(stopped)
    }

    /// Ends a recording subscription by the channel and stream with which it was started. It is an error if it has already ended. A channel
    /// without a session id does not end subscriptions with one. Mirrors `AeronArchive.stopRecording`.
    pub fn stop_recording_channel(&mut self, channel: &str, stream_id: i32) -> Result<()> {
        let native = native_channel(channel, "recording channel")?;
        let doing = format_args!("cannot stop recording {channel} stream {stream_id}");
        // SAFETY: C copies the string into its request.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_stop_recording_channel_and_stream(archive, native.as_ptr(), stream_id)
        })
    }

    /// As [`stop_recording_channel`](Self::stop_recording_channel), but returns whether there was such a subscription. Mirrors
    /// `AeronArchive.tryStopRecording`.
    pub fn try_stop_recording_channel(&mut self, channel: &str, stream_id: i32) -> Result<bool> {
        let native = native_channel(channel, "recording channel")?;
        let mut stopped = false;
        let doing = format_args!("cannot stop recording {channel} stream {stream_id}");
        // SAFETY: C writes the answer and copies the string into its request.
        self.request(doing, |archive| unsafe {
            sys::aeron_archive_try_stop_recording_channel_and_stream(&mut stopped, archive, native.as_ptr(), stream_id)
        })?;
        Ok(stopped)
    }

    /// Ends one recording. Returns whether it was active. Mirrors `AeronArchive.tryStopRecordingByIdentity`.
    pub fn try_stop_recording(&mut self, recording_id: i64) -> Result<bool> {
        let recording_id = id("recording", recording_id)?;
        let mut stopped = false;
        // SAFETY: C writes the answer.
        self.request(format_args!("cannot stop the recording {recording_id}"), |archive| unsafe {
            sys::aeron_archive_try_stop_recording_by_identity(&mut stopped, archive, recording_id)
        })?;
        Ok(stopped)
    }

    /// Ends the recording of a publication's session, which [`add_recorded_publication`](Self::add_recorded_publication) started.
    /// Mirrors `AeronArchive.stopRecording(Publication)`.
    pub fn stop_recording_publication(&mut self, publication: &Publication) -> Result<()> {
        let channel = session_channel(publication.channel(), publication.session_id())?;
        self.stop_recording_channel(&channel, publication.stream_id())
    }

    /// As [`stop_recording_publication`](Self::stop_recording_publication).
    pub fn stop_recording_exclusive_publication(&mut self, publication: &ExclusivePublication) -> Result<()> {
        let channel = session_channel(publication.channel(), publication.session_id())?;
        self.stop_recording_channel(&channel, publication.stream_id())
    }
}

/// Whether a publication was the first of its client on its channel and stream.
fn is_original(publication: &Publication) -> Result<bool> {
    let mut constants = std::mem::MaybeUninit::<sys::aeron_publication_constants_t>::zeroed();
    // SAFETY: the publication is live; the struct is plain C data for which zero is a value.
    let constants = unsafe {
        check(
            sys::aeron_publication_constants(publication.as_ptr(), constants.as_mut_ptr()),
            "cannot read a publication",
        )?;
        constants.assume_init()
    };
    Ok(constants.original_registration_id == constants.registration_id)
}
