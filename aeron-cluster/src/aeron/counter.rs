//! A counter that this client owns.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::client::Aeron;
use super::counters::{MAX_KEY_LENGTH, MAX_LABEL_LENGTH};
use super::handle::{ClientInner, Handle, Native};
use super::image_handlers::Notify;
use super::native_error::check;
use crate::error::{Error, ErrorKind, Result};

/// A counter that this client owns. Any thread can use it. It is removed when dropped, unless it is static. Mirrors `io.aeron.Counter` and
/// `aeron_counter_t`.
pub struct Counter {
    handle: Handle<sys::aeron_counter_t>,
    value: NonNull<i64>,
    id: i32,
    registration_id: i64,
}

// SAFETY: all access to the value is atomic; closing takes the value itself.
unsafe impl Send for Counter {}
// SAFETY: as above.
unsafe impl Sync for Counter {}

impl Native for sys::aeron_counter_t {
    unsafe fn close(raw: *mut Self, notify: Notify) {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_counter_close(raw, notify.function, notify.clientd) };
    }
}

impl Counter {
    /// The counter's id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The counter's registration id.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// The current value.
    pub fn get(&self) -> i64 {
        self.cell().load(Ordering::Acquire)
    }

    /// Sets the value (a release store).
    pub fn set(&self, value: i64) {
        self.cell().store(value, Ordering::Release);
    }

    /// Adds 1 and returns the value before.
    pub fn increment(&self) -> i64 {
        self.cell().fetch_add(1, Ordering::AcqRel)
    }

    /// Adds `increment`, which may be negative, and returns the value before.
    pub fn add(&self, increment: i64) -> i64 {
        self.cell().fetch_add(increment, Ordering::AcqRel)
    }

    /// Sets the value and returns the value before.
    pub fn swap(&self, value: i64) -> i64 {
        self.cell().swap(value, Ordering::AcqRel)
    }

    /// Sets the value if it is `expected`. Returns whether it was.
    pub fn compare_and_set(&self, expected: i64, value: i64) -> bool {
        self.cell().compare_exchange(expected, value, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Raises the value to `value` if that is more.
    pub fn propose_max(&self, value: i64) {
        self.cell().fetch_max(value, Ordering::AcqRel);
    }

    /// Whether the client, and with it this counter, has ended.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the counter is live as long as the handle.
        unsafe { sys::aeron_counter_is_closed(self.handle.ptr()) }
    }

    /// Takes over a counter that C code has added through the same client.
    ///
    /// # Safety
    ///
    /// `raw` must be live, of the client `aeron`, and closed by nobody else from now on.
    pub unsafe fn from_raw(aeron: &Aeron, raw: NonNull<sys::aeron_counter_t>) -> Result<Self> {
        // SAFETY: by this function's contract.
        unsafe { CounterSpec::wrap(raw, aeron.share(), Notify::NOBODY) }
    }

    /// The C counter, for C code in the same process. It lives as long as this value; never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_counter_t {
        self.handle.ptr()
    }

    fn cell(&self) -> &AtomicI64 {
        // SAFETY: the cell lies in the mapped CnC file, aligned to 8, and stays mapped as long as the client that the
        // handle keeps. Everyone accesses it atomically.
        unsafe { AtomicI64::from_ptr(self.value.as_ptr()) }
    }
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter").field("id", &self.id).field("value", &self.get()).finish()
    }
}

/// What the driver needs to know to add a counter.
pub(super) struct CounterSpec<'a> {
    type_id: i32,
    key: &'a [u8],
    label: &'a str,
    /// For a static counter: what identifies it among those of its type.
    registration_id: Option<i64>,
}

impl<'a> CounterSpec<'a> {
    pub(super) fn new(type_id: i32, key: &'a [u8], label: &'a str, registration_id: Option<i64>) -> Result<Self> {
        let too_long = |what: &str, length: usize, limit: usize| {
            Error::new(ErrorKind::InvalidArgument, format!("counter {what} has {length} bytes, at most {limit}"))
        };
        if key.len() > MAX_KEY_LENGTH {
            return Err(too_long("key", key.len(), MAX_KEY_LENGTH));
        }
        if label.len() > MAX_LABEL_LENGTH {
            return Err(too_long("label", label.len(), MAX_LABEL_LENGTH));
        }
        Ok(CounterSpec { type_id, key, label, registration_id })
    }
}

impl Registration for CounterSpec<'_> {
    type Native = sys::aeron_counter_t;
    type Added = Counter;

    unsafe fn start(&self, out: *mut *mut Registering, client: *mut sys::aeron_t) -> i32 {
        let (type_id, key, label) = (self.type_id, self.key, self.label);
        let (key, key_length, label, label_length) = (key.as_ptr(), key.len(), label.as_ptr().cast(), label.len());
        // SAFETY: by the trait's contract; C copies key and label.
        unsafe {
            match self.registration_id {
                None => sys::aeron_async_add_counter(out, client, type_id, key, key_length, label, label_length),
                Some(id) => {
                    sys::aeron_async_add_static_counter(out, client, type_id, key, key_length, label, label_length, id)
                }
            }
        }
    }

    unsafe fn registration_id(registering: *mut Registering) -> i64 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_counter_get_registration_id(registering) }
    }

    unsafe fn poll(out: *mut *mut Self::Native, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_counter_poll(out, registering) }
    }

    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering, _notify: Notify) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_counter_cancel(client, registering) }
    }

    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>, notify: Notify) -> Result<Counter> {
        // SAFETY: by the trait's contract.
        let handle = unsafe { Handle::new(native, client, notify) };
        let mut raw = MaybeUninit::<sys::aeron_counter_constants_t>::zeroed();
        // SAFETY: the counter is live; the struct is plain C data for which zero is a value.
        let (raw, value) = unsafe {
            check(sys::aeron_counter_constants(handle.ptr(), raw.as_mut_ptr()), "cannot read a counter")?;
            (raw.assume_init(), sys::aeron_counter_addr(handle.ptr()))
        };
        let value = NonNull::new(value)
            .ok_or_else(|| Error::new(ErrorKind::Native, "the C client gave a counter without a value"))?;
        Ok(Counter { handle, value, id: raw.counter_id, registration_id: raw.registration_id })
    }

    fn name(&self) -> String {
        format!("counter {:?} type {}", self.label, self.type_id)
    }
}
