//! What the C archive client's own requests are made of: its proxy, which encodes and sends them.

use std::ffi::{CString, c_char, c_void};
use std::ptr::NonNull;

use aeron_sys as sys;

use super::client::{Archive, SourceLocation};
use super::{check, failure};
use crate::aeron::ExclusivePublication;
use crate::{Error, ErrorKind, Result};

/// What `aeron_archive_proxy_offer` sets when the archive's channel takes nothing at the moment.
const TOO_MANY_RETRIES: i32 = -1;

/// `aeron_archive_proxy_t`, of which nothing is known here.
#[repr(C)]
pub(super) struct NativeProxy {
    _opaque: [u8; 0],
}

// Of the C archive client's headers that are not installed (aeron_archive_client.h, aeron_archive_proxy.h, aeron_alloc.h).
unsafe extern "C" {
    fn aeron_archive_proxy(archive: *mut sys::aeron_archive_t) -> *mut NativeProxy;
    fn aeron_archive_proxy_create(
        proxy: *mut *mut NativeProxy,
        context: *mut sys::aeron_archive_context_t,
        publication: *mut sys::aeron_exclusive_publication_t,
        retry_attempts: i32,
    ) -> i32;
    fn aeron_archive_proxy_set_control_session_id(proxy: *mut NativeProxy, control_session_id: i64) -> i32;
    fn aeron_archive_proxy_start_recording(
        proxy: *mut NativeProxy,
        channel: *const c_char,
        stream_id: i32,
        local_source: bool,
        auto_stop: bool,
        correlation_id: i64,
    ) -> bool;
    fn aeron_archive_proxy_replay(
        proxy: *mut NativeProxy,
        correlation_id: i64,
        recording_id: i64,
        channel: *const c_char,
        stream_id: i32,
        params: *mut sys::aeron_archive_replay_params_t,
    ) -> bool;
    fn aeron_archive_request_replay_token(proxy: *mut NativeProxy, correlation_id: i64, recording_id: i64) -> bool;
    fn aeron_free(memory: *mut c_void);
}

/// The way of a connection's requests to the archive.
pub(super) struct Proxy<'a> {
    raw: NonNull<NativeProxy>,
    /// Allocated here, for another publication than the connection's.
    is_own: bool,
    _archive: &'a Archive,
}

impl<'a> Proxy<'a> {
    /// The connection's own.
    pub(super) fn of(archive: &'a Archive) -> Result<Self> {
        // SAFETY: the connection is live as long as `archive`, and its proxy as long.
        let raw = NonNull::new(unsafe { aeron_archive_proxy(archive.as_ptr()) });
        Ok(Proxy { raw: raw.ok_or_else(|| failure("cannot send a request"))?, is_own: false, _archive: archive })
    }

    /// Of the same session, over another publication.
    pub(super) fn over(archive: &'a Archive, publication: &'a ExclusivePublication) -> Result<Self> {
        let (doing, mut raw) = ("cannot send a request over a publication of its own", std::ptr::null_mut());
        // SAFETY: C allocates a proxy into the out pointer, which refers to the context and the publication: both live as long as this.
        let created =
            unsafe { aeron_archive_proxy_create(&mut raw, archive.native_context(), publication.as_ptr(), 1) };
        check(created, doing)?;
        let raw = NonNull::new(raw).ok_or_else(|| failure(doing))?;
        let proxy = Proxy { raw, is_own: true, _archive: archive };
        // SAFETY: the proxy was just made.
        unsafe { aeron_archive_proxy_set_control_session_id(raw.as_ptr(), archive.control_session_id()) };
        Ok(proxy)
    }

    /// Each of these makes one attempt: whether the request went out.
    pub(super) fn start_recording(
        &self,
        correlation_id: i64,
        channel: &CString,
        stream_id: i32,
        location: SourceLocation,
        auto_stop: bool,
    ) -> Result<bool> {
        let (raw, is_local) = (self.raw.as_ptr(), location == SourceLocation::Local);
        // SAFETY: the proxy is live; C copies the string into its request.
        sent(unsafe {
            aeron_archive_proxy_start_recording(raw, channel.as_ptr(), stream_id, is_local, auto_stop, correlation_id)
        })
    }

    pub(super) fn replay(&self, correlation_id: i64, replay: &ReplayRequest) -> Result<bool> {
        let (raw, channel, mut params) = (self.raw.as_ptr(), replay.channel.as_ptr(), replay.params);
        // SAFETY: the proxy is live; C copies the string and reads the parameters within the call.
        sent(unsafe {
            aeron_archive_proxy_replay(raw, correlation_id, replay.recording_id, channel, replay.stream_id, &mut params)
        })
    }

    pub(super) fn replay_token(&self, correlation_id: i64, recording_id: i64) -> Result<bool> {
        // SAFETY: the proxy is live.
        sent(unsafe { aeron_archive_request_replay_token(self.raw.as_ptr(), correlation_id, recording_id) })
    }
}

impl Drop for Proxy<'_> {
    fn drop(&mut self) {
        if self.is_own {
            // SAFETY: `over` made it, and it owns nothing else: aeron_archive_proxy_delete would close the publication, which is ours.
            unsafe { aeron_free(self.raw.as_ptr().cast()) };
        }
    }
}

/// What is to be replayed, and where to.
#[derive(Debug)]
pub(super) struct ReplayRequest {
    pub(super) recording_id: i64,
    pub(super) channel: CString,
    pub(super) stream_id: i32,
    pub(super) params: sys::aeron_archive_replay_params_t,
}

fn sent(is_sent: bool) -> Result<bool> {
    if is_sent {
        return Ok(true);
    }
    let error = failure("cannot send a request");
    match error.code() {
        TOO_MANY_RETRIES => Ok(false),
        libc::ENOTCONN => Err(Error::with_code(ErrorKind::NotConnected, error.code(), error.message())),
        _ => Err(error),
    }
}
