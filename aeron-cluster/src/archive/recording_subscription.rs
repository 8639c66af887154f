//! The subscriptions that an archive records from.

use std::ffi::c_void;

use aeron_sys as sys;

use super::recording::text;

/// A subscription that an archive records from. Mirrors `RecordingSubscriptionDescriptorConsumer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSubscription {
    /// Its id, by which [`Archive::stop_recording`](super::Archive::stop_recording) ends it.
    pub subscription_id: i64,
    /// Its stream.
    pub stream_id: i32,
    /// Its channel, without the parameters that do not identify it.
    pub stripped_channel: String,
}

/// For C to call once per subscription it lists; `clientd` is the `Vec` that takes them.
pub(super) unsafe extern "C" fn on_subscription(
    descriptor: *mut sys::aeron_archive_recording_subscription_descriptor_t,
    clientd: *mut c_void,
) {
    // SAFETY: C calls this within the listing call alone, on its thread, with a descriptor whose string lives as long as the
    // call (aeron_archive.h), and with the Vec that the listing call was given.
    unsafe {
        let (found, descriptor) = (&mut *clientd.cast::<Vec<RecordingSubscription>>(), &*descriptor);
        found.push(RecordingSubscription {
            subscription_id: descriptor.subscription_id,
            stream_id: descriptor.stream_id,
            stripped_channel: text(descriptor.stripped_channel, descriptor.stripped_channel_length),
        });
    }
}
