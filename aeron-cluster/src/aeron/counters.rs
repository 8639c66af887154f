//! Reading the counters of a driver and all its clients.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use aeron_sys as sys;

use super::shared_bytes::{acquire_i32, acquire_i64};

const RECORD_UNUSED: i32 = 0;
const RECORD_ALLOCATED: i32 = 1;
const RECORD_RECLAIMED: i32 = -1;
/// The registration id of a counter that no client added, or whose id the driver has not set yet.
const NOT_REGISTERED: i64 = 0;
/// The longest key and label of a counter, in bytes (`AERON_COUNTER_MAX_KEY_LENGTH`, `AERON_COUNTER_MAX_LABEL_LENGTH`).
pub(super) const MAX_KEY_LENGTH: usize = 112;
pub(super) const MAX_LABEL_LENGTH: usize = 380;
/// Lengths of a counter's records in the CnC file.
pub(super) const VALUE_LENGTH: usize = 128;
pub(super) const METADATA_LENGTH: usize = 512;
// Where the fields of a value record are.
const VALUE_OFFSET: usize = 0;
const REGISTRATION_ID_OFFSET: usize = 8;
const OWNER_ID_OFFSET: usize = 16;
const REFERENCE_ID_OFFSET: usize = 24;
// And of a metadata record.
const STATE_OFFSET: usize = 0;
const TYPE_ID_OFFSET: usize = 4;
const FREE_FOR_REUSE_OFFSET: usize = 8;
const KEY_OFFSET: usize = 16;
const LABEL_LENGTH_OFFSET: usize = 128;
const LABEL_OFFSET: usize = 132;

/// One counter as [`CountersReader::for_each`] shows it.
#[derive(Debug, Clone, Copy)]
pub struct CounterView<'a> {
    /// Its id, which is reused after the counter is gone.
    pub id: i32,
    /// Its type, which says what it counts (`AeronCounters`).
    pub type_id: i32,
    /// The value when it was read.
    pub value: i64,
    /// Its key, always 112 bytes.
    pub key: &'a [u8],
    /// Its label.
    pub label: &'a str,
}

/// Whether a counter exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterState {
    /// There has never been one with this id.
    Unused,
    /// It exists.
    Allocated,
    /// It was removed, and its id may be reused.
    Reclaimed,
}

/// Keeps the file of the counters mapped.
pub(super) type Owner = Arc<dyn std::any::Any + Send + Sync>;

/// Reads the counters of a driver and of its clients. Mirrors `org.agrona.concurrent.status.CountersReader`.
///
/// Nothing here blocks. Ids outside the driver's range count as unused.
#[derive(Clone, Copy)]
pub struct CountersReader<'a> {
    owner: &'a Owner,
    metadata: *mut u8,
    values: *mut u8,
    /// How many counters both buffers have room for.
    capacity: usize,
}

impl<'a> CountersReader<'a> {
    /// # Safety
    ///
    /// `raw` must live as long as what `owner` holds, and so must the file that it reads stay mapped.
    pub(super) unsafe fn new(owner: &'a Owner, raw: *mut sys::aeron_counters_reader_t) -> Self {
        let mut buffers = MaybeUninit::<sys::aeron_counters_reader_buffers_t>::zeroed();
        // SAFETY: the reader lives as long as `owner`; the struct is plain C data for which zero is a value. What C says of the
        // buffers was checked before the client was made (heartbeat.rs).
        unsafe {
            sys::aeron_counters_reader_get_buffers(raw, buffers.as_mut_ptr());
            let buffers = buffers.assume_init();
            let metadata = std::ptr::slice_from_raw_parts_mut(buffers.metadata, buffers.metadata_length);
            let values = std::ptr::slice_from_raw_parts_mut(buffers.values, buffers.values_length);
            CountersReader::over(owner, metadata, values)
        }
    }

    /// Reads counters whose descriptions and values lie there.
    ///
    /// # Safety
    ///
    /// Both must be aligned to 8, and stay mapped as long as what `owner` holds.
    pub(super) unsafe fn over(owner: &'a Owner, metadata: *mut [u8], values: *mut [u8]) -> Self {
        let capacity = (metadata.len() / METADATA_LENGTH).min(values.len() / VALUE_LENGTH);
        CountersReader { owner, metadata: metadata.cast(), values: values.cast(), capacity }
    }

    /// Calls `handler` for every counter in use, in the order of their ids.
    pub fn for_each<F: FnMut(&CounterView<'_>)>(&self, mut handler: F) {
        self.find(|counter| {
            handler(counter);
            false
        });
    }

    /// The id of the first counter in use, in the order of ids, for which `matches` returns true.
    pub fn find(&self, mut matches: impl FnMut(&CounterView<'_>) -> bool) -> Option<i32> {
        self.in_use().find(|id| {
            let (Some(value), Some(type_id), Some(key)) = (self.value(*id), self.type_id(*id), self.key(*id)) else {
                return false;
            };
            let (label, length) = self.label_bytes(*id);
            let label = String::from_utf8_lossy(&label[..length]);
            matches(&CounterView { id: *id, type_id, value, key: &key, label: &label })
        })
    }

    /// The ids of the counters in use. There are none after the first id that was never used.
    fn in_use(&self) -> impl Iterator<Item = i32> {
        (0..=self.max_counter_id())
            .map(|id| (id, self.read_i32(id, STATE_OFFSET)))
            .take_while(|(_, state)| *state != RECORD_UNUSED)
            .filter_map(|(id, state)| (state == RECORD_ALLOCATED).then_some(id))
    }

    /// The value of a counter; `None` if there is no such counter now.
    pub fn value(&self, id: i32) -> Option<i64> {
        self.read_value(id, VALUE_OFFSET)
    }

    /// The registration id of a counter, which distinguishes it from a later one with the same id.
    pub fn registration_id(&self, id: i32) -> Option<i64> {
        self.read_value(id, REGISTRATION_ID_OFFSET)
    }

    /// The id of the client that owns a counter; 0 or less if there is none.
    pub fn owner_id(&self, id: i32) -> Option<i64> {
        self.read_value(id, OWNER_ID_OFFSET)
    }

    /// The id of the resource that a counter belongs to, such as an image or a subscription; 0 if there is none.
    pub fn reference_id(&self, id: i32) -> Option<i64> {
        self.read_value(id, REFERENCE_ID_OFFSET)
    }

    /// The type of a counter.
    pub fn type_id(&self, id: i32) -> Option<i32> {
        self.is_allocated(id).then(|| self.read_i32(id, TYPE_ID_OFFSET))
    }

    /// The key of a counter, always 112 bytes.
    pub fn key(&self, id: i32) -> Option<[u8; MAX_KEY_LENGTH]> {
        self.is_allocated(id).then(|| self.copy(id, KEY_OFFSET))
    }

    /// The label of a counter.
    pub fn label(&self, id: i32) -> Option<String> {
        let (label, length) = self.is_allocated(id).then(|| self.label_bytes(id))?;
        Some(String::from_utf8_lossy(&label[..length]).into_owned())
    }

    /// Whether there is, or was, a counter with this id. `None` for an id out of range.
    pub fn state(&self, id: i32) -> Option<CounterState> {
        Some(match self.in_range(id).then(|| self.read_i32(id, STATE_OFFSET))? {
            RECORD_ALLOCATED => CounterState::Allocated,
            RECORD_RECLAIMED => CounterState::Reclaimed,
            _ => CounterState::Unused,
        })
    }

    /// When the id of a removed counter may be reused, in milliseconds since the epoch; `i64::MAX` for a counter that exists.
    pub fn free_for_reuse_deadline_ms(&self, id: i32) -> Option<i64> {
        let cell = self.in_range(id).then(|| self.metadata_record(id, FREE_FOR_REUSE_OFFSET).cast::<AtomicI64>())?;
        // SAFETY: the cell stays mapped as long as `owner`, and is aligned to 8.
        Some(acquire_i64(unsafe { cell.as_ref() }))
    }

    /// The counter in use with this type and registration id.
    pub fn find_by_registration_id(&self, type_id: i32, registration_id: i64) -> Option<i32> {
        self.in_use()
            .find(|id| self.type_id(*id) == Some(type_id) && self.registration_id(*id) == Some(registration_id))
    }

    /// The highest id that a counter can have.
    pub fn max_counter_id(&self) -> i32 {
        i32::try_from(self.capacity).unwrap_or(i32::MAX) - 1
    }

    /// Whether there is a counter with this id now.
    pub fn is_allocated(&self, id: i32) -> bool {
        self.state(id) == Some(CounterState::Allocated)
    }

    /// A handle to read a counter repeatedly. It notices when the counter is gone, even if the id is in use again.
    pub fn readable_counter(&self, id: i32) -> Option<ReadableCounter> {
        let registration_id = self.registration_id(id)?;
        Some(ReadableCounter {
            id,
            registration_id: AtomicI64::new(registration_id),
            value: self.value_record(id, VALUE_OFFSET),
            registration: self.value_record(id, REGISTRATION_ID_OFFSET),
            state: self.metadata_record(id, STATE_OFFSET).cast(),
            _owner: Arc::clone(self.owner),
        })
    }

    fn in_range(&self, id: i32) -> bool {
        (0..=self.max_counter_id()).contains(&id)
    }

    fn read_value(&self, id: i32, offset: usize) -> Option<i64> {
        // SAFETY: the cell stays mapped as long as `owner`.
        self.is_allocated(id).then(|| acquire_i64(unsafe { self.value_record(id, offset).as_ref() }))
    }

    /// `id` must be in range.
    fn read_i32(&self, id: i32, offset: usize) -> i32 {
        // SAFETY: the cell stays mapped as long as `owner`, and is aligned to 4.
        acquire_i32(unsafe { self.metadata_record(id, offset).cast::<AtomicI32>().as_ref() })
    }

    /// The buffer of a label, and the label's length as shared memory has it. `id` must be in range.
    ///
    /// Nothing beyond that length is read: a client's conductor appends to the label of its heartbeat counter, and updates the length afterwards.
    fn label_bytes(&self, id: i32) -> ([u8; MAX_LABEL_LENGTH], usize) {
        let length = usize::try_from(self.read_i32(id, LABEL_LENGTH_OFFSET)).unwrap_or(0).min(MAX_LABEL_LENGTH);
        let mut label = [0; MAX_LABEL_LENGTH];
        let source = self.metadata_record(id, LABEL_OFFSET);
        // SAFETY: the record is mapped as long as `owner`, and has the label at full length, as has `label`.
        unsafe { source.copy_to_nonoverlapping(NonNull::from(&mut label).cast(), length) };
        (label, length)
    }

    /// A copy of bytes of a counter's metadata record, since the driver may free the counter and overwrite them. `id` must be in range.
    fn copy<const LENGTH: usize>(&self, id: i32, offset: usize) -> [u8; LENGTH] {
        // SAFETY: the record is mapped as long as `owner`, and has the key at full length.
        unsafe { self.metadata_record(id, offset).cast::<[u8; LENGTH]>().read() }
    }

    /// A cell of a counter's value record. It lies in the mapped CnC file, so it lives as long as the client.
    /// `id` must be in range.
    fn value_record(&self, id: i32, offset: usize) -> NonNull<AtomicI64> {
        // SAFETY: `id` is in range, so the cell lies in the mapped CnC file, which is not at address 0; cells are
        // aligned to 8.
        unsafe { NonNull::new_unchecked(self.values.add(id as usize * VALUE_LENGTH + offset).cast::<AtomicI64>()) }
    }

    /// A field of a counter's metadata record. Otherwise as `value_record`.
    fn metadata_record(&self, id: i32, offset: usize) -> NonNull<u8> {
        // SAFETY: as in `value_record`.
        unsafe { NonNull::new_unchecked(self.metadata.add(id as usize * METADATA_LENGTH + offset)) }
    }
}

impl std::fmt::Debug for CountersReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CountersReader").field("max_counter_id", &self.max_counter_id()).finish()
    }
}

/// Any client's counter, for repeated reading, from any thread. Keeps its client, or the driver's file, open. Mirrors
/// `io.aeron.status.ReadableCounter`.
pub struct ReadableCounter {
    id: i32,
    /// [`NOT_REGISTERED`] until another one was read.
    registration_id: AtomicI64,
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

    /// The counter's registration id; 0 for a counter of the driver's own, and until the driver has set it, right after it allocated the counter.
    pub fn registration_id(&self) -> i64 {
        let _picks_it_up = self.is_closed();
        self.registration_id.load(Ordering::Relaxed)
    }

    /// The current value, even if the counter is gone.
    #[inline]
    pub fn get(&self) -> i64 {
        // SAFETY: the cell stays mapped as long as `_owner`.
        acquire_i64(unsafe { self.value.as_ref() })
    }

    /// The current value, or `None` if the counter is gone. Never the value of another counter with the same id.
    #[inline]
    pub fn value(&self) -> Option<i64> {
        // The value is read first: a counter is closed before its id is reused.
        let value = self.get();
        (!self.is_closed()).then_some(value)
    }

    /// Whether the counter is gone. Another counter may have its id by now.
    pub fn is_closed(&self) -> bool {
        // SAFETY: the cells stay mapped as long as `_owner`.
        let (state, registration) = unsafe { (self.state.as_ref(), self.registration.as_ref()) };
        acquire_i32(state) != RECORD_ALLOCATED || !self.is_registered_by(acquire_i64(registration))
    }

    #[inline]
    fn is_registered_by(&self, registration_id: i64) -> bool {
        registration_id == self.registration_id.load(Ordering::Relaxed) || self.pick_up(registration_id)
    }

    /// A driver marks a counter as allocated before it sets its registration id. If this one was found in between, it must not count as
    /// closed from then on.
    #[cold]
    fn pick_up(&self, registration_id: i64) -> bool {
        let (before, relaxed) = (NOT_REGISTERED, Ordering::Relaxed);
        let set = self.registration_id.compare_exchange(before, registration_id, relaxed, relaxed);
        set.is_ok() || set == Err(registration_id)
    }
}

impl std::fmt::Debug for ReadableCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadableCounter")
            .field("id", &self.id)
            .field("registration_id", &self.registration_id())
            .field("value", &self.get())
            .finish()
    }
}
