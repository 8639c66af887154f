//! A publication of one thread.

use std::ffi::CString;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::channel_uri::native_channel;
use super::claim::BufferClaim;
use super::handle::{ClientInner, Handle, Native};
use super::native_error::check;
use super::offer::{OfferError, position};
use super::publication::{PublicationConstants, constant_queries};
use crate::error::Result;

/// Sends messages on a stream of a channel, from one thread at a time and with a session of its own.
///
/// It may be moved to another thread but not shared: its tail is not atomic, so sending takes `&mut self`. No send
/// blocks; each is answered with the position after the message or with the reason why it was not taken. Mirrors
/// `io.aeron.ExclusivePublication` and `aeron_exclusive_publication_t`.
pub struct ExclusivePublication {
    handle: Handle<sys::aeron_exclusive_publication_t>,
    constants: PublicationConstants,
}

// SAFETY: the C object is not bound to a thread; it only forbids concurrent use (aeronc.h), which `&mut self` does too.
unsafe impl Send for ExclusivePublication {}

impl Native for sys::aeron_exclusive_publication_t {
    unsafe fn close(raw: *mut Self) {
        // SAFETY: by the trait's contract. The conductor frees it soon, or aeron_close does if the client has ended.
        unsafe { sys::aeron_exclusive_publication_close(raw, None, std::ptr::null_mut()) };
    }
}

impl ExclusivePublication {
    pub(super) fn describe(channel: &str, stream_id: i32) -> Result<ExclusivePublicationSpec> {
        Ok(ExclusivePublicationSpec { channel: native_channel(channel, "channel")?, stream_id })
    }

    /// Sends a message, in several fragments if it is longer than [`max_payload_length`](Self::max_payload_length).
    ///
    /// Returns the position after the message. Does not block and does not allocate. Mirrors `ExclusivePublication.offer`.
    #[inline]
    pub fn offer(&mut self, message: &[u8]) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle; C reads the message during the call.
        position(unsafe {
            sys::aeron_exclusive_publication_offer(
                self.handle.ptr(),
                message.as_ptr(),
                message.len(),
                None,
                std::ptr::null_mut(),
            )
        })
    }

    /// Sends one message that lies in several pieces. Otherwise as [`offer`](Self::offer).
    #[inline]
    pub fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        // SAFETY: as in `offer`. IoSlice has the layout of iovec, which aeron_iovec_t repeats; C only reads them.
        position(unsafe {
            sys::aeron_exclusive_publication_offerv(
                self.handle.ptr(),
                pieces.as_ptr().cast_mut().cast(),
                pieces.len(),
                None,
                std::ptr::null_mut(),
            )
        })
    }

    /// Claims space for a message of `length` bytes, to be written in place. At most
    /// [`max_payload_length`](Self::max_payload_length). Mirrors `ExclusivePublication.tryClaim`.
    #[inline]
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        let mut claim = MaybeUninit::<sys::aeron_buffer_claim_t>::uninit();
        // SAFETY: the publication is live as long as the handle; C fills the claim if the result is not negative.
        let result =
            unsafe { sys::aeron_exclusive_publication_try_claim(self.handle.ptr(), length, claim.as_mut_ptr()) };
        let position = position(result)?;
        // SAFETY: filled, and bound to this borrow of the publication.
        Ok(unsafe { BufferClaim::from_raw(claim.assume_init(), position) })
    }

    /// Whether a subscriber was heard of lately.
    pub fn is_connected(&self) -> bool {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_exclusive_publication_is_connected(self.handle.ptr()) }
    }

    /// Whether the client ended, and with it this publication.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_exclusive_publication_is_closed(self.handle.ptr()) }
    }

    /// Where the stream ends now, in bytes.
    pub fn position(&self) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle.
        position(unsafe { sys::aeron_exclusive_publication_position(self.handle.ptr()) })
    }

    /// The position up to which messages are taken now.
    pub fn position_limit(&self) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle.
        position(unsafe { sys::aeron_exclusive_publication_position_limit(self.handle.ptr()) })
    }

    constant_queries!();

    /// The C publication, for C code in the same process. It lives as long as this value; never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_exclusive_publication_t {
        self.handle.ptr()
    }
}

impl std::fmt::Debug for ExclusivePublication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExclusivePublication")
            .field("constants", &self.constants)
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// What the driver needs to know to add an exclusive publication.
#[derive(Debug)]
pub(super) struct ExclusivePublicationSpec {
    channel: CString,
    stream_id: i32,
}

impl Registration for ExclusivePublicationSpec {
    type Native = sys::aeron_exclusive_publication_t;
    type Added = ExclusivePublication;

    unsafe fn start(&self, out: *mut *mut Registering, client: *mut sys::aeron_t) -> i32 {
        // SAFETY: by the trait's contract; C copies the channel.
        unsafe { sys::aeron_async_add_exclusive_publication(out, client, self.channel.as_ptr(), self.stream_id) }
    }

    unsafe fn poll(out: *mut *mut Self::Native, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_exclusive_publication_poll(out, registering) }
    }

    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_exclusive_publication_cancel(client, registering) }
    }

    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>) -> Result<ExclusivePublication> {
        // SAFETY: by the trait's contract.
        let handle = unsafe { Handle::new(native, client) };
        let mut raw = MaybeUninit::<sys::aeron_publication_constants_t>::zeroed();
        // SAFETY: the publication is live; the struct is plain C data for which zero is a value; its channel is a
        // string that belongs to the publication.
        let constants = unsafe {
            check(
                sys::aeron_exclusive_publication_constants(handle.ptr(), raw.as_mut_ptr()),
                "cannot read an exclusive publication",
            )?;
            PublicationConstants::from_raw(&raw.assume_init())
        };
        Ok(ExclusivePublication { handle, constants })
    }

    fn name(&self) -> String {
        format!("exclusive publication {} stream {}", self.channel.to_string_lossy(), self.stream_id)
    }
}
