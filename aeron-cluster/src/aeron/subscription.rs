//! A subscription to a stream of a channel.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::block::Block;
use super::channel_status::{ChannelStatus, local_addresses};
use super::channel_uri::{ChannelUri, native_channel};
use super::client::Aeron;
use super::handle::{ClientInner, Handle, KeptOpen, Native};
use super::header::Header;
use super::image::{Image, ImageRef};
use super::image_handlers::{ImageHandlers, Notify, on_available, on_unavailable, retain};
use super::native_error::{check, text};
use super::trampoline::{Action, Slot};
use crate::error::Result;

/// More than any key of a resolved channel adds to the channel as given, in bytes.
const RESOLVED_CHANNEL_EXTRA: usize = 256;

/// Receives messages from all publications on a stream of a channel, one image each.
///
/// It may be moved to another thread but not shared: polling takes `&mut self`, and images are reached through it, so
/// that an image cannot be polled beside its subscription. Mirrors `io.aeron.Subscription` and
/// `aeron_subscription_t`.
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
        // SAFETY: by the trait's contract. No image of it is retained: `Image` releases its own before it lets go of the
        // subscription, and `ImageRef` borrows it.
        unsafe { sys::aeron_subscription_close(raw, notify.function, notify.clientd) };
    }
}

impl Subscription {
    pub(super) fn describe(channel: &str, stream_id: i32) -> Result<SubscriptionSpec> {
        Ok(SubscriptionSpec { channel: native_channel(channel, "channel")?, stream_id, notify: Notify::NOBODY })
    }

    /// Delivers at most `fragment_limit` fragments to `handler`, and returns how many.
    ///
    /// Does not block and does not allocate. A panic of the handler stops the poll and is resumed from here; the
    /// fragment it was given is delivered again by the next poll.
    pub fn poll(&mut self, fragment_limit: usize, mut handler: impl FnMut(&[u8], &Header<'_>)) -> Result<usize> {
        self.controlled_poll(fragment_limit, |message, header| {
            handler(message, header);
            Action::Continue
        })
    }

    /// As [`poll`](Self::poll), with a handler that says after each fragment how to go on.
    pub fn controlled_poll<F>(&mut self, fragment_limit: usize, handler: F) -> Result<usize>
    where
        F: FnMut(&[u8], &Header<'_>) -> Action,
    {
        // SAFETY: the subscription is live as long as the handle and polled by `&mut self` alone.
        unsafe { poll_native(self.handle.ptr(), fragment_limit, handler) }
    }

    /// Delivers the next whole frames of each image, at most `length_limit` bytes of each, to `handler`, as they stand in the log, and
    /// returns how many bytes. What was delivered is taken, also if the handler panics. Mirrors `Subscription.blockPoll`.
    pub fn block_poll(&mut self, length_limit: usize, mut handler: impl FnMut(Block<'_>)) -> Result<usize> {
        let mut length = 0;
        for index in 0..self.image_count() {
            if let Some(mut image) = self.image_at_index(index) {
                length += image.block_poll(length_limit, &mut handler)?;
            }
        }
        Ok(length)
    }

    /// Shows every image that is connected now. Mirrors `Subscription.forEachImage`.
    pub fn for_each_image(&mut self, mut handler: impl FnMut(&mut ImageRef<'_>)) {
        for index in 0..self.image_count() {
            if let Some(mut image) = self.image_at_index(index) {
                handler(&mut image);
            }
        }
    }

    /// The state of the channel.
    pub fn channel_status(&self) -> ChannelStatus {
        // SAFETY: as in `is_connected`.
        ChannelStatus::from_native(unsafe { sys::aeron_subscription_channel_status(self.handle.ptr()) })
    }

    /// The addresses that it receives at, one for each destination; empty for IPC, and while the channel is not active.
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

    /// Whether some publication is connected to it.
    pub fn is_connected(&self) -> bool {
        // SAFETY: the subscription is live as long as the handle.
        unsafe { sys::aeron_subscription_is_connected(self.handle.ptr()) }
    }

    /// Whether the client ended, and with it this subscription.
    pub fn is_closed(&self) -> bool {
        // SAFETY: as in `is_connected`.
        unsafe { sys::aeron_subscription_is_closed(self.handle.ptr()) }
    }

    /// How many publications it receives from now.
    pub fn image_count(&self) -> usize {
        // SAFETY: as in `is_connected`.
        unsafe { sys::aeron_subscription_image_count(self.handle.ptr()) }.max(0) as usize
    }

    /// The image of a session, if that session is connected now.
    pub fn image_by_session_id(&mut self, session_id: i32) -> Option<ImageRef<'_>> {
        // SAFETY: the subscription is live as long as the handle; the image comes retained (aeronc.h).
        let raw = unsafe { sys::aeron_subscription_image_by_session_id(self.handle.ptr(), session_id) };
        // SAFETY: retained for us, and bound to this borrow.
        NonNull::new(raw).map(|raw| unsafe { ImageRef::from_raw(raw) })
    }

    /// The image with this index, in the order of polling.
    pub fn image_at_index(&mut self, index: usize) -> Option<ImageRef<'_>> {
        // SAFETY: as in `image_by_session_id`.
        let raw = unsafe { sys::aeron_subscription_image_at_index(self.handle.ptr(), index) };
        // SAFETY: retained for us, and bound to this borrow.
        NonNull::new(raw).map(|raw| unsafe { ImageRef::from_raw(raw) })
    }

    /// Whether an image with this correlation id is connected now. See [`Header::image_correlation_id`].
    pub fn has_image(&mut self, correlation_id: i64) -> bool {
        // From the end: images that go meanwhile only move others forward, and whoever counts up misses one that stays.
        (0..self.image_count()).rev().any(|index| {
            self.image_at_index(index)
                .is_some_and(|image| image.correlation_id() == correlation_id && !image.is_closed())
        })
    }

    /// Turns the subscription into the one image of `session_id`, to be polled by itself, or gives the subscription back
    /// if no such image is connected now.
    pub fn into_image(self, session_id: i32) -> std::result::Result<Image, Subscription> {
        // SAFETY: as in `image_by_session_id`.
        let raw = unsafe { sys::aeron_subscription_image_by_session_id(self.handle.ptr(), session_id) };
        match NonNull::new(raw) {
            // SAFETY: retained for us, and of this subscription.
            Some(raw) => Ok(unsafe { Image::from_raw(raw, self) }),
            None => Err(self),
        }
    }

    /// The channel with the port that the driver chose where the channel asked for port 0; `None` while the driver has
    /// not bound it. A channel without such a port is returned as it is.
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

    /// The channel as it was given.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The stream within the channel.
    pub fn stream_id(&self) -> i32 {
        self.stream_id
    }

    /// The id of its registration with the driver.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// The id of the counter that shows the channel's status.
    pub fn channel_status_id(&self) -> i32 {
        self.channel_status_id
    }

    /// Takes over a subscription that C code has added through the same client.
    ///
    /// # Safety
    ///
    /// `raw` must be live, of the client `aeron`, and neither polled nor closed by anybody else from now on.
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

    /// The C subscription, for C code in the same process. It lives as long as this value; never close it, and never
    /// poll it from C while Rust polls.
    pub fn as_ptr(&self) -> *mut sys::aeron_subscription_t {
        self.handle.ptr()
    }
}

/// As [`Subscription::controlled_poll`], of a subscription that C keeps.
///
/// # Safety
///
/// `subscription` must be live, and polled by nobody else meanwhile.
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

/// What the driver needs to know to add a subscription.
#[derive(Debug)]
pub(super) struct SubscriptionSpec {
    channel: CString,
    stream_id: i32,
    /// Of the image handlers.
    notify: Notify,
}

impl SubscriptionSpec {
    /// With handlers that the client keeps for C.
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
        // SAFETY: by the trait's contract; C copies the channel; the handlers are retained until C says that it is done with them.
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
        // SAFETY: by the trait's contract. Removing is what aeron_async_add_subscription_cancel does too, without telling of its end.
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
