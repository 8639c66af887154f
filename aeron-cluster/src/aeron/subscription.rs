//! A subscription to a stream of a channel.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::block::Block;
use super::c_text::text;
use super::channel_status::{ChannelStatus, local_addresses};
use super::channel_uri::{ChannelUri, native_channel};
use super::client::Aeron;
use super::handle::{ClientInner, Handle, KeptOpen, Native};
use super::header::Header;
use super::image::Image;
use super::image_handlers::{ImageHandlers, Notify, on_available, on_unavailable, retain};
use super::image_ref::ImageRef;
use super::native_error::check;
use super::trampoline::{Action, Slot};
use crate::error::Result;

/// Room, in bytes, for what resolving the port adds to the length of a channel; more than is ever needed.
const RESOLVED_CHANNEL_EXTRA: usize = 256;

/// Receives messages from all publications on a stream of a channel. It has an image for each of them.
///
/// It may be moved to another thread but not shared: polling takes `&mut self`. Images are borrowed from it, so
/// an image cannot be polled while its subscription is. Mirrors `io.aeron.Subscription` and `aeron_subscription_t`.
pub struct Subscription {
    handle: Handle<sys::aeron_subscription_t>,
    channel: String,
    stream_id: i32,
    registration_id: i64,
    channel_status_id: i32,
}

// SAFETY: the C object is not bound to a thread; it only forbids concurrent use (aeronc.h), which `&mut self` does too.
unsafe impl Send for Subscription {}

impl Native for sys::aeron_subscription_t {
    unsafe fn close(raw: *mut Self, notify: Notify) {
        // SAFETY: by the trait's contract. No image of it is retained: `Image` releases its own before it drops the
        // subscription, and `ImageRef` borrows it.
        unsafe { sys::aeron_subscription_close(raw, notify.function, notify.clientd) };
    }
}

impl Subscription {
    pub(super) fn describe(channel: &str, stream_id: i32) -> Result<SubscriptionSpec> {
        Ok(SubscriptionSpec { channel: native_channel(channel, "channel")?, stream_id, notify: Notify::NOBODY })
    }

    /// Calls `handler` with each of at most `fragment_limit` fragments, with its header, and returns their number.
    ///
    /// Does not block and does not allocate. If the handler panics, the poll stops, its fragment will be delivered again by the
    /// next poll, and the panic is resumed. Mirrors `Subscription.poll`.
    ///
    /// # Errors
    ///
    /// None in practice: C fails only for null pointers. A closed subscription delivers nothing.
    pub fn poll(&mut self, fragment_limit: usize, mut handler: impl FnMut(&[u8], &Header<'_>)) -> Result<usize> {
        self.controlled_poll(fragment_limit, |message, header| {
            handler(message, header);
            Action::Continue
        })
    }

    /// As [`poll`](Self::poll), with a handler that returns after each fragment how to go on. Mirrors `Subscription.controlledPoll`.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        // SAFETY: the subscription is live as long as the handle and polled by `&mut self` alone.
        unsafe { poll_native(self.handle.ptr(), fragment_limit, handler) }
    }

    /// Calls `handler` with the next frames of each image in one block per image, as they are in the log: only whole frames, of at most
    /// `length_limit` bytes together. Returns the number of bytes delivered in all. Does not block.
    ///
    /// Delivered blocks are consumed, even if the handler panics. Mirrors `Subscription.blockPoll`.
    pub fn block_poll(&mut self, length_limit: usize, mut handler: impl FnMut(Block<'_>)) -> Result<usize> {
        let mut length = 0;
        for index in 0..self.image_count() {
            if let Some(mut image) = self.image_at_index(index) {
                length += image.block_poll(length_limit, &mut handler)?;
            }
        }
        Ok(length)
    }

    /// Calls `handler` with every image that the subscription has now. Mirrors `Subscription.forEachImage`.
    pub fn for_each_image(&mut self, mut handler: impl FnMut(&mut ImageRef<'_>)) {
        for index in 0..self.image_count() {
            if let Some(mut image) = self.image_at_index(index) {
                handler(&mut image);
            }
        }
    }

    /// The status of the channel, as the driver reports it.
    pub fn channel_status(&self) -> ChannelStatus {
        // SAFETY: as in `is_connected`.
        ChannelStatus::from_native(unsafe { sys::aeron_subscription_channel_status(self.handle.ptr()) })
    }

    /// The local addresses that it receives at, one for each destination; empty for IPC, and while the channel is not active.
    pub fn local_addresses(&self) -> Result<Vec<String>> {
        // SAFETY: the subscription is live as long as the handle; C writes within the vectors.
        local_addresses(|vectors, count| unsafe {
            sys::aeron_subscription_local_sockaddrs(self.handle.ptr(), vectors, count)
        })
    }

    /// The first of [`local_addresses`](Self::local_addresses), with the port that the driver chose. Mirrors
    /// `Subscription.resolvedEndpoint`.
    pub fn resolved_endpoint(&self) -> Result<Option<String>> {
        Ok(self.local_addresses()?.into_iter().next())
    }

    /// Whether it has an open image: at least one publication is connected.
    pub fn is_connected(&self) -> bool {
        // SAFETY: the subscription is live as long as the handle.
        unsafe { sys::aeron_subscription_is_connected(self.handle.ptr()) }
    }

    /// Whether the client has ended, and with it this subscription.
    pub fn is_closed(&self) -> bool {
        // SAFETY: as in `is_connected`.
        unsafe { sys::aeron_subscription_is_closed(self.handle.ptr()) }
    }

    /// The current number of images: the publications that it receives from.
    pub fn image_count(&self) -> usize {
        // SAFETY: as in `is_connected`.
        unsafe { sys::aeron_subscription_image_count(self.handle.ptr()) }.max(0) as usize
    }

    /// The image of the session `session_id`; `None` if there is none now.
    pub fn image_by_session_id(&mut self, session_id: i32) -> Option<ImageRef<'_>> {
        // SAFETY: the subscription is live as long as the handle; the image comes retained (aeronc.h).
        let raw = unsafe { sys::aeron_subscription_image_by_session_id(self.handle.ptr(), session_id) };
        // SAFETY: retained for us, and bound to this borrow.
        NonNull::new(raw).map(|raw| unsafe { ImageRef::from_raw(raw) })
    }

    /// The image at `index` in the list of images; `None` if the index is not less than [`image_count`](Self::image_count).
    pub fn image_at_index(&mut self, index: usize) -> Option<ImageRef<'_>> {
        // SAFETY: as in `image_by_session_id`.
        let raw = unsafe { sys::aeron_subscription_image_at_index(self.handle.ptr(), index) };
        // SAFETY: retained for us, and bound to this borrow.
        NonNull::new(raw).map(|raw| unsafe { ImageRef::from_raw(raw) })
    }

    /// Whether it has an open image with this correlation id now. See [`Header::image_correlation_id`].
    pub fn has_image(&mut self, correlation_id: i64) -> bool {
        // Backwards: an image that is removed meanwhile moves later ones to lower indexes, so that counting up would skip one.
        (0..self.image_count()).rev().any(|index| {
            self.image_at_index(index)
                .is_some_and(|image| image.correlation_id() == correlation_id && !image.is_closed())
        })
    }

    /// Converts the subscription into its image of the session `session_id`, so that only this image is polled. Returns the subscription
    /// as the error if it has no such image now.
    pub fn into_image(self, session_id: i32) -> std::result::Result<Image, Subscription> {
        // SAFETY: as in `image_by_session_id`.
        let raw = unsafe { sys::aeron_subscription_image_by_session_id(self.handle.ptr(), session_id) };
        match NonNull::new(raw) {
            // SAFETY: retained for us, and of this subscription.
            Some(raw) => Ok(unsafe { Image::from_raw(raw, self) }),
            None => Err(self),
        }
    }

    /// The channel, with port 0 of its endpoint replaced by the port that the driver has chosen; `None` until the driver has bound it.
    /// A channel without port 0 is returned unchanged. Does not block. Mirrors `Subscription.tryResolveChannelEndpointPort`.
    pub fn try_resolve_channel_endpoint_port(&self) -> Result<Option<String>> {
        let uri = ChannelUri::parse(&self.channel)?;
        let wildcard = uri.is_udp()
            && uri.get("endpoint").is_some_and(|endpoint| endpoint.ends_with(":0"))
            && uri.get("control-mode") != Some("manual");
        if !wildcard {
            return Ok(Some(self.channel.clone()));
        }
        let mut buffer = vec![0u8; self.channel.len() + RESOLVED_CHANNEL_EXTRA];
        // SAFETY: the subscription is live; C writes at most the given length with its NUL (for such a channel).
        let result = unsafe {
            sys::aeron_subscription_try_resolve_channel_endpoint_port(
                self.handle.ptr(),
                buffer.as_mut_ptr().cast::<c_char>(),
                buffer.len(),
            )
        };
        check(result, "cannot resolve the port of a channel")?;
        let text = text(&buffer);
        Ok(if text.is_empty() { None } else { Some(text) })
    }

    /// The URI of the channel, as given when this was added.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The id of the stream within the channel.
    pub fn stream_id(&self) -> i32 {
        self.stream_id
    }

    /// The id of its registration with the driver.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// The id of the counter that holds the channel's status.
    pub fn channel_status_id(&self) -> i32 {
        self.channel_status_id
    }

    /// Takes over a subscription that C code has added through the client `aeron`, and closes it when dropped.
    ///
    /// # Safety
    ///
    /// `raw` must be a live subscription of the client `aeron`, and nothing else may poll or close it from now on.
    pub unsafe fn from_raw(aeron: &Aeron, raw: NonNull<sys::aeron_subscription_t>) -> Result<Self> {
        // SAFETY: by this function's contract.
        unsafe { SubscriptionSpec::wrap(raw, aeron.share(), Notify::NOBODY) }
    }

    pub(super) fn client(&self) -> &Arc<ClientInner> {
        self.handle.client()
    }

    pub(super) fn keep_open(&self) -> KeptOpen {
        self.handle.keep_open()
    }

    /// The C subscription, for C code in the same process. Valid as long as this value lives. Never close it, and never
    /// poll it from C while Rust polls it.
    pub fn as_ptr(&self) -> *mut sys::aeron_subscription_t {
        self.handle.ptr()
    }
}

/// As [`Subscription::controlled_poll`], for a subscription that C code owns.
///
/// # Safety
///
/// `subscription` must be live, and nothing else may poll it during the call.
pub(crate) unsafe fn poll_native<F>(
    subscription: *mut sys::aeron_subscription_t,
    fragment_limit: usize,
    handler: F,
) -> Result<usize>
where
    F: FnMut(&[u8], &Header<'_>) -> Action,
{
    let mut slot = Slot::new(handler);
    // SAFETY: by this function's contract; the slot lives across the call, and C keeps no pointer to it.
    let result = unsafe {
        sys::aeron_subscription_controlled_poll(
            subscription,
            slot.controlled_fragment_of_any(),
            slot.clientd(),
            fragment_limit,
        )
    };
    slot.finish();
    check(result, "cannot poll a subscription").map(|count| count as usize)
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", &self.channel)
            .field("stream_id", &self.stream_id)
            .field("images", &self.image_count())
            .finish()
    }
}

/// The parameters of the command to the driver that adds a subscription.
#[derive(Debug)]
pub(super) struct SubscriptionSpec {
    channel: CString,
    stream_id: i32,
    /// How C reports that it no longer needs the image handlers.
    notify: Notify,
}

impl SubscriptionSpec {
    /// Adds image handlers, which the client keeps alive for C.
    pub(super) fn with_handlers(mut self, client: &ClientInner, handlers: ImageHandlers) -> Self {
        self.notify = retain(&client.callbacks, handlers);
        self
    }
}

impl Registration for SubscriptionSpec {
    type Native = sys::aeron_subscription_t;
    type Added = Subscription;

    unsafe fn start(&self, out: *mut *mut Registering, client: *mut sys::aeron_t) -> i32 {
        let (available, unavailable): (sys::aeron_on_available_image_t, sys::aeron_on_unavailable_image_t) =
            if self.notify.clientd.is_null() { (None, None) } else { (Some(on_available), Some(on_unavailable)) };
        let (channel, clientd) = (self.channel.as_ptr(), self.notify.clientd);
        // SAFETY: by the trait's contract; C copies the channel; the handlers are retained until C reports that it is done with them.
        unsafe {
            sys::aeron_async_add_subscription(
                out,
                client,
                channel,
                self.stream_id,
                available,
                clientd,
                unavailable,
                clientd,
            )
        }
    }

    fn notify(&self) -> Notify {
        self.notify
    }

    unsafe fn poll(out: *mut *mut Self::Native, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_subscription_poll(out, registering) }
    }

    unsafe fn registration_id(registering: *mut Registering) -> i64 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_subscription_get_registration_id(registering) }
    }

    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering, notify: Notify) -> i32 {
        // SAFETY: by the trait's contract. aeron_async_add_subscription_cancel removes it too, but does not report the end.
        unsafe {
            let id = sys::aeron_async_add_subscription_get_registration_id(registering);
            sys::aeron_async_remove_subscription(id, client, notify.function, notify.clientd)
        }
    }

    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>, notify: Notify) -> Result<Subscription> {
        // SAFETY: by the trait's contract.
        let handle = unsafe { Handle::new(native, client, notify) };
        let mut raw = MaybeUninit::<sys::aeron_subscription_constants_t>::zeroed();
        // SAFETY: the subscription is live; the struct is plain C data for which zero is a value; its channel is a
        // string that belongs to the subscription.
        let (channel, raw) = unsafe {
            check(sys::aeron_subscription_constants(handle.ptr(), raw.as_mut_ptr()), "cannot read a subscription")?;
            let raw = raw.assume_init();
            (CStr::from_ptr(raw.channel).to_string_lossy().into_owned(), raw)
        };
        Ok(Subscription {
            handle,
            channel,
            stream_id: raw.stream_id,
            registration_id: raw.registration_id,
            channel_status_id: raw.channel_status_indicator_id,
        })
    }

    fn name(&self) -> String {
        format!("subscription {} stream {}", self.channel.to_string_lossy(), self.stream_id)
    }
}
