//! One publication as a subscription receives it.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use aeron_sys as sys;

use super::header::Header;
use super::native_error::check;
use super::subscription::Subscription;
use super::trampoline::{Action, Slot, controlled_fragment};
use crate::error::Result;

/// A count on an `aeron_image_t`, given back when dropped.
struct Retained(NonNull<sys::aeron_image_t>);

impl Retained {
    fn ptr(&self) -> *mut sys::aeron_image_t {
        self.0.as_ptr()
    }

    fn constants(&self) -> sys::aeron_image_constants_t {
        let mut raw = MaybeUninit::<sys::aeron_image_constants_t>::zeroed();
        // SAFETY: the image is retained; the struct is plain C data for which zero is a value. The call fails for null
        // pointers alone.
        unsafe {
            sys::aeron_image_constants(self.ptr(), raw.as_mut_ptr());
            raw.assume_init()
        }
    }
}

impl Drop for Retained {
    fn drop(&mut self) {
        // SAFETY: the count is ours. aeron_image_release works whether or not the image is still connected, unlike
        // aeron_subscription_image_release.
        unsafe { sys::aeron_image_release(self.ptr()) };
    }
}

/// What an image can be asked by anyone who may look at it.
macro_rules! image_queries {
    () => {
        /// How far it was polled, as a position in the stream; after it closed, how far it was polled then.
        pub fn position(&self) -> i64 {
            // SAFETY: the image is retained.
            unsafe { sys::aeron_image_position(self.retained.ptr()) }
        }

        /// Whether it is gone: the publication left, the network failed, or the client ended.
        pub fn is_closed(&self) -> bool {
            // SAFETY: the image is retained.
            unsafe { sys::aeron_image_is_closed(self.retained.ptr()) }
        }

        /// Whether the publication ended and everything it sent was polled.
        pub fn is_end_of_stream(&self) -> bool {
            // SAFETY: the image is retained.
            unsafe { sys::aeron_image_is_end_of_stream(self.retained.ptr()) }
        }

        /// The session of the publication.
        pub fn session_id(&self) -> i32 {
            self.retained.constants().session_id
        }

        /// The id that tells this image from every other of the driver.
        pub fn correlation_id(&self) -> i64 {
            self.retained.constants().correlation_id
        }

        /// The position in the stream at which it joined.
        pub fn join_position(&self) -> i64 {
            self.retained.constants().join_position
        }

        /// The length of a term of the log, in bytes.
        pub fn term_buffer_length(&self) -> usize {
            self.retained.constants().term_buffer_length
        }

        /// The length of the longest packet, in bytes.
        pub fn mtu_length(&self) -> usize {
            self.retained.constants().mtu_length
        }

        /// The C image, for C code in the same process. It lives as long as this value; never release or poll it.
        pub fn as_ptr(&self) -> *mut sys::aeron_image_t {
            self.retained.ptr()
        }
    };
}

/// An image borrowed from its subscription, to look at.
pub struct ImageRef<'s> {
    retained: Retained,
    subscription: PhantomData<&'s mut Subscription>,
}

impl ImageRef<'_> {
    /// # Safety
    ///
    /// `raw` must have been retained for the result, which must not outlive the subscription.
    pub(super) unsafe fn from_raw(raw: NonNull<sys::aeron_image_t>) -> Self {
        ImageRef { retained: Retained(raw), subscription: PhantomData }
    }

    image_queries!();
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

/// One publication as its subscriber receives it, to be polled by itself.
///
/// It owns its subscription: polling both from two places would be a data race, and closing the subscription before the
/// image a use after free in C. It may be moved to another thread but not shared. Mirrors `io.aeron.Image` and
/// `aeron_image_t`; made by [`Subscription::into_image`].
pub struct Image {
    // The order matters: the image is released before its subscription closes.
    retained: Retained,
    subscription: Subscription,
}

// SAFETY: the C object is not bound to a thread; it only forbids concurrent use (aeronc.h), which `&mut self` does too.
unsafe impl Send for Image {}

impl Image {
    /// # Safety
    ///
    /// `raw` must have been retained for the result and be an image of `subscription`.
    pub(super) unsafe fn from_raw(raw: NonNull<sys::aeron_image_t>, subscription: Subscription) -> Self {
        Image { retained: Retained(raw), subscription }
    }

    image_queries!();

    /// The subscription's channel.
    pub fn channel(&self) -> &str {
        self.subscription.channel()
    }

    /// Delivers at most `fragment_limit` fragments to `handler`, which says after each how to go on, and returns how
    /// many were taken.
    ///
    /// Does not block and does not allocate; delivers nothing once the image is closed. A panic of the handler stops the
    /// poll and is resumed from here; the fragment it was given is delivered again by the next poll.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, mut handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        let mut slot = Slot::new(&mut handler);
        // SAFETY: the image is retained and polled by `&mut self` alone, its subscription being ours; the slot lives
        // across the call, and C keeps no pointer to it.
        let result = unsafe {
            sys::aeron_image_controlled_poll(
                self.retained.ptr(),
                Some(controlled_fragment::<F>),
                slot.clientd(),
                fragment_limit,
            )
        };
        slot.finish();
        check(result, "cannot poll an image").map(|count| count as usize)
    }

    /// As [`controlled_poll`](Self::controlled_poll), but takes no fragment that starts at `limit_position` or after it.
    /// Mirrors `Image.boundedControlledPoll`.
    #[inline]
    pub fn bounded_controlled_poll<F>(
        &mut self,
        limit_position: i64,
        fragment_limit: usize,
        mut handler: F,
    ) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        let mut slot = Slot::new(&mut handler);
        // SAFETY: as in `controlled_poll`.
        let result = unsafe {
            sys::aeron_image_bounded_controlled_poll(
                self.retained.ptr(),
                Some(controlled_fragment::<F>),
                slot.clientd(),
                limit_position,
                fragment_limit,
            )
        };
        slot.finish();
        check(result, "cannot poll an image").map(|count| count as usize)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("channel", &self.channel())
            .field("session_id", &self.session_id())
            .field("position", &self.position())
            .field("closed", &self.is_closed())
            .finish()
    }
}
