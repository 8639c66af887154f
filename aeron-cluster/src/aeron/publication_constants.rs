//! What never changes about a publication, and the getters for it.

use std::ffi::CStr;

use aeron_sys as sys;

/// The properties of a publication that never change.
#[derive(Debug, Clone)]
pub(super) struct PublicationConstants {
    pub(super) channel: String,
    pub(super) original_registration_id: i64,
    pub(super) registration_id: i64,
    pub(super) session_id: i32,
    pub(super) stream_id: i32,
    pub(super) initial_term_id: i32,
    pub(super) max_possible_position: i64,
    pub(super) position_bits_to_shift: u32,
    pub(super) limit_counter_id: i32,
    pub(super) status_counter_id: i32,
    pub(super) term_buffer_length: usize,
    pub(super) max_message_length: usize,
    pub(super) max_payload_length: usize,
}

impl PublicationConstants {
    /// # Safety
    ///
    /// `raw.channel` must be a live C string.
    pub(super) unsafe fn from_raw(raw: &sys::aeron_publication_constants_t) -> Self {
        PublicationConstants {
            // SAFETY: by this function's contract.
            channel: unsafe { CStr::from_ptr(raw.channel) }.to_string_lossy().into_owned(),
            original_registration_id: raw.original_registration_id,
            registration_id: raw.registration_id,
            session_id: raw.session_id,
            stream_id: raw.stream_id,
            initial_term_id: raw.initial_term_id,
            max_possible_position: raw.max_possible_position,
            position_bits_to_shift: raw.position_bits_to_shift as u32,
            limit_counter_id: raw.publication_limit_counter_id,
            status_counter_id: raw.channel_status_indicator_id,
            term_buffer_length: raw.term_buffer_length,
            max_message_length: raw.max_message_length,
            max_payload_length: raw.max_payload_length,
        }
    }
}

/// Getters that both kinds of publication have, and that do not call C.
macro_rules! constant_queries {
    () => {
        /// The URI of the channel, as given when this was added.
        pub fn channel(&self) -> &str {
            &self.constants.channel
        }

        /// The id of the stream within the channel.
        pub fn stream_id(&self) -> i32 {
            self.constants.stream_id
        }

        /// The id of the session, by which subscribers distinguish the publications of a stream.
        pub fn session_id(&self) -> i32 {
            self.constants.session_id
        }

        /// The id of its registration with the driver.
        pub fn registration_id(&self) -> i64 {
            self.constants.registration_id
        }

        /// The id of the first registration of this publication. It differs from [`registration_id`](Self::registration_id) if this or
        /// another client had added the same publication before.
        pub fn original_registration_id(&self) -> i64 {
            self.constants.original_registration_id
        }

        /// The id of the first term of the stream.
        pub fn initial_term_id(&self) -> i32 {
            self.constants.initial_term_id
        }

        /// The largest position that the stream can reach, in bytes: the length of 2^31 terms.
        pub fn max_possible_position(&self) -> i64 {
            self.constants.max_possible_position
        }

        /// The number of bits to shift a position to the right to get the number of complete terms before it.
        pub fn position_bits_to_shift(&self) -> u32 {
            self.constants.position_bits_to_shift
        }

        /// The id of the counter that holds the position limit.
        pub fn position_limit_id(&self) -> i32 {
            self.constants.limit_counter_id
        }

        /// The id of the counter that holds the channel's status.
        pub fn channel_status_id(&self) -> i32 {
            self.constants.status_counter_id
        }

        /// The number of bytes that can be sent now before the position limit is reached, frame headers included.
        ///
        /// # Errors
        ///
        /// [`Closed`](OfferError::Closed) if the publication is closed.
        pub fn available_window(&self) -> Result<i64, OfferError> {
            Ok((self.position_limit()? - self.position()?).max(0))
        }

        /// The maximum length of a message, in bytes.
        pub fn max_message_length(&self) -> usize {
            self.constants.max_message_length
        }

        /// The maximum length of a message that fits one fragment, in bytes.
        pub fn max_payload_length(&self) -> usize {
            self.constants.max_payload_length
        }

        /// The length of a term of the log, in bytes.
        pub fn term_buffer_length(&self) -> usize {
            self.constants.term_buffer_length
        }
    };
}
pub(super) use constant_queries;
