//! Counters: those of the driver and of every client, and this client's own.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use aeron_sys as sys;

const RECORD_ALLOCATED: i32 = 1;
const RECORD_RECLAIMED: i32 = -1;
/// The longest key and label of a counter, in bytes (`AERON_COUNTER_MAX_KEY_LENGTH`, `AERON_COUNTER_MAX_LABEL_LENGTH`).
pub(super) const MAX_KEY_LENGTH: usize = 112;
pub(super) const MAX_LABEL_LENGTH: usize = 380;
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

/// Whether there is a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterState {
    /// There never was one with this id.
    Unused,
    /// It is there.
    Allocated,
    /// It was removed, and its id may be used again.
    Reclaimed,
}

/// What the counters are read through: it keeps their file mapped.
pub(super) type Owner = Arc<dyn std::any::Any + Send + Sync>;

/// Reads the counters of a driver and of its clients. Mirrors `org.agrona.concurrent.status.CountersReader`.
///
/// Nothing here blocks. Ids outside the driver's range read as "not there".
#[derive(Clone, Copy)]
pub struct CountersReader<'a> {
    owner: &'a Owner,
    raw: *mut sys::aeron_counters_reader_t,
}

impl<'a> CountersReader<'a> {
    /// # Safety
    ///
    /// `raw` must live as long as what `owner` holds, and so must the file that it reads stay mapped.
    pub(super) unsafe fn new(owner: &'a Owner, raw: *mut sys::aeron_counters_reader_t) -> Self {
        CountersReader { owner, raw }
    }

    /// Calls `handler` for every counter in use, in the order of their ids.
    pub fn for_each<F: FnMut(&CounterView<'_>)>(&self, mut handler: F) {
        let mut slot = (&mut handler, None);
        // SAFETY: the reader lives as long as `owner`; the slot lives across the call.
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
        // SAFETY: the cell lives as long as `owner` (see `value_record`).
        self.is_allocated(id).then(|| unsafe { self.value_record(id, VALUE_OFFSET).as_ref() }.load(Ordering::Acquire))
    }

    /// The registration id of a counter, by which it can be told from a later one with the same id.
    pub fn registration_id(&self, id: i32) -> Option<i64> {
        let mut registration_id = 0;
        // SAFETY: the reader lives as long as `owner`; the id is in range, so C writes the value.
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

    /// The id of what a counter belongs to, such as an image or a subscription; 0 if it is nothing.
    pub fn reference_id(&self, id: i32) -> Option<i64> {
        let mut reference_id = 0;
        // SAFETY: as in `registration_id`.
        let result = self
            .is_allocated(id)
            .then(|| unsafe { sys::aeron_counters_reader_counter_reference_id(self.raw, id, &mut reference_id) })?;
        (result == 0).then_some(reference_id)
    }

    /// What a counter counts.
    pub fn type_id(&self, id: i32) -> Option<i32> {
        let mut type_id = 0;
        // SAFETY: as in `registration_id`.
        let result = self
            .is_allocated(id)
            .then(|| unsafe { sys::aeron_counters_reader_counter_type_id(self.raw, id, &mut type_id) })?;
        (result == 0).then_some(type_id)
    }

    /// The key of a counter, of the length that all keys have: 112 bytes.
    pub fn key(&self, id: i32) -> Option<[u8; MAX_KEY_LENGTH]> {
        let mut key: *mut u8 = std::ptr::null_mut();
        // SAFETY: as in `registration_id`; what C gives is within the mapped CnC file, with room for the longest key.
        self.is_allocated(id).then(|| unsafe {
            (sys::aeron_counters_reader_metadata_key(self.raw, id, &mut key) == 0)
                .then(|| key.cast::<[u8; MAX_KEY_LENGTH]>().read())
        })?
    }

    /// The label of a counter.
    pub fn label(&self, id: i32) -> Option<String> {
        let mut text = [0u8; MAX_LABEL_LENGTH];
        // SAFETY: as in `registration_id`; C writes at most the given length.
        let length = self.is_allocated(id).then(|| unsafe {
            sys::aeron_counters_reader_counter_label(self.raw, id, text.as_mut_ptr().cast(), text.len())
        })?;
        let length = usize::try_from(length).ok()?.min(text.len());
        Some(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    /// Whether there is, or was, a counter with this id. `None` for an id that there cannot be.
    pub fn state(&self, id: i32) -> Option<CounterState> {
        // SAFETY: the cell lives as long as `owner` (see `state_record`).
        let state = self.in_range(id).then(|| unsafe { self.state_record(id).as_ref() }.load(Ordering::Acquire))?;
        Some(match state {
            RECORD_ALLOCATED => CounterState::Allocated,
            RECORD_RECLAIMED => CounterState::Reclaimed,
            _ => CounterState::Unused,
        })
    }

    /// From when on the id of a removed counter may be used again, in milliseconds since the epoch; `i64::MAX` for one that is there.
    pub fn free_for_reuse_deadline_ms(&self, id: i32) -> Option<i64> {
        let mut deadline_ms = 0;
        // SAFETY: as in `registration_id`.
        let result = self.in_range(id).then(|| unsafe {
            sys::aeron_counters_reader_free_for_reuse_deadline_ms(self.raw, id, &mut deadline_ms)
        })?;
        (result == 0).then_some(deadline_ms)
    }

    /// The counter in use with this type and registration id.
    pub fn find_by_registration_id(&self, type_id: i32, registration_id: i64) -> Option<i32> {
        // SAFETY: the reader lives as long as `owner`.
        let id = unsafe {
            sys::aeron_counters_reader_find_by_type_id_and_registration_id(self.raw, type_id, registration_id)
        };
        (id >= 0).then_some(id)
    }

    /// The highest id that a counter can have.
    pub fn max_counter_id(&self) -> i32 {
        // SAFETY: the reader lives as long as `owner`.
        unsafe { sys::aeron_counters_reader_max_counter_id(self.raw) }
    }

    /// Whether there is a counter with this id now.
    pub fn is_allocated(&self, id: i32) -> bool {
        // SAFETY: the cell lives as long as `owner` (see `state_record`).
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
            _owner: Arc::clone(self.owner),
        })
    }

    fn in_range(&self, id: i32) -> bool {
        (0..=self.max_counter_id()).contains(&id)
    }

    fn buffers(&self) -> sys::aeron_counters_reader_buffers_t {
        let mut buffers = MaybeUninit::zeroed();
        // SAFETY: the reader lives as long as `owner`; the struct is plain C data for which zero is a value.
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
        f.debug_struct("CountersReader").field("max_counter_id", &self.max_counter_id()).finish()
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

/// A counter of anybody's, to read again and again. Send and Sync; keeps its client, or the driver's file, open. Mirrors
/// `io.aeron.status.ReadableCounter`.
pub struct ReadableCounter {
    id: i32,
    registration_id: i64,
    value: NonNull<AtomicI64>,
    registration: NonNull<AtomicI64>,
    state: NonNull<AtomicI32>,
    // Keeps the CnC file mapped, which the three pointers above point into.
    _owner: Owner,
}

// SAFETY: the cells are atomic and stay mapped as long as what this value keeps.
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
        // SAFETY: the cell stays mapped as long as `_owner`.
        unsafe { self.value.as_ref() }.load(Ordering::Acquire)
    }

    /// The value now, unless the counter is gone: never that of another counter which has its id by now.
    #[inline]
    pub fn value(&self) -> Option<i64> {
        // Read before it is asked: a counter is closed before its id is given away.
        let value = self.get();
        (!self.is_closed()).then_some(value)
    }

    /// Whether the counter is gone; its id may be in use for another by now.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the cells stay mapped as long as `_owner`.
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
