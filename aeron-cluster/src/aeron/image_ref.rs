//! References to images, and what can be asked of every image.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use aeron_sys as sys;

use super::block::{self, Block, on_block};
use super::c_text::c_string;
use super::native_error::check;
use super::subscription::Subscription;
use crate::error::{Error, ErrorKind, Result};

/// The longest reason for a rejection, in bytes (`ErrorFlyweight.MAX_ERROR_MESSAGE_LENGTH`).
const MAX_REASON_LENGTH: usize = 1023;

/// A pointer to an `aeron_image_t` that its holder keeps alive.
#[derive(Clone, Copy)]
pub(super) struct RawImage(NonNull<sys::aeron_image_t>);

impl RawImage {
    /// # Safety
    ///
    /// The image must live as long as the result.
    pub(super) unsafe fn new(image: NonNull<sys::aeron_image_t>) -> Self {
        RawImage(image)
    }

    pub(super) fn ptr(&self) -> *mut sys::aeron_image_t {
        self.0.as_ptr()
    }

    pub(super) fn constants(&self) -> sys::aeron_image_constants_t {
        let mut raw = MaybeUninit::<sys::aeron_image_constants_t>::zeroed();
        // SAFETY: the image is live; the struct is plain C data for which zero is a value. The call fails for null pointers alone.
        unsafe {
            sys::aeron_image_constants(self.ptr(), raw.as_mut_ptr());
            raw.assume_init()
        }
    }

    pub(super) fn source_identity(&self) -> String {
        let identity = self.constants().source_identity;
        // SAFETY: a NUL-terminated string that belongs to the image.
        unsafe { CStr::from_ptr(identity) }.to_string_lossy().into_owned()
    }
}

/// A reference count on an `aeron_image_t`, released when dropped.
pub(super) struct Retained(RawImage);

impl Retained {
    /// # Safety
    ///
    /// `image` must have been retained for the result.
    pub(super) unsafe fn new(image: NonNull<sys::aeron_image_t>) -> Self {
        Retained(RawImage(image))
    }

    pub(super) fn raw(&self) -> &RawImage {
        &self.0
    }

    pub(super) fn ptr(&self) -> *mut sys::aeron_image_t {
        self.0.ptr()
    }

    /// Polls for a block of at most `length_limit` bytes.
    pub(super) fn block_poll<F: FnMut(Block<'_>)>(&mut self, length_limit: usize, handler: &mut F) -> Result<usize> {
        let mut slot = block::Slot::new(handler);
        // C adds the limit to an offset within a term.
        let length_limit = length_limit.min(i32::MAX as usize / 2);
        // SAFETY: the image is retained and polled through `&mut` alone; the slot lives across the call.
        let result =
            unsafe { sys::aeron_image_block_poll(self.ptr(), Some(on_block::<F>), slot.clientd(), length_limit) };
        slot.finish();
        check(result, "cannot poll an image").map(|length| length as usize)
    }

    /// Asks the driver to drop the image.
    pub(super) fn reject(&mut self, reason: &str) -> Result<()> {
        if reason.len() > MAX_REASON_LENGTH {
            let message = format!("reason has {} bytes, at most {MAX_REASON_LENGTH}: {reason:?}", reason.len());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let reason = c_string(reason, "reason")?;
        // SAFETY: the image is retained, and its pointer to the subscription stays set: the conductor clears it only after the
        // subscription has read its list of images again, which it cannot while this image exists. C copies the reason.
        let result = unsafe { sys::aeron_image_reject(self.ptr(), reason.as_ptr()) };
        check(result, "cannot reject an image").map(|_| ())
    }
}

impl Drop for Retained {
    fn drop(&mut self) {
        // SAFETY: the count is ours. aeron_image_release works whether or not the image is still connected, unlike
        // aeron_subscription_image_release.
        unsafe { sys::aeron_image_release(self.ptr()) };
    }
}

/// Getters of everything that refers to an image.
macro_rules! image_queries {
    () => {
        /// The position up to which it has been polled, in bytes. Once the image is closed, the last such position.
        pub fn position(&self) -> i64 {
            // SAFETY: the image is live.
            unsafe { sys::aeron_image_position(self.raw().ptr()) }
        }

        /// Whether it is closed: the publication is gone or has not been heard of within the time-out, or the client has ended.
        pub fn is_closed(&self) -> bool {
            // SAFETY: the image is live.
            unsafe { sys::aeron_image_is_closed(self.raw().ptr()) }
        }

        /// Whether the publication has ended and everything that it sent has been polled.
        pub fn is_end_of_stream(&self) -> bool {
            // SAFETY: the image is live.
            unsafe { sys::aeron_image_is_end_of_stream(self.raw().ptr()) }
        }

        /// The id of the session of the publication.
        pub fn session_id(&self) -> i32 {
            self.raw().constants().session_id
        }

        /// The id of the image, unique within the driver.
        pub fn correlation_id(&self) -> i64 {
            self.raw().constants().correlation_id
        }

        /// The position in the stream at which the image starts, in bytes.
        pub fn join_position(&self) -> i64 {
            self.raw().constants().join_position
        }

        /// The length of a term of the log, in bytes.
        pub fn term_buffer_length(&self) -> usize {
            self.raw().constants().term_buffer_length
        }

        /// The maximum length of a packet of the stream (its MTU), in bytes.
        pub fn mtu_length(&self) -> usize {
            self.raw().constants().mtu_length
        }

        /// The id of the first term of the stream.
        pub fn initial_term_id(&self) -> i32 {
            self.raw().constants().initial_term_id
        }

        /// The number of bits to shift a position to the right to get the number of complete terms before it.
        pub fn position_bits_to_shift(&self) -> u32 {
            self.raw().constants().position_bits_to_shift as u32
        }

        /// The id of the counter that holds the position up to which it has been polled.
        pub fn subscriber_position_id(&self) -> i32 {
            self.raw().constants().subscriber_position_id
        }

        /// The source of its messages, as the driver reports it: an address, or `aeron:ipc`.
        pub fn source_identity(&self) -> String {
            self.raw().source_identity()
        }

        /// The position at which the stream has ended, in bytes; `None` while it has not.
        pub fn end_of_stream_position(&self) -> Option<i64> {
            // SAFETY: the image is live.
            let position = unsafe { sys::aeron_image_end_of_stream_position(self.raw().ptr()) };
            (position != i64::MAX).then_some(position)
        }

        /// The number of transports on which its messages currently arrive; 0 for IPC, before the first message, and once closed.
        pub fn active_transport_count(&self) -> usize {
            // SAFETY: the image is live.
            unsafe { sys::aeron_image_active_transport_count(self.raw().ptr()) }.max(0) as usize
        }

        /// Whether the publication was revoked: its stream ended at once, however far receivers had got.
        pub fn is_publication_revoked(&self) -> bool {
            // SAFETY: the image is live.
            unsafe { sys::aeron_image_is_publication_revoked(self.raw().ptr()) }
        }
    };
}
pub(super) use image_queries;

/// Methods of both kinds of image that hold a reference count.
macro_rules! retained_image {
    () => {
        fn raw(&self) -> &RawImage {
            self.retained.raw()
        }

        image_queries!();

        /// Asks the driver to drop the image and to send `reason`, of at most 1023 bytes, to its publication. The publication may
        /// later get a new image. Does not wait for the driver. Mirrors `Image.reject`.
        ///
        /// # Errors
        ///
        /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a reason that is too long or has a NUL in it; an error of C if the
        /// command cannot be sent.
        pub fn reject(&mut self, reason: &str) -> Result<()> {
            self.retained.reject(reason)
        }

        /// The C image, for C code in the same process. Valid as long as this value lives. Never release or poll it.
        pub fn as_ptr(&self) -> *mut sys::aeron_image_t {
            self.retained.ptr()
        }
    };
}
pub(super) use retained_image;

/// An image borrowed from its subscription, to read its state. To poll it by itself, see [`Subscription::into_image`].
pub struct ImageRef<'s> {
    retained: Retained,
    subscription: PhantomData<&'s mut Subscription>,
}

impl ImageRef<'_> {
    /// # Safety
    ///
    /// `raw` must have been retained for the result, which must not outlive the subscription.
    pub(super) unsafe fn from_raw(raw: NonNull<sys::aeron_image_t>) -> Self {
        // SAFETY: by this function's contract.
        ImageRef { retained: unsafe { Retained::new(raw) }, subscription: PhantomData }
    }

    retained_image!();

    pub(super) fn block_poll<F: FnMut(Block<'_>)>(&mut self, length_limit: usize, handler: &mut F) -> Result<usize> {
        self.retained.block_poll(length_limit, handler)
    }
}

impl std::fmt::Debug for ImageRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageRef")
            .field("session_id", &self.session_id())
            .field("position", &self.position())
            .field("closed", &self.is_closed())
            .finish()
    }
}
