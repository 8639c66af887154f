//! A publication that one thread at a time may use.

use std::ffi::CString;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::block::check_block;
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

/// Sends messages on a stream of a channel, from one thread at a time and with a session of its own.
///
/// It may be moved to another thread but not shared: its tail is not updated atomically, so sending takes `&mut self`. Sending never
/// blocks: it returns the position after the message, or the reason why the message was not accepted. Mirrors
/// `io.aeron.ExclusivePublication` and `aeron_exclusive_publication_t`.
pub struct ExclusivePublication {
    handle: Handle<sys::aeron_exclusive_publication_t>,
    constants: PublicationConstants,
}

// SAFETY: the C object is not bound to a thread; it only forbids concurrent use (aeronc.h), which `&mut self` does too.
unsafe impl Send for ExclusivePublication {}

impl Native for sys::aeron_exclusive_publication_t {
    unsafe fn close(raw: *mut Self, notify: Notify) {
        // SAFETY: by the trait's contract. The conductor frees it soon, or aeron_close does if the client has ended.
        unsafe { sys::aeron_exclusive_publication_close(raw, notify.function, notify.clientd) };
    }
}

impl ExclusivePublication {
    pub(super) fn describe(channel: &str, stream_id: i32) -> Result<ExclusivePublicationSpec> {
        Ok(ExclusivePublicationSpec { channel: native_channel(channel, "channel")?, stream_id })
    }

    /// Sends a message, in several fragments if it is longer than [`max_payload_length`](Self::max_payload_length).
    ///
    /// Returns the position of the stream after the message, in bytes. Does not block and does not allocate. Mirrors
    /// `ExclusivePublication.offer`.
    ///
    /// # Errors
    ///
    /// See [`OfferError`]; nothing was sent. [`InvalidArgument`](OfferError::InvalidArgument) for a message longer than
    /// [`max_message_length`](Self::max_message_length).
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

    /// Sends one message whose bytes are in several slices. Otherwise as [`offer`](Self::offer).
    #[inline]
    pub fn offer_vectored(&mut self, pieces: &[IoSlice<'_>]) -> Result<i64, OfferError> {
        total_length(pieces)?;
        // SAFETY: as in `offer`. IoSlice has the layout of iovec, which aeron_iovec_t repeats. C only reads them, and the sum of their
        // lengths does not overflow.
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

    /// As [`offer`](Self::offer), with a reserved value in the header of each fragment. `supplier` is called with each frame, header
    /// included, once the rest of it is written, and returns the value. If it panics, the message is still sent; then the panic is resumed.
    pub fn offer_with_reserved_value(
        &mut self,
        message: &[u8],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<i64, OfferError> {
        // SAFETY: as in `offer`; the supplier and its argument live across the call, and C keeps neither.
        with_supplier(supplier, |native, clientd| unsafe {
            sys::aeron_exclusive_publication_offer(self.handle.ptr(), message.as_ptr(), message.len(), native, clientd)
        })
    }

    /// As [`offer_vectored`](Self::offer_vectored), with a reserved value in the header of each fragment, as in
    /// [`offer_with_reserved_value`](Self::offer_with_reserved_value).
    pub fn offer_vectored_with_reserved_value(
        &mut self,
        pieces: &[IoSlice<'_>],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<i64, OfferError> {
        total_length(pieces)?;
        // SAFETY: as in `offer_vectored` and `offer_with_reserved_value`.
        with_supplier(supplier, |native, clientd| unsafe {
            let (first, count) = (pieces.as_ptr().cast_mut().cast(), pieces.len());
            sys::aeron_exclusive_publication_offerv(self.handle.ptr(), first, count, native, clientd)
        })
    }

    /// Claims space for a message of `length` bytes, to be written in place and then committed. Does not block and does not allocate.
    /// Mirrors `ExclusivePublication.tryClaim`.
    ///
    /// # Errors
    ///
    /// See [`OfferError`]. [`InvalidArgument`](OfferError::InvalidArgument) for a length greater than
    /// [`max_payload_length`](Self::max_payload_length).
    #[inline]
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        let mut claim = MaybeUninit::<sys::aeron_buffer_claim_t>::uninit();
        // SAFETY: the publication is live as long as the handle; C fills the claim if the result is not negative.
        let result =
            unsafe { sys::aeron_exclusive_publication_try_claim(self.handle.ptr(), length, claim.as_mut_ptr()) };
        let position = position(result)?;
        // SAFETY: filled, with the requested length, and bound to this borrow of the publication.
        Ok(unsafe { BufferClaim::from_raw(claim.assume_init().data, length, position) })
    }

    /// Sends frames as they are, headers included: a [`Block`](super::Block) from another stream whose headers have the session, stream,
    /// term and offsets of this one. The whole block must fit the current term. Does not block. Mirrors `ExclusivePublication.offerBlock`.
    ///
    /// # Errors
    ///
    /// See [`OfferError`]. [`InvalidArgument`](OfferError::InvalidArgument) also for a block that does not consist of whole, adjacent frames,
    /// does not begin at the current position of this stream, or is not aligned to 8 bytes in memory.
    pub fn offer_block(&mut self, block: &[u8]) -> Result<i64, OfferError> {
        check_block(block)?;
        // SAFETY: the publication is live as long as the handle; C reads the block during the call, and `check_block` has checked
        // what C does not.
        position(unsafe {
            sys::aeron_exclusive_publication_offer_block(self.handle.ptr(), block.as_ptr(), block.len())
        })
    }

    /// Appends padding of `length` bytes and a frame header, which receivers skip. Returns the position after it. Does not block. Mirrors
    /// `ExclusivePublication.appendPadding`.
    ///
    /// # Errors
    ///
    /// See [`OfferError`]. [`InvalidArgument`](OfferError::InvalidArgument) for a length greater than
    /// [`max_message_length`](Self::max_message_length).
    pub fn append_padding(&mut self, length: usize) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle; C checks the length.
        position(unsafe { sys::aeron_exclusive_publication_append_padding(self.handle.ptr(), length) })
    }

    /// Makes the driver revoke the publication when this is dropped: the stream ends at once, and messages that receivers have not yet
    /// received are lost. Mirrors `ExclusivePublication.revokeOnClose`.
    pub fn revoke_on_close(&mut self) {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_exclusive_publication_revoke_on_close(self.handle.ptr()) };
    }

    /// Closes and revokes the publication. See [`revoke_on_close`](Self::revoke_on_close). Mirrors `ExclusivePublication.revoke`.
    pub fn revoke(mut self) {
        self.revoke_on_close();
    }

    /// Whether the driver currently has a subscriber for it: over UDP, one whose status messages have not timed out.
    pub fn is_connected(&self) -> bool {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_exclusive_publication_is_connected(self.handle.ptr()) }
    }

    /// Whether the client has ended, and with it this publication.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the publication is live as long as the handle.
        unsafe { sys::aeron_exclusive_publication_is_closed(self.handle.ptr()) }
    }

    /// The current position of the stream, in bytes: where the next message starts.
    ///
    /// # Errors
    ///
    /// [`Closed`](OfferError::Closed) if the publication is closed.
    pub fn position(&self) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle.
        position(unsafe { sys::aeron_exclusive_publication_position(self.handle.ptr()) })
    }

    /// The position limit, in bytes: from there on sends are refused until receivers have caught up.
    ///
    /// # Errors
    ///
    /// [`Closed`](OfferError::Closed) if the publication is closed.
    pub fn position_limit(&self) -> Result<i64, OfferError> {
        // SAFETY: the publication is live as long as the handle.
        position(unsafe { sys::aeron_exclusive_publication_position_limit(self.handle.ptr()) })
    }

    /// The status of the channel, as the driver reports it.
    pub fn channel_status(&self) -> ChannelStatus {
        // SAFETY: the publication is live as long as the handle.
        ChannelStatus::from_native(unsafe { sys::aeron_exclusive_publication_channel_status(self.handle.ptr()) })
    }

    /// The local addresses that it sends from; empty for IPC, and while the channel is not active.
    pub fn local_addresses(&self) -> Result<Vec<String>> {
        // SAFETY: the publication is live as long as the handle; C writes within the vectors.
        local_addresses(|vectors, count| unsafe {
            sys::aeron_exclusive_publication_local_sockaddrs(self.handle.ptr(), vectors, count)
        })
    }

    constant_queries!();

    /// Takes over a publication that C code has added through the client `aeron`, and closes it when dropped.
    ///
    /// # Safety
    ///
    /// `raw` must be a live publication of the client `aeron`, and nothing else may use or close it from now on.
    pub unsafe fn from_raw(aeron: &Aeron, raw: NonNull<sys::aeron_exclusive_publication_t>) -> Result<Self> {
        // SAFETY: by this function's contract.
        unsafe { ExclusivePublicationSpec::wrap(raw, aeron.share(), Notify::NOBODY) }
    }

    pub(super) fn client(&self) -> &Arc<ClientInner> {
        self.handle.client()
    }

    pub(super) fn keep_open(&self) -> KeptOpen {
        self.handle.keep_open()
    }

    /// The C publication, for C code in the same process. Valid as long as this value lives. Never close it.
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

/// The parameters of the command to the driver that adds an exclusive publication.
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

    unsafe fn registration_id(registering: *mut Registering) -> i64 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_exclusive_publication_get_registration_id(registering) }
    }

    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering, _notify: Notify) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_exclusive_publication_cancel(client, registering) }
    }

    unsafe fn wrap(
        native: NonNull<Self::Native>,
        client: Arc<ClientInner>,
        notify: Notify,
    ) -> Result<ExclusivePublication> {
        // SAFETY: by the trait's contract.
        let handle = unsafe { Handle::new(native, client, notify) };
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
