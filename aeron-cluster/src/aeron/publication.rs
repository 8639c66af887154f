//! A publication that several threads may use at once.

use std::ffi::CString;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::channel_status::{ChannelStatus, local_addresses};
use super::channel_uri::native_channel;
use super::claim::BufferClaim;
use super::client::Aeron;
use super::handle::{ClientInner, Handle, KeptOpen, Native};
use super::image_handlers::Notify;
use super::native_error::check;
use super::offer::{OfferError, position, total_length};
use super::publication_constants::{PublicationConstants, constant_queries};
use super::reserved_value::with_supplier;
use crate::error::Result;

/// Sends messages on a stream of a channel. May be shared between threads.
///
/// Publications of one driver on the same channel and stream share one session, whichever client added them. Sending never blocks: it
/// returns the position after the message, or the reason why the message was not accepted. Mirrors
/// `io.aeron.ConcurrentPublication` and `aeron_publication_t`.
pub struct Publication {
    handle: Handle<sys::aeron_publication_t>,
    constants: PublicationConstants,
}

// SAFETY: aeron_publication_offer, _offerv and _try_claim are safe for concurrent use (aeronc.h), and closing takes
// the value itself.
unsafe impl Send for Publication {}
// SAFETY: as above.
unsafe impl Sync for Publication {}

impl Native for sys::aeron_publication_t {
    unsafe fn close(raw: *mut Self, notify: Notify) {
        // SAFETY: by the trait's contract. The conductor frees it soon, or aeron_close does if the client has ended.
        unsafe { sys::aeron_publication_close(raw, notify.function, notify.clientd) };
    }
}

impl Publication {
    pub(super) fn describe(channel: &str, stream_id: i32) -> Result<PublicationSpec> {
        Ok(PublicationSpec { channel: native_channel(channel, "channel")?, stream_id })
    }

    /// Sends a message, in several fragments if it is longer than [`max_payload_length`](Self::max_payload_length).
    ///
    /// Returns the position of the stream after the message, in bytes. Does not block and does not allocate. Mirrors `Publication.offer`.
    ///
    /// # Errors
    ///
    /// See [`OfferError`]; nothing was sent. [`InvalidArgument`](OfferError::InvalidArgument) for a message longer than
    /// [`max_message_length`](Self::max_message_length).
    #[inline]
    pub fn offer(&self, message: &[u8]) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle; C reads the message during the call.
        position(unsafe {
            sys::aeron_publication_offer(self.handle.ptr(), message.as_ptr(), message.len(), None, std::ptr::null_mut())
        })
    }

    /// Sends one message whose bytes are in several slices. Otherwise as [`offer`](Self::offer).
    #[inline]
    pub fn offer_vectored(&self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        total_length(pieces)?;
        // SAFETY: as in `offer`. IoSlice has the layout of iovec, which aeron_iovec_t repeats. C only reads them, and the sum of their
        // lengths does not overflow.
        position(unsafe {
            sys::aeron_publication_offerv(
                self.handle.ptr(),
                pieces.as_ptr().cast_mut().cast(),
                pieces.len(),
                None,
                std::ptr::null_mut(),
            )
        })
    }

    /// As [`offer`](Self::offer), with `header` in front of the message. If both fit one fragment they are written to a claim, which takes
    /// fewer instructions in C than an offer of two slices.
    #[inline]
    pub(crate) fn offer_behind<const N: usize>(&self, header: [u8; N], message: &[u8]) -> Result<i64, OfferError> {
        let length = N + message.len();
        if length > self.constants.max_payload_length {
            return self.offer_in_pieces(header, message);
        }
        let mut claim = self.try_claim(length)?;
        if let Some((start, rest)) = claim.split_first_chunk_mut() {
            *start = header;
            rest.copy_from_slice(message);
        }
        Ok(claim.commit())
    }

    /// Takes the header by value, so that `offer_behind` never has to put it into memory.
    #[inline(never)]
    fn offer_in_pieces<const N: usize>(&self, header: [u8; N], message: &[u8]) -> Result<i64, OfferError> {
        self.offer_vectored(&[IoSlice::new(&header), IoSlice::new(message)])
    }

    /// As [`offer`](Self::offer), with a reserved value in the header of each fragment. `supplier` is called with each frame, header
    /// included, once the rest of it is written, and returns the value. If it panics, the message is still sent; then the panic is resumed.
    pub fn offer_with_reserved_value(
        &self,
        message: &[u8],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<i64, OfferError> {
        // SAFETY: as in `offer`; the supplier and its argument live across the call, and C keeps neither.
        with_supplier(supplier, |native, clientd| unsafe {
            sys::aeron_publication_offer(self.handle.ptr(), message.as_ptr(), message.len(), native, clientd)
        })
    }

    /// As [`offer_vectored`](Self::offer_vectored), with a reserved value in the header of each fragment, as in
    /// [`offer_with_reserved_value`](Self::offer_with_reserved_value).
    pub fn offer_vectored_with_reserved_value(
        &self,
        pieces: &[IoSlice<'_>],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<i64, OfferError> {
        total_length(pieces)?;
        // SAFETY: as in `offer_vectored` and `offer_with_reserved_value`.
        with_supplier(supplier, |native, clientd| unsafe {
            let (first, count) = (pieces.as_ptr().cast_mut().cast(), pieces.len());
            sys::aeron_publication_offerv(self.handle.ptr(), first, count, native, clientd)
        })
    }

    /// Claims space for a message of `length` bytes, to be written in place and then committed. Does not block and does not allocate.
    /// Mirrors `Publication.tryClaim`.
    ///
    /// # Errors
    ///
    /// See [`OfferError`]. [`InvalidArgument`](OfferError::InvalidArgument) for a length greater than
    /// [`max_payload_length`](Self::max_payload_length).
    #[inline]
    pub fn try_claim(&self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        let mut claim = MaybeUninit::<sys::aeron_buffer_claim_t>::uninit();
        // SAFETY: the publication is live as long as the handle; C fills the claim if the result is not negative.
        let result = unsafe { sys::aeron_publication_try_claim(self.handle.ptr(), length, claim.as_mut_ptr()) };
        let position = position(result)?;
        // SAFETY: filled, with the requested length, and bound to this borrow of the publication.
        Ok(unsafe { BufferClaim::from_raw(claim.assume_init().data, length, position) })
    }

    /// Whether the driver currently has a subscriber for it: over UDP, one whose status messages have not timed out.
    pub fn is_connected(&self) -> bool {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_publication_is_connected(self.handle.ptr()) }
    }

    /// Whether the client has ended, and with it this publication.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_publication_is_closed(self.handle.ptr()) }
    }

    /// The current position of the stream, in bytes: where the next message starts.
    ///
    /// # Errors
    ///
    /// [`Closed`](OfferError::Closed) if the publication is closed.
    pub fn position(&self) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle.
        position(unsafe { sys::aeron_publication_position(self.handle.ptr()) })
    }

    /// The position limit, in bytes: from there on sends are refused until receivers have caught up.
    ///
    /// # Errors
    ///
    /// [`Closed`](OfferError::Closed) if the publication is closed.
    pub fn position_limit(&self) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle.
        position(unsafe { sys::aeron_publication_position_limit(self.handle.ptr()) })
    }

    /// The status of the channel, as the driver reports it.
    pub fn channel_status(&self) -> ChannelStatus {
        // SAFETY: the publication is live as long as the handle.
        ChannelStatus::from_native(unsafe { sys::aeron_publication_channel_status(self.handle.ptr()) })
    }

    /// The local addresses that it sends from; empty for IPC, and while the channel is not active.
    pub fn local_addresses(&self) -> Result<Vec<String>> {
        // SAFETY: the publication is live as long as the handle; C writes within the vectors.
        local_addresses(|vectors, count| unsafe {
            sys::aeron_publication_local_sockaddrs(self.handle.ptr(), vectors, count)
        })
    }

    constant_queries!();

    /// Takes over a publication that C code has added through the client `aeron`, and closes it when dropped.
    ///
    /// # Safety
    ///
    /// `raw` must be a live publication of the client `aeron`, and nothing else may close it from now on.
    pub unsafe fn from_raw(aeron: &Aeron, raw: NonNull<sys::aeron_publication_t>) -> Result<Self> {
        // SAFETY: by this function's contract.
        unsafe { PublicationSpec::wrap(raw, aeron.share(), Notify::NOBODY) }
    }

    pub(super) fn client(&self) -> &Arc<ClientInner> {
        self.handle.client()
    }

    pub(super) fn keep_open(&self) -> KeptOpen {
        self.handle.keep_open()
    }

    /// The C publication, for C code in the same process. Valid as long as this value lives. Never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_publication_t {
        self.handle.ptr()
    }
}

impl std::fmt::Debug for Publication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publication").field("constants", &self.constants).field("closed", &self.is_closed()).finish()
    }
}

/// The parameters of the command to the driver that adds a publication.
#[derive(Debug)]
pub(super) struct PublicationSpec {
    channel: CString,
    stream_id: i32,
}

impl Registration for PublicationSpec {
    type Native = sys::aeron_publication_t;
    type Added = Publication;

    unsafe fn start(&self, out: *mut *mut Registering, client: *mut sys::aeron_t) -> i32 {
        // SAFETY: by the trait's contract; C copies the channel.
        unsafe { sys::aeron_async_add_publication(out, client, self.channel.as_ptr(), self.stream_id) }
    }

    unsafe fn poll(out: *mut *mut Self::Native, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_publication_poll(out, registering) }
    }

    unsafe fn registration_id(registering: *mut Registering) -> i64 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_publication_get_registration_id(registering) }
    }

    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering, _notify: Notify) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_publication_cancel(client, registering) }
    }

    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>, notify: Notify) -> Result<Publication> {
        // SAFETY: by the trait's contract.
        let handle = unsafe { Handle::new(native, client, notify) };
        let mut raw = MaybeUninit::<sys::aeron_publication_constants_t>::zeroed();
        // SAFETY: the publication is live; the struct is plain C data for which zero is a value; its channel is a
        // string that belongs to the publication.
        let constants = unsafe {
            check(sys::aeron_publication_constants(handle.ptr(), raw.as_mut_ptr()), "cannot read a publication")?;
            PublicationConstants::from_raw(&raw.assume_init())
        };
        Ok(Publication { handle, constants })
    }

    fn name(&self) -> String {
        format!("publication {} stream {}", self.channel.to_string_lossy(), self.stream_id)
    }
}
