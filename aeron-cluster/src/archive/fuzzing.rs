//! The decoders of an archive's messages, given one by fuzz targets: ours, and those of the C client, which have no other way in than a poll.

use std::ffi::{c_int, c_void};

use aeron_sys as sys;

use super::recording::on_descriptor;
use super::recording_subscription::on_subscription;
use super::{RecordingDescriptor, RecordingSignal, RecordingSubscription, response};
use crate::codec::MessageHeader;

/// Where the ids of session and request are in all that an archive sends.
const CONTROL_SESSION_ID: usize = MessageHeader::ENCODED_LENGTH;
const CORRELATION_ID: usize = CONTROL_SESSION_ID + 8;

type Consume<D> = unsafe extern "C" fn(*mut D, *mut c_void);
type OnDescriptor = Consume<sys::aeron_archive_recording_descriptor_t>;
type OnSubscription = Consume<sys::aeron_archive_recording_subscription_descriptor_t>;

// As aeron_archive_recording_descriptor_poller.h, its like for subscriptions and for answers, and their sources have them. These headers are
// not public; `Poller` stands for all three.
#[repr(C)]
struct Poller {
    private: [u8; 0],
}

unsafe extern "C" {
    fn aeron_archive_recording_descriptor_poller_create(
        poller: *mut *mut Poller,
        context: *mut sys::aeron_archive_context_t,
        subscription: *mut sys::aeron_subscription_t,
        control_session_id: i64,
        fragment_limit: c_int,
    ) -> c_int;
    fn aeron_archive_recording_descriptor_poller_reset(
        poller: *mut Poller,
        correlation_id: i64,
        count: i32,
        consume: OnDescriptor,
        clientd: *mut c_void,
    );
    fn aeron_archive_recording_descriptor_poller_on_fragment(
        clientd: *mut c_void,
        buffer: *const u8,
        length: usize,
        header: *mut sys::aeron_header_t,
    ) -> u32;
    fn aeron_archive_recording_descriptor_poller_close(poller: *mut Poller) -> c_int;

    fn aeron_archive_recording_subscription_descriptor_poller_create(
        poller: *mut *mut Poller,
        context: *mut sys::aeron_archive_context_t,
        subscription: *mut sys::aeron_subscription_t,
        control_session_id: i64,
        fragment_limit: c_int,
    ) -> c_int;
    fn aeron_archive_recording_subscription_descriptor_poller_reset(
        poller: *mut Poller,
        correlation_id: i64,
        count: i32,
        consume: OnSubscription,
        clientd: *mut c_void,
    );
    fn aeron_archive_recording_subscription_descriptor_poller_on_fragment(
        clientd: *mut c_void,
        buffer: *const u8,
        length: usize,
        header: *mut sys::aeron_header_t,
    ) -> u32;
    fn aeron_archive_recording_subscription_descriptor_poller_close(poller: *mut Poller) -> c_int;

    fn aeron_archive_control_response_poller_create(
        poller: *mut *mut Poller,
        subscription: *mut sys::aeron_subscription_t,
        fragment_limit: c_int,
    ) -> c_int;
    fn aeron_archive_control_response_poller_on_fragment(
        clientd: *mut c_void,
        buffer: *const u8,
        length: usize,
        header: *mut sys::aeron_header_t,
    ) -> u32;
    fn aeron_archive_control_response_poller_close(poller: *mut Poller) -> c_int;
}

/// What the C client found in a message of an archive.
#[derive(Debug, Default)]
pub struct Decoded {
    /// A recording that it describes.
    pub recordings: Vec<RecordingDescriptor>,
    /// A subscription that it describes.
    pub subscriptions: Vec<RecordingSubscription>,
    /// What it signals: to who lists recordings, and to who lists subscriptions.
    pub signals: Vec<RecordingSignal>,
}

/// Decodes a message as an answer and as a signal, in Rust.
pub(crate) fn decode_answer(message: &[u8]) -> Option<RecordingSignal> {
    let _ = response::ControlResponse::decode(message);
    response::decode_signal(message)
}

/// Decodes a message in C: as an answer to a listing of recordings that was asked for, to one of subscriptions, and to any other request.
pub(crate) fn decode_in_c(message: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let mut context = std::ptr::null_mut();
    // SAFETY: C allocates a context into the out pointer. Its consumer is called within what follows alone, with `signals`.
    let is_made = unsafe {
        crate::aeron::one_at_a_time(|| sys::aeron_archive_context_init(&mut context)) == 0
            && sys::aeron_archive_context_set_recording_signal_consumer(
                context,
                Some(on_signal),
                std::ptr::from_mut(&mut decoded.signals).cast(),
            ) == 0
    };
    assert!(is_made, "no archive context");
    // SAFETY: the context is live until it is closed, and no poller uses it then.
    unsafe {
        list_recordings(context, message, &mut decoded.recordings);
        list_subscriptions(context, message, &mut decoded.subscriptions);
        sys::aeron_archive_context_close(context);
    }
    answer(message);
    decoded
}

/// # Safety
///
/// `context` must be live.
unsafe fn list_recordings(
    context: *mut sys::aeron_archive_context_t,
    message: &[u8],
    found: &mut Vec<RecordingDescriptor>,
) {
    let (mut poller, clientd) = (std::ptr::null_mut(), std::ptr::from_mut(found).cast());
    // SAFETY: C allocates the poller, which uses the live context; of a subscription it has none, since it is not polled. It calls
    // `on_descriptor` within the call for a fragment, with `found`, and does not look at the fragment's header.
    unsafe {
        let (session, none) = (long(message, CONTROL_SESSION_ID), std::ptr::null_mut());
        assert_eq!(aeron_archive_recording_descriptor_poller_create(&mut poller, context, none, session, 10), 0);
        let (asked, count) = (long(message, CORRELATION_ID), 2);
        aeron_archive_recording_descriptor_poller_reset(poller, asked, count, on_descriptor, clientd);
        let (start, length) = (message.as_ptr(), message.len());
        aeron_archive_recording_descriptor_poller_on_fragment(poller.cast(), start, length, std::ptr::null_mut());
        aeron_archive_recording_descriptor_poller_close(poller);
    }
}

/// # Safety
///
/// `context` must be live.
unsafe fn list_subscriptions(
    context: *mut sys::aeron_archive_context_t,
    message: &[u8],
    found: &mut Vec<RecordingSubscription>,
) {
    let (mut poller, clientd) = (std::ptr::null_mut(), std::ptr::from_mut(found).cast());
    // SAFETY: as in `list_recordings`.
    unsafe {
        let (session, none) = (long(message, CONTROL_SESSION_ID), std::ptr::null_mut());
        let created =
            aeron_archive_recording_subscription_descriptor_poller_create(&mut poller, context, none, session, 10);
        assert_eq!(created, 0);
        let (asked, count) = (long(message, CORRELATION_ID), 2);
        aeron_archive_recording_subscription_descriptor_poller_reset(poller, asked, count, on_subscription, clientd);
        let (start, length) = (message.as_ptr(), message.len());
        aeron_archive_recording_subscription_descriptor_poller_on_fragment(
            poller.cast(),
            start,
            length,
            std::ptr::null_mut(),
        );
        aeron_archive_recording_subscription_descriptor_poller_close(poller);
    }
}

fn answer(message: &[u8]) {
    let mut poller = std::ptr::null_mut();
    // SAFETY: as in `list_recordings`, without a context and without anything that is called.
    unsafe {
        assert_eq!(aeron_archive_control_response_poller_create(&mut poller, std::ptr::null_mut(), 10), 0);
        let (start, length) = (message.as_ptr(), message.len());
        aeron_archive_control_response_poller_on_fragment(poller.cast(), start, length, std::ptr::null_mut());
        aeron_archive_control_response_poller_close(poller);
    }
}

/// # Safety
///
/// For C to call with the `Vec` that the context was given, within a call of this module.
unsafe extern "C" fn on_signal(signal: *mut sys::aeron_archive_recording_signal_t, clientd: *mut c_void) {
    // SAFETY: by this function's contract; the signal lives as long as the call.
    unsafe { (*clientd.cast::<Vec<RecordingSignal>>()).push(RecordingSignal::from_native(&*signal)) };
}

fn long(message: &[u8], at: usize) -> i64 {
    message.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(i64::MIN, i64::from_le_bytes)
}
