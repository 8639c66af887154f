//! Handlers that are called when images become available or unavailable.

use std::collections::HashMap;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use aeron_sys as sys;

use super::callback::in_callback;
use super::handle::{Callbacks, lock};
use super::image_ref::{RawImage, image_queries};

type Handler = Mutex<Box<dyn FnMut(&ImageView<'_>) + Send>>;

/// The handlers of a subscription that are called when an image becomes available, and when one becomes unavailable.
///
/// The client's conductor calls both: on its thread, or on the thread that runs it. They must be quick and must not wait for the client; a
/// panic in them is logged. They are dropped some time after their subscription. They must not own an
/// [`Aeron`](super::Aeron) or one of its handles: the client would then keep itself alive. Mirrors `io.aeron.AvailableImageHandler` and
/// `io.aeron.UnavailableImageHandler`.
#[derive(Default)]
pub struct ImageHandlers {
    available: Option<Handler>,
    unavailable: Option<Handler>,
}

impl ImageHandlers {
    /// Handlers that do nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the handler that is called when an image has become available.
    #[must_use]
    pub fn on_available(mut self, handler: impl FnMut(&ImageView<'_>) + Send + 'static) -> Self {
        self.available = Some(Mutex::new(Box::new(handler)));
        self
    }

    /// Sets the handler that is called when an image has become unavailable, or its subscription has been closed. It is not called for
    /// images that still exist when the client ends, nor for an owned [`Image`](super::Image), which closes together with its subscription.
    #[must_use]
    pub fn on_unavailable(mut self, handler: impl FnMut(&ImageView<'_>) + Send + 'static) -> Self {
        self.unavailable = Some(Mutex::new(Box::new(handler)));
        self
    }
}

impl std::fmt::Debug for ImageHandlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageHandlers")
            .field("available", &self.available.is_some())
            .field("unavailable", &self.unavailable.is_some())
            .finish()
    }
}

/// An image as its handlers see it: its state can be read during the call.
pub struct ImageView<'a> {
    raw: RawImage,
    scope: PhantomData<&'a sys::aeron_image_t>,
}

impl ImageView<'_> {
    fn raw(&self) -> &RawImage {
        &self.raw
    }

    image_queries!();
}

impl std::fmt::Debug for ImageView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageView")
            .field("session_id", &self.session_id())
            .field("position", &self.position())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// Handlers that C has pointers to: those of subscriptions that exist or are being added. What C does not release by itself is freed with
/// the client, after `aeron_close`.
pub(super) type Retained = Mutex<HashMap<usize, Arc<Bound>>>;

/// Handlers, and the client that calls them.
pub(super) struct Bound {
    handlers: ImageHandlers,
    /// It owns this in turn, as long as C has a pointer to it.
    callbacks: NonNull<Callbacks>,
}

// SAFETY: the handlers are behind locks and Send; the callbacks are Sync, and outlive every call of C that comes here.
unsafe impl Send for Bound {}
// SAFETY: as above.
unsafe impl Sync for Bound {}

/// The pointer to give C with a subscription, and the function that C calls once it no longer uses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notify {
    pub(super) function: sys::aeron_notification_t,
    pub(super) clientd: *mut c_void,
}

impl Notify {
    pub(crate) const NOBODY: Notify = Notify { function: None, clientd: std::ptr::null_mut() };

    /// Reports that C no longer uses the pointer, in cases where C does not.
    ///
    /// # Safety
    ///
    /// C must not use `clientd` any more.
    pub(super) unsafe fn call(self) {
        if let Some(function) = self.function {
            // SAFETY: by this function's contract it is as if C called it.
            unsafe { function(self.clientd) };
        }
    }
}

/// Keeps handlers alive until C no longer uses them.
pub(super) fn retain(callbacks: &Callbacks, handlers: ImageHandlers) -> Notify {
    let bound = Arc::new(Bound { handlers, callbacks: NonNull::from(callbacks) });
    let clientd = Arc::as_ptr(&bound).cast_mut().cast::<c_void>();
    lock(&callbacks.image_handlers).insert(clientd.addr(), bound);
    Notify { function: Some(released), clientd }
}

/// # Safety
///
/// For C to call once, when it does not call the handlers any more; `clientd` is a `Bound` that is retained.
unsafe extern "C" fn released(clientd: *mut c_void) {
    // SAFETY: by this function's contract; the callbacks outlive the conductor.
    let callbacks = unsafe { (*clientd.cast::<Bound>()).callbacks.as_ref() };
    let bound = lock(&callbacks.image_handlers).remove(&clientd.addr());
    // Dropping handlers is user code: they may own the last handle of this client.
    in_callback(callbacks, || drop(bound));
}

/// # Safety
///
/// For C to call from its conductor, with a retained `Bound` and an image that lives for the length of the call.
pub(super) unsafe extern "C" fn on_available(
    clientd: *mut c_void,
    _subscription: *mut sys::aeron_subscription_t,
    image: *mut sys::aeron_image_t,
) {
    // SAFETY: by this function's contract.
    unsafe { tell(clientd, image, |handlers| handlers.available.as_ref()) };
}

/// # Safety
///
/// As [`on_available`].
pub(super) unsafe extern "C" fn on_unavailable(
    clientd: *mut c_void,
    _subscription: *mut sys::aeron_subscription_t,
    image: *mut sys::aeron_image_t,
) {
    // SAFETY: by this function's contract.
    unsafe { tell(clientd, image, |handlers| handlers.unavailable.as_ref()) };
}

/// # Safety
///
/// As [`on_available`].
unsafe fn tell(
    clientd: *mut c_void,
    image: *mut sys::aeron_image_t,
    choose: impl FnOnce(&ImageHandlers) -> Option<&Handler>,
) {
    // SAFETY: by this function's contract; the callbacks outlive the conductor.
    let (bound, callbacks) = unsafe {
        let bound = &*clientd.cast::<Bound>();
        (bound, bound.callbacks.as_ref())
    };
    let (Some(handler), Some(image)) = (choose(&bound.handlers), NonNull::new(image)) else { return };
    // SAFETY: it lives for the length of the call, and the view does not leave the handler.
    let view = ImageView { raw: unsafe { RawImage::new(image) }, scope: PhantomData };
    in_callback(callbacks, || lock(handler)(&view));
}
