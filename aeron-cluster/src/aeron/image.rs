//! Images: the replicas of publications that a subscription receives.

use std::ptr::NonNull;

use aeron_sys as sys;

use super::block::Block;
use super::header::{Header, Terms};
use super::image_ref::{RawImage, Retained, image_queries, retained_image};
use super::native_error::check;
use super::subscription::Subscription;
use super::trampoline::{Action, Slot};
use crate::error::Result;

/// The replica of one publication at a subscriber, to be polled by itself.
///
/// It owns its subscription, because polling both at once would be a data race in C, and closing the subscription before the
/// image a use after free. It may be moved to another thread but not shared. Made by [`Subscription::into_image`]. Mirrors
/// `io.aeron.Image` and `aeron_image_t`.
pub struct Image {
    // The order matters: the image is released before its subscription closes.
    retained: Retained,
    subscription: Subscription,
    terms: Terms,
}

// SAFETY: the C object is not bound to a thread; it only forbids concurrent use (aeronc.h), which `&mut self` does too.
unsafe impl Send for Image {}

impl Image {
    /// # Safety
    ///
    /// `raw` must have been retained for the result and be an image of `subscription`.
    pub(super) unsafe fn from_raw(raw: NonNull<sys::aeron_image_t>, subscription: Subscription) -> Self {
        // SAFETY: by this function's contract.
        let retained = unsafe { Retained::new(raw) };
        let sys::aeron_image_constants_t { initial_term_id, term_buffer_length, .. } = retained.raw().constants();
        let terms = Terms::new(initial_term_id, term_buffer_length);
        Image { retained, subscription, terms }
    }

    retained_image!();

    /// The URI of the subscription's channel.
    pub fn channel(&self) -> &str {
        self.subscription.channel()
    }

    /// Calls `handler` with each of at most `fragment_limit` fragments, with its header, and returns their number.
    ///
    /// Does not block and does not allocate. Delivers nothing once the image is closed. If the handler panics, the poll stops, its
    /// fragment will be delivered again by the next poll, and the panic is resumed. Mirrors `Image.poll`.
    ///
    /// # Errors
    ///
    /// None in practice: C fails only for null pointers.
    pub fn poll(&mut self, fragment_limit: usize, mut handler: impl FnMut(&[u8], &Header<'_>)) -> Result<usize> {
        self.controlled_poll(fragment_limit, |message, header| {
            handler(message, header);
            Action::Continue
        })
    }

    /// As [`poll`](Self::poll), but stops before a fragment that starts at `limit_position` or after it. Mirrors `Image.boundedPoll`.
    pub fn bounded_poll(
        &mut self,
        limit_position: i64,
        fragment_limit: usize,
        mut handler: impl FnMut(&[u8], &Header<'_>),
    ) -> Result<usize> {
        self.bounded_controlled_poll(limit_position, fragment_limit, |message, header| {
            handler(message, header);
            Action::Continue
        })
    }

    /// Calls `handler` with the next frames in one block, as they are in the log: only whole frames, of at most `length_limit` bytes
    /// together. Returns the number of bytes delivered. Does not block and does not allocate. A delivered block is consumed, even if the
    /// handler panics. Mirrors `Image.blockPoll`.
    pub fn block_poll(&mut self, length_limit: usize, mut handler: impl FnMut(Block<'_>)) -> Result<usize> {
        self.retained.block_poll(length_limit, &mut handler)
    }

    /// Releases the image and returns its subscription, whose polls deliver the messages of the image from its position on.
    pub fn into_subscription(self) -> Subscription {
        drop(self.retained);
        self.subscription
    }

    /// As [`poll`](Self::poll), with a handler that returns after each fragment how to go on. Returns the number of fragments consumed.
    /// Mirrors `Image.controlledPoll`.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        // SAFETY: the image is retained and polled by `&mut self` alone, its subscription being ours.
        unsafe { poll_slot(self.retained.ptr(), fragment_limit, Slot::of_image(handler, self.terms)) }
    }

    /// As [`controlled_poll`](Self::controlled_poll), but stops before a fragment that starts at `limit_position` or after it.
    /// Mirrors `Image.boundedControlledPoll`.
    #[inline]
    pub fn bounded_controlled_poll<F>(
        &mut self,
        limit_position: i64,
        fragment_limit: usize,
        handler: F,
    ) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        let mut slot = Slot::of_image(handler, self.terms);
        // SAFETY: as in `controlled_poll`; the slot lives across the call, and C keeps no pointer to it.
        let result = unsafe {
            sys::aeron_image_bounded_controlled_poll(
                self.retained.ptr(),
                slot.controlled_fragment(),
                slot.clientd(),
                limit_position,
                fragment_limit,
            )
        };
        slot.finish();
        check(result, "cannot poll an image").map(|count| count as usize)
    }
}

/// As [`Image::controlled_poll`], for an image that C code owns.
///
/// # Safety
///
/// `image` must be retained, and nothing else may poll it or its subscription during the call.
pub(crate) unsafe fn poll_native_image<F>(
    image: *mut sys::aeron_image_t,
    fragment_limit: usize,
    handler: F,
) -> Result<usize>
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: by this function's contract.
    unsafe { poll_slot(image, fragment_limit, Slot::new(handler)) }
}

/// # Safety
///
/// As [`poll_native_image`].
unsafe fn poll_slot<F>(image: *mut sys::aeron_image_t, fragment_limit: usize, mut slot: Slot<F>) -> Result<usize>
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    // SAFETY: by this function's contract; the slot lives across the call, and C keeps no pointer to it.
    let result =
        unsafe { sys::aeron_image_controlled_poll(image, slot.controlled_fragment(), slot.clientd(), fragment_limit) };
    slot.finish();
    check(result, "cannot poll an image").map(|count| count as usize)
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
