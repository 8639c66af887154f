//! The context of C's persistent subscription, and how C calls its listener.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use aeron_sys as sys;

use super::connect::REJECTED;
use super::error_code::ArchiveErrorCode;
use super::native_context::NativeContext;
use super::persistent_settings::{PersistentSubscriptionListener, StartFrom};
use super::{check, failure};
use crate::aeron::{ChannelUri, LAST_REGISTRATION_CODE, kind_of, native_channel};
use crate::{Error, ErrorKind, Result};

/// `AERON_ARCHIVE_PERSISTENT_SUBSCRIPTION_FROM_START` and `_FROM_LIVE`, macros that bindgen does not see.
const FROM_START: i64 = -1;
const FROM_LIVE: i64 = -2;

/// What C sets when connecting to the archive took too long, as it does for an invalid channel.
const CONNECT_TIMEOUT: (c_int, &str) = (-1, "connect timeout");

/// The error behind a code that a persistent subscription tells. C gives those of the driver and of the archive without the sign that they have
/// everywhere else, and `EINVAL` for what the archive says to a connection or does not fit the recording.
pub(super) fn error_of(code: c_int, message: &str) -> Error {
    let has_lost_its_sign = (1..=LAST_REGISTRATION_CODE).contains(&code) || ArchiveErrorCode::is_native(code);
    let code = if has_lost_its_sign { -code } else { code };
    let kind = match code {
        code if code == CONNECT_TIMEOUT.0 && message.contains(CONNECT_TIMEOUT.1) => ErrorKind::Timeout,
        libc::EINVAL if message.contains(REJECTED) => ErrorKind::Authentication,
        libc::EINVAL => ErrorKind::Archive,
        libc::ENOTCONN => ErrorKind::NotConnected,
        code => kind_of(code),
    };
    Error::with_code(kind, code, message.trim())
}

type BoxedListener = Box<dyn PersistentSubscriptionListener + Send>;

/// A listener where C can find it, and its panic.
struct Listening {
    listener: RefCell<BoxedListener>,
    last_error: RefCell<Option<Error>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

/// Owns what C has the address of. It must outlive the subscription.
pub(super) struct ListenerSlot(NonNull<Listening>);

// SAFETY: the listener is Send, and reached on the thread that polls alone.
unsafe impl Send for ListenerSlot {}

impl ListenerSlot {
    pub(super) fn new(listener: BoxedListener) -> Self {
        let (listener, last_error) = (RefCell::new(listener), RefCell::new(None));
        let listening = Listening { listener, last_error, panic: Cell::new(None) };
        ListenerSlot(NonNull::from(Box::leak(Box::new(listening))))
    }

    /// What was told last.
    pub(super) fn last_error(&self) -> Option<Error> {
        // SAFETY: it lives as long as this, and nobody has it mutably.
        unsafe { self.0.as_ref() }.last_error.borrow().clone()
    }

    /// Resumes a panic of the listener, after C returned.
    pub(super) fn finish(&self) {
        // SAFETY: it lives as long as this, and nobody has it mutably.
        if let Some(payload) = unsafe { self.0.as_ref() }.panic.take() {
            resume_unwind(payload);
        }
    }
}

impl Drop for ListenerSlot {
    fn drop(&mut self) {
        // SAFETY: the subscription that called it is closed; it was leaked by `new`.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// # Safety
///
/// Here and below: `clientd` must be the `Listening` of the subscription that this thread polls.
unsafe fn tell(clientd: *mut c_void, call: impl FnOnce(&mut dyn PersistentSubscriptionListener)) {
    // SAFETY: by this function's contract.
    let listening = unsafe { &*clientd.cast::<Listening>() };
    let told = catch_unwind(AssertUnwindSafe(|| {
        if let Ok(mut listener) = listening.listener.try_borrow_mut() {
            call(&mut **listener);
        }
    }));
    if let Err(payload) = told {
        listening.panic.set(Some(payload));
    }
}

unsafe extern "C" fn on_live_joined(clientd: *mut c_void) {
    // SAFETY: as above.
    unsafe { tell(clientd, |listener| listener.on_live_joined()) };
}

unsafe extern "C" fn on_live_left(clientd: *mut c_void) {
    // SAFETY: as above.
    unsafe { tell(clientd, |listener| listener.on_live_left()) };
}

unsafe extern "C" fn on_error(clientd: *mut c_void, code: c_int, message: *const c_char) {
    // SAFETY: as above; the message is a NUL-terminated string for the length of the call.
    unsafe {
        let error = error_of(code, &CStr::from_ptr(message).to_string_lossy());
        *(*clientd.cast::<Listening>()).last_error.borrow_mut() = Some(error.clone());
        tell(clientd, |listener| listener.on_error(&error));
    }
}

/// An `aeron_archive_persistent_subscription_context_t`, until a subscription owns it.
pub(super) struct PersistentContext(NonNull<sys::aeron_archive_persistent_subscription_context_t>);

impl PersistentContext {
    pub(super) fn new(archive: &NativeContext, listener: &ListenerSlot) -> Result<Self> {
        let doing = "cannot create the context of a persistent subscription";
        let mut raw = std::ptr::null_mut();
        // SAFETY: C allocates a context into the out pointer.
        check(unsafe { sys::aeron_archive_persistent_subscription_context_init(&mut raw) }, doing)?;
        let context = PersistentContext(NonNull::new(raw).ok_or_else(|| failure(doing))?);
        let native = sys::aeron_archive_persistent_subscription_listener_t {
            on_live_joined: Some(on_live_joined),
            on_live_left: Some(on_live_left),
            on_error: Some(on_error),
            clientd: listener.0.as_ptr().cast(),
        };
        // SAFETY: all are live and outlive the subscription; C copies the listener. The client is given, or C would make one whose errors end
        // the process.
        let results = unsafe {
            [
                sys::aeron_archive_persistent_subscription_context_set_aeron(context.ptr(), archive.aeron.as_ptr()),
                sys::aeron_archive_persistent_subscription_context_set_archive_context(context.ptr(), archive.ptr()),
                sys::aeron_archive_persistent_subscription_context_set_listener(context.ptr(), &native),
            ]
        };
        check(results.into_iter().min().unwrap_or(0), doing)?;
        Ok(context)
    }

    pub(super) fn set_recording(&self, recording_id: i64, start: StartFrom) -> Result<()> {
        let start = match start {
            StartFrom::Start => FROM_START,
            StartFrom::Live => FROM_LIVE,
            StartFrom::Position(position) => position,
        };
        // SAFETY: the context is live.
        let results = unsafe {
            [
                sys::aeron_archive_persistent_subscription_context_set_recording_id(self.ptr(), recording_id),
                sys::aeron_archive_persistent_subscription_context_set_start_position(self.ptr(), start),
            ]
        };
        check(results.into_iter().min().unwrap_or(0), "cannot set the recording of a persistent subscription")
    }

    pub(super) fn set_live(&self, channel: &str, stream_id: i32) -> Result<()> {
        ChannelUri::parse(channel)?;
        let native = native_channel(channel, "live channel")?;
        // SAFETY: the context is live, and C copies the string.
        let results = unsafe {
            [
                sys::aeron_archive_persistent_subscription_context_set_live_channel(self.ptr(), native.as_ptr()),
                sys::aeron_archive_persistent_subscription_context_set_live_stream_id(self.ptr(), stream_id),
            ]
        };
        check(results.into_iter().min().unwrap_or(0), "cannot set the live stream of a persistent subscription")
    }

    pub(super) fn set_replay(&self, channel: &str, stream_id: i32) -> Result<()> {
        ChannelUri::parse(channel)?;
        let native = native_channel(channel, "replay channel")?;
        // SAFETY: the context is live, and C copies the string.
        let results = unsafe {
            [
                sys::aeron_archive_persistent_subscription_context_set_replay_channel(self.ptr(), native.as_ptr()),
                sys::aeron_archive_persistent_subscription_context_set_replay_stream_id(self.ptr(), stream_id),
            ]
        };
        check(results.into_iter().min().unwrap_or(0), "cannot set the replay of a persistent subscription")
    }

    pub(super) fn ptr(&self) -> *mut sys::aeron_archive_persistent_subscription_context_t {
        self.0.as_ptr()
    }

    /// Its subscription closes it.
    pub(super) fn owned_by_subscription(self) {
        std::mem::forget(self);
    }
}

impl Drop for PersistentContext {
    fn drop(&mut self) {
        // SAFETY: no subscription owns it.
        unsafe { sys::aeron_archive_persistent_subscription_context_close(self.ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_and_without_their_signs_are_told_apart() {
        for (code, message, kind) in [
            (-1, "(-1) invalid channel\n[...] connect timeout", ErrorKind::Timeout),
            (-1, "(-1) invalid channel", ErrorKind::Registration),
            (1, "(-1) invalid channel", ErrorKind::Registration),
            (10, "temporarily", ErrorKind::ResourceTemporarilyUnavailable),
            (-200, "earlier than last seen position", ErrorKind::Archive),
            (211, "Replay request failed: no space", ErrorKind::StorageSpace),
            (216, "Replay request failed: position", ErrorKind::Archive),
            (libc::EINVAL, "unknown recording id: 3", ErrorKind::Archive),
            (libc::EINVAL, "authentication rejected", ErrorKind::Authentication),
            (libc::ETIMEDOUT, "No image", ErrorKind::Timeout),
            (libc::ENOTCONN, "offer failed", ErrorKind::NotConnected),
            (-1000, "driver timeout", ErrorKind::DriverDead),
        ] {
            assert_eq!(error_of(code, message).kind(), kind, "{code} {message}");
        }
        assert_eq!(ArchiveErrorCode::of(&error_of(216, "position")), Some(ArchiveErrorCode::InvalidPosition));
        assert_eq!(error_of(216, "position").code(), -216);
    }
}
