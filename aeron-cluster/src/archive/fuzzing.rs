//! The decoders of an archive's messages, given one by fuzz targets: ours, and those of the C client, which have no other way in than a poll.

use std::ffi::{CStr, c_char, c_int, c_void};

use aeron_sys as sys;

use super::recording::on_descriptor;
use super::recording_subscription::on_subscription;
use super::{RecordingDescriptor, RecordingSignal, RecordingSubscription, response};
use crate::bytes::i64_at;
use crate::codec::MessageHeader;

/// Where the ids of session and request are in all that an archive sends.
const CONTROL_SESSION_ID: usize = MessageHeader::ENCODED_LENGTH;
const CORRELATION_ID: usize = CONTROL_SESSION_ID + 8;

type Consume<D> = unsafe extern "C" fn(*mut D, *mut c_void);

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
        consume: Consume<sys::aeron_archive_recording_descriptor_t>,
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
        consume: Consume<sys::aeron_archive_recording_subscription_descriptor_t>,
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
    /// What an error handler is told, where it is an answer to another request.
    pub errors: Vec<String>,
}

/// Decodes a message as an answer and as a signal, in Rust.
pub(crate) fn decode_answer(message: &[u8]) -> Option<RecordingSignal> {
    let _ = response::ControlResponse::decode(message);
    response::decode_signal(message)
}

/// Decodes a message in C: as an answer to a listing of recordings that was asked for, to one of subscriptions, and to any other request; and
/// while there are listings that it does not answer.
pub(crate) fn decode_in_c(message: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let mut context = std::ptr::null_mut();
    // SAFETY: C allocates a context into the out pointer. What it calls is called within what follows alone, with the two lists.
    let is_made = unsafe {
        let (signals, errors) = (std::ptr::from_mut(&mut decoded.signals), std::ptr::from_mut(&mut decoded.errors));
        crate::aeron::one_at_a_time(|| sys::aeron_archive_context_init(&mut context)) == 0
            && sys::aeron_archive_context_set_recording_signal_consumer(context, Some(on_signal), signals.cast()) == 0
            && sys::aeron_archive_context_set_error_handler(context, Some(on_error), errors.cast()) == 0
    };
    assert!(is_made, "no archive context");
    let asked = i64_at(message, CORRELATION_ID).unwrap_or(i64::MIN);
    let recordings = std::ptr::from_mut(&mut decoded.recordings).cast();
    let subscriptions = std::ptr::from_mut(&mut decoded.subscriptions).cast();
    // SAFETY: the context is live until it is closed, and no poller uses it then. `on_descriptor` adds to a `Vec<RecordingDescriptor>`, and
    // `on_subscription` to a `Vec<RecordingSubscription>`.
    unsafe {
        for asked in [asked, asked.wrapping_add(1)] {
            list(&RECORDINGS, context, message, asked, recordings);
            list(&SUBSCRIPTIONS, context, message, asked, subscriptions);
        }
        sys::aeron_archive_context_close(context);
    }
    answer(message);
    decoded
}

/// What C has for a listing of one kind.
struct Listing<D> {
    create: unsafe extern "C" fn(
        *mut *mut Poller,
        *mut sys::aeron_archive_context_t,
        *mut sys::aeron_subscription_t,
        i64,
        c_int,
    ) -> c_int,
    reset: unsafe extern "C" fn(*mut Poller, i64, i32, Consume<D>, *mut c_void),
    on_fragment: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut sys::aeron_header_t) -> u32,
    close: unsafe extern "C" fn(*mut Poller) -> c_int,
    /// Ours: adds to the `Vec` that it is given.
    consume: Consume<D>,
}

const RECORDINGS: Listing<sys::aeron_archive_recording_descriptor_t> = Listing {
    create: aeron_archive_recording_descriptor_poller_create,
    reset: aeron_archive_recording_descriptor_poller_reset,
    on_fragment: aeron_archive_recording_descriptor_poller_on_fragment,
    close: aeron_archive_recording_descriptor_poller_close,
    consume: on_descriptor,
};

const SUBSCRIPTIONS: Listing<sys::aeron_archive_recording_subscription_descriptor_t> = Listing {
    create: aeron_archive_recording_subscription_descriptor_poller_create,
    reset: aeron_archive_recording_subscription_descriptor_poller_reset,
    on_fragment: aeron_archive_recording_subscription_descriptor_poller_on_fragment,
    close: aeron_archive_recording_subscription_descriptor_poller_close,
    consume: on_subscription,
};

/// # Safety
///
/// `context` must be live, and `found` the `Vec` that the listing's `consume` adds to.
unsafe fn list<D>(
    listing: &Listing<D>,
    context: *mut sys::aeron_archive_context_t,
    message: &[u8],
    asked: i64,
    found: *mut c_void,
) {
    let mut poller = std::ptr::null_mut();
    // SAFETY: C allocates the poller, which uses the live context; of a subscription it has none, since it is not polled. It calls
    // `consume` within the call for a fragment, with `found`, and does not look at the fragment's header.
    unsafe {
        let (session, none) = (i64_at(message, CONTROL_SESSION_ID).unwrap_or(i64::MIN), std::ptr::null_mut());
        assert_eq!((listing.create)(&mut poller, context, none, session, 10), 0);
        (listing.reset)(poller, asked, 2, listing.consume, found);
        (listing.on_fragment)(poller.cast(), message.as_ptr(), message.len(), std::ptr::null_mut());
        (listing.close)(poller);
    }
}

fn answer(message: &[u8]) {
    let mut poller = std::ptr::null_mut();
    // SAFETY: as in `list`, without a context and without anything that is called.
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

/// # Safety
///
/// As [`on_signal`].
unsafe extern "C" fn on_error(clientd: *mut c_void, _code: c_int, message: *const c_char) {
    // SAFETY: by this function's contract; the message is a NUL-terminated string for the length of the call.
    unsafe { (*clientd.cast::<Vec<String>>()).push(CStr::from_ptr(message).to_string_lossy().into_owned()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the text of an answer lies in a log, with something behind it.
    #[test]
    fn the_text_of_an_answer_to_another_request_ends_where_it_ends() {
        let mut log = [32u16, 1, 101, 14].map(u16::to_le_bytes).concat();
        log.extend([7i64, 8, 5].map(i64::to_le_bytes).concat());
        log.extend([1i32, 14, 10].map(i32::to_le_bytes).concat());
        log.extend(b"no segment, and what follows\0");
        let answer = &log[..log.len() - 19];
        let errors = decode_in_c(answer).errors;
        assert!(errors.len() == 2 && errors.iter().all(|error| error.ends_with("error: no segment")), "{errors:?}");
    }
}
