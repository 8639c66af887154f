//! Being told of images as they come and go.

use std::collections::HashMap;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use aeron_sys as sys;

use super::callback::in_callback;
use super::handle::{Callbacks, lock};
use super::image::{RawImage, image_queries};

type Handler = Mutex<Box<dyn FnMut(&ImageView<'_>) + Send>>;

/// What to do when an image comes to a subscription, and when it goes.
///
/// Both are called by the client's conductor: on its thread, or by whoever works it. They must be quick, must not wait for the client, and
/// a panic in them is logged. They are dropped some time after their subscription. Do not let them hold an
/// [`Aeron`](super::Aeron) or one of its handles: the client would keep itself alive.
#[derive(Default)]
pub struct ImageHandlers {
    available: Option<Handler>,
    unavailable: Option<Handler>,
}

impl ImageHandlers {
    /// Nothing is done.
    pub fn new() -> Self {
        Self::default()
    }

    /// What to do when an image has come.
    #[must_use]
    pub fn on_available(mut self, handler: impl FnMut(&ImageView<'_>) + Send + 'static) -> Self {
        self.available = Some(Mutex::new(Box::new(handler)));
        self
    }

    /// What to do when an image has gone, or its subscription has. Not called for images that are there when the client ends, nor for
    /// an owned [`Image`](super::Image) whose subscription goes with it.
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

/// An image as its handlers see it: to look at, for the length of the call.
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

/// Handlers that C has pointers to: of subscriptions that are there, or on their way. What C never gives back goes with the client, after
/// `aeron_close`.
pub(super) type Retained = Mutex<HashMap<usize, Arc<Bound>>>;

/// Handlers with the client that calls them.
pub(super) struct Bound {
    handlers: ImageHandlers,
    /// Which holds this in turn, as long as C has a pointer to it.
    callbacks: NonNull<Callbacks>,
}

// SAFETY: the handlers are behind locks and Send; the callbacks are Sync, and outlive every call of C that comes here.
unsafe impl Send for Bound {}
// SAFETY: as above.
unsafe impl Sync for Bound {}

/// What to give C with a subscription, and what it calls when it is done with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notify {
    pub(super) function: sys::aeron_notification_t,
    pub(super) clientd: *mut c_void,
}

impl Notify {
    pub(crate) const NOBODY: Notify = Notify { function: None, clientd: std::ptr::null_mut() };

    /// Says that C is done, where C does not.
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

/// Keeps handlers for C until it is done with them.
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
    // User code: what it holds may be the last handle of this client.
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
