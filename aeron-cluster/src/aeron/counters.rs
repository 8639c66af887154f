//! Counters: those of the driver and of every client, and this client's own.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use aeron_sys as sys;

use super::async_add::{Registering, Registration};
use super::handle::{ClientInner, Handle, Native};
use super::native_error::check;
use crate::error::{Error, ErrorKind, Result};

const RECORD_ALLOCATED: i32 = 1;
/// The longest key and label of a counter, in bytes (`AERON_COUNTER_MAX_KEY_LENGTH`, `AERON_COUNTER_MAX_LABEL_LENGTH`).
const MAX_KEY_LENGTH: usize = 112;
const MAX_LABEL_LENGTH: usize = 380;
/// Lengths of a counter's records in the CnC file.
const VALUE_LENGTH: usize = 128;
const METADATA_LENGTH: usize = 512;
/// Where the fields of a value record are.
const VALUE_OFFSET: usize = 0;
const REGISTRATION_ID_OFFSET: usize = 8;

/// One counter as [`CountersReader::for_each`] shows it.
#[derive(Debug, Clone, Copy)]
pub struct CounterView<'a> {
    /// Its id, which is used again after it is gone.
    pub id: i32,
    /// What it counts (`AeronCounters`).
    pub type_id: i32,
    /// The value when it was read.
    pub value: i64,
    /// Its key, of the length that all keys have: 112 bytes.
    pub key: &'a [u8],
    /// Its label.
    pub label: &'a str,
}

/// Reads the counters of a driver and of its clients. Mirrors `org.agrona.concurrent.status.CountersReader`.
///
/// Nothing here blocks. Ids outside the driver's range read as "not there".
#[derive(Clone, Copy)]
pub struct CountersReader<'a> {
    client: &'a Arc<ClientInner>,
    raw: *mut sys::aeron_counters_reader_t,
}

impl<'a> CountersReader<'a> {
    pub(super) fn new(client: &'a Arc<ClientInner>) -> Self {
        // SAFETY: the client is live; its reader belongs to it and lives as long (aeronc.h).
        let raw = unsafe { sys::aeron_counters_reader(client.ptr()) };
        CountersReader { client, raw }
    }

    /// Calls `handler` for every counter in use, in the order of their ids.
    pub fn for_each<F: FnMut(&CounterView<'_>)>(&self, mut handler: F) {
        let mut slot = (&mut handler, None);
        // SAFETY: the reader lives as long as `client`; the slot lives across the call.
        unsafe {
            sys::aeron_counters_reader_foreach_counter(
                self.raw,
                Some(visit::<F>),
                std::ptr::from_mut(&mut slot).cast(),
            );
        }
        if let Some(payload) = slot.1 {
            std::panic::resume_unwind(payload);
        }
    }

    /// The first counter in use, by id, that `matches`.
    pub fn find(&self, mut matches: impl FnMut(&CounterView<'_>) -> bool) -> Option<i32> {
        let mut found = None;
        self.for_each(|counter| {
            if found.is_none() && matches(counter) {
                found = Some(counter.id);
            }
        });
        found
    }

    /// The value of a counter; `None` if there is no such counter now.
    pub fn value(&self, id: i32) -> Option<i64> {
        // SAFETY: the cell lives as long as `client` (see `value_record`).
        self.is_allocated(id).then(|| unsafe { self.value_record(id, VALUE_OFFSET).as_ref() }.load(Ordering::Acquire))
    }

    /// The registration id of a counter, by which it can be told from a later one with the same id.
    pub fn registration_id(&self, id: i32) -> Option<i64> {
        let mut registration_id = 0;
        // SAFETY: the reader lives as long as `client`; the id is in range, so C writes the value.
        let result = self.is_allocated(id).then(|| unsafe {
            sys::aeron_counters_reader_counter_registration_id(self.raw, id, &mut registration_id)
        })?;
        (result == 0).then_some(registration_id)
    }

    /// The id of the client that owns a counter; 0 or less if nobody does.
    pub fn owner_id(&self, id: i32) -> Option<i64> {
        let mut owner_id = 0;
        // SAFETY: as in `registration_id`.
        let result = self
            .is_allocated(id)
            .then(|| unsafe { sys::aeron_counters_reader_counter_owner_id(self.raw, id, &mut owner_id) })?;
        (result == 0).then_some(owner_id)
    }

    /// Whether there is a counter with this id now.
    pub fn is_allocated(&self, id: i32) -> bool {
        // SAFETY: the cell lives as long as `client` (see `state_record`).
        self.in_range(id) && unsafe { self.state_record(id).as_ref() }.load(Ordering::Acquire) == RECORD_ALLOCATED
    }

    /// A counter to read again and again. It tells when the counter is gone, also if its id is in use again.
    pub fn readable_counter(&self, id: i32) -> Option<ReadableCounter> {
        let registration_id = self.registration_id(id)?;
        Some(ReadableCounter {
            id,
            registration_id,
            value: self.value_record(id, VALUE_OFFSET),
            registration: self.value_record(id, REGISTRATION_ID_OFFSET),
            state: self.state_record(id),
            _client: Arc::clone(self.client),
        })
    }

    fn in_range(&self, id: i32) -> bool {
        // SAFETY: the reader lives as long as `client`.
        id >= 0 && id <= unsafe { sys::aeron_counters_reader_max_counter_id(self.raw) }
    }

    fn buffers(&self) -> sys::aeron_counters_reader_buffers_t {
        let mut buffers = MaybeUninit::zeroed();
        // SAFETY: the reader lives as long as `client`; the struct is plain C data for which zero is a value.
        unsafe {
            sys::aeron_counters_reader_get_buffers(self.raw, buffers.as_mut_ptr());
            buffers.assume_init()
        }
    }

    /// A cell of a counter's value record. It lies in the mapped CnC file, so it lives as long as the client.
    /// `id` must be in range.
    fn value_record(&self, id: i32, offset: usize) -> NonNull<AtomicI64> {
        let start = self.buffers().values;
        // SAFETY: `id` is in range, so the cell lies in the mapped CnC file, which is not at address 0; cells are
        // aligned to 8.
        unsafe { NonNull::new_unchecked(start.add(id as usize * VALUE_LENGTH + offset).cast::<AtomicI64>()) }
    }

    /// The first field of a counter's metadata record. Otherwise as `value_record`.
    fn state_record(&self, id: i32) -> NonNull<AtomicI32> {
        let start = self.buffers().metadata;
        // SAFETY: as in `value_record`; cells are aligned to 4.
        unsafe { NonNull::new_unchecked(start.add(id as usize * METADATA_LENGTH).cast::<AtomicI32>()) }
    }
}

impl std::fmt::Debug for CountersReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CountersReader").field("dir", &self.client.dir).finish()
    }
}

type Visit<'f, F> = (&'f mut F, Option<Box<dyn std::any::Any + Send>>);

/// # Safety
///
/// For C to call during `for_each`, with the `clientd` of its slot.
unsafe extern "C" fn visit<F: FnMut(&CounterView<'_>)>(
    value: i64,
    id: i32,
    type_id: i32,
    key: *const u8,
    key_length: usize,
    label: *const c_char,
    label_length: usize,
    clientd: *mut c_void,
) {
    // SAFETY: clientd is the slot of the `for_each` in progress on this thread.
    let slot = unsafe { &mut *clientd.cast::<Visit<'_, F>>() };
    if slot.1.is_some() {
        return;
    }
    // Both are copied first: the driver may free the counter and write the next one's over them, and its length and text
    // are what shared memory says.
    let (mut key_copy, mut label_copy) = ([0; MAX_KEY_LENGTH], [0; MAX_LABEL_LENGTH]);
    let (key_length, label_length) = (key_length.min(MAX_KEY_LENGTH), label_length.min(MAX_LABEL_LENGTH));
    // SAFETY: key and label lie in the mapped CnC file, in one record with room for the longest of each.
    unsafe {
        std::ptr::copy_nonoverlapping(key, key_copy.as_mut_ptr(), key_length);
        std::ptr::copy_nonoverlapping(label.cast::<u8>(), label_copy.as_mut_ptr(), label_length);
    }
    let (key, label) = (&key_copy[..key_length], &label_copy[..label_length]);
    let label = String::from_utf8_lossy(label);
    let view = CounterView { id, type_id, value, key, label: &label };
    let call = std::panic::AssertUnwindSafe(|| (slot.0)(&view));
    if let Err(payload) = std::panic::catch_unwind(call) {
        slot.1 = Some(payload);
    }
}

/// A counter of anybody's, to read again and again. Send and Sync; keeps its client alive. Mirrors
/// `io.aeron.status.ReadableCounter`.
pub struct ReadableCounter {
    id: i32,
    registration_id: i64,
    value: NonNull<AtomicI64>,
    registration: NonNull<AtomicI64>,
    state: NonNull<AtomicI32>,
    // Keeps the CnC file mapped, which the three pointers above point into.
    _client: Arc<ClientInner>,
}

// SAFETY: the cells are atomic and stay mapped as long as the client that this value keeps.
unsafe impl Send for ReadableCounter {}
// SAFETY: as above.
unsafe impl Sync for ReadableCounter {}

impl ReadableCounter {
    /// The counter's id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The counter's registration id.
    pub fn registration_id(&self) -> i64 {
        self.registration_id
    }

    /// The value now, whether or not the counter is still there.
    #[inline]
    pub fn get(&self) -> i64 {
        // SAFETY: the cell stays mapped as long as `_client`.
        unsafe { self.value.as_ref() }.load(Ordering::Acquire)
    }

    /// Whether the counter is gone; its id may be in use for another by now.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the cells stay mapped as long as `_client`.
        let (state, registration) = unsafe { (self.state.as_ref(), self.registration.as_ref()) };
        state.load(Ordering::Acquire) != RECORD_ALLOCATED
            || registration.load(Ordering::Acquire) != self.registration_id
    }
}

impl std::fmt::Debug for ReadableCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadableCounter")
            .field("id", &self.id)
            .field("registration_id", &self.registration_id)
            .field("value", &self.get())
            .finish()
    }
}

/// A counter of this client. Send and Sync; removed when dropped. Mirrors `io.aeron.Counter` and `aeron_counter_t`.
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
    unsafe fn close(raw: *mut Self) {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_counter_close(raw, None, std::ptr::null_mut()) };
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

    /// The value now.
    pub fn get(&self) -> i64 {
        self.cell().load(Ordering::Acquire)
    }

    /// Sets the value, in order with what was written before.
    pub fn set(&self, value: i64) {
        self.cell().store(value, Ordering::Release);
    }

    /// Adds 1 and returns what was there before.
    pub fn increment(&self) -> i64 {
        self.cell().fetch_add(1, Ordering::AcqRel)
    }

    /// Raises the value to `value` if that is more.
    pub fn propose_max(&self, value: i64) {
        self.cell().fetch_max(value, Ordering::AcqRel);
    }

    /// Whether the client ended, and with it this counter.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the counter is live as long as the handle.
        unsafe { sys::aeron_counter_is_closed(self.handle.ptr()) }
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
}

impl<'a> CounterSpec<'a> {
    pub(super) fn new(type_id: i32, key: &'a [u8], label: &'a str) -> Result<Self> {
        let too_long = |what: &str, length: usize, limit: usize| {
            Error::new(ErrorKind::InvalidArgument, format!("counter {what} has {length} bytes, at most {limit}"))
        };
        if key.len() > MAX_KEY_LENGTH {
            return Err(too_long("key", key.len(), MAX_KEY_LENGTH));
        }
        if label.len() > MAX_LABEL_LENGTH {
            return Err(too_long("label", label.len(), MAX_LABEL_LENGTH));
        }
        Ok(CounterSpec { type_id, key, label })
    }
}

impl Registration for CounterSpec<'_> {
    type Native = sys::aeron_counter_t;
    type Added = Counter;

    unsafe fn start(&self, out: *mut *mut Registering, client: *mut sys::aeron_t) -> i32 {
        // SAFETY: by the trait's contract; C copies key and label.
        unsafe {
            sys::aeron_async_add_counter(
                out,
                client,
                self.type_id,
                self.key.as_ptr(),
                self.key.len(),
                self.label.as_ptr().cast(),
                self.label.len(),
            )
        }
    }

    unsafe fn poll(out: *mut *mut Self::Native, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_counter_poll(out, registering) }
    }

    unsafe fn cancel(client: *mut sys::aeron_t, registering: *mut Registering) -> i32 {
        // SAFETY: by the trait's contract.
        unsafe { sys::aeron_async_add_counter_cancel(client, registering) }
    }

    unsafe fn wrap(native: NonNull<Self::Native>, client: Arc<ClientInner>) -> Result<Counter> {
        // SAFETY: by the trait's contract.
        let handle = unsafe { Handle::new(native, client) };
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
