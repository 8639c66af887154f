//! Channel URIs made of typed parameters.

use std::time::Duration;

use super::FRAME_ALIGNMENT;
use super::channel_uri::ChannelUri;
use crate::error::{Error, ErrorKind, Result};

/// The shortest and the longest term, in bytes (`LogBufferDescriptor`).
const MIN_TERM_LENGTH: usize = 64 * 1024;
const MAX_TERM_LENGTH: usize = 1024 * 1024 * 1024;

/// Refuses a length that a term cannot have.
pub(crate) fn check_term_length(length: usize, what: &str) -> Result<()> {
    if (MIN_TERM_LENGTH..=MAX_TERM_LENGTH).contains(&length) && length.is_power_of_two() {
        return Ok(());
    }
    let message = format!("{what} must be a power of two from 64 KiB to 1 GiB: {length}");
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident($value:ident: $type:ty) = $key:literal, $text:expr;)*) => {
        /// Typed parameters of channels: `ChannelUri::udp().endpoint("localhost:20121").term_length(65_536)`. Values are not checked here; the
        /// driver refuses wrong ones when the channel is used. Mirrors `io.aeron.ChannelUriStringBuilder`.
        impl ChannelUri {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(self, $value: $type) -> Self {
                    self.with($key, $text)
                }
            )*
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($key),*];
    };
}

params! {
    /// The address and port that a publication sends to and a subscription receives at.
    endpoint(endpoint: &str) = "endpoint", endpoint;
    /// The network interface, or its address with a mask.
    interface(interface: &str) = "interface", interface;
    /// The control address, to which receivers with an address of their own announce themselves.
    control(control: &str) = "control", control;
    /// How destinations are managed: `manual`, `dynamic` or `response`.
    control_mode(mode: &str) = "control-mode", mode;
    /// Names by which the driver shares a channel: `tag of the channel,tag of the publication`.
    tags(tags: &str) = "tags", tags;
    /// A name for humans, which the driver passes on.
    alias(alias: &str) = "alias", alias;
    /// The flow control strategy of a publication: `max`, `min` or `tagged`, with parameters after a comma.
    flow_control(strategy: &str) = "fc", strategy;
    /// The congestion control strategy: `static` or `cubic`.
    congestion_control(strategy: &str) = "cc", strategy;
    /// The session of a publication, or the only one that a subscription receives.
    session_id(id: i32) = "session-id", id.to_string();
    /// The stream, where it is given in the channel only.
    stream_id(id: i32) = "stream-id", id.to_string();
    /// The length of a term in bytes, a power of two.
    term_length(length: usize) = "term-length", length.to_string();
    /// The first term of a publication.
    initial_term_id(id: i32) = "init-term-id", id.to_string();
    /// The term in which a publication begins.
    term_id(id: i32) = "term-id", id.to_string();
    /// The offset in its term at which a publication begins, in bytes.
    term_offset(offset: usize) = "term-offset", offset.to_string();
    /// The longest packet, in bytes.
    mtu(length: usize) = "mtu", length.to_string();
    /// The time to live of multicast packets.
    ttl(hops: u8) = "ttl", hops.to_string();
    /// How far a publication may be ahead of its receivers, in bytes.
    publication_window(length: usize) = "pub-wnd", length.to_string();
    /// How much a receiver accepts ahead of what was consumed, in bytes.
    receiver_window(length: usize) = "rcv-wnd", length.to_string();
    /// The send buffer of the socket, in bytes.
    socket_send_buffer(length: usize) = "so-sndbuf", length.to_string();
    /// The receive buffer of the socket, in bytes.
    socket_receive_buffer(length: usize) = "so-rcvbuf", length.to_string();
    /// How long a closed publication lingers for receivers that lag behind.
    linger(period: Duration) = "linger", nanos(period);
    /// How long a receiver waits before it requests missing data.
    nak_delay(delay: Duration) = "nak-delay", nanos(delay);
    /// The most retransmissions in progress at a time.
    max_resend(count: usize) = "max-resend", count.to_string();
    /// Whether missing data is requested again, or skipped.
    reliable(reliable: bool) = "reliable", reliable.to_string();
    /// Whether the log is a sparse file, which takes up memory only as it is written.
    sparse(sparse: bool) = "sparse", sparse.to_string();
    /// Whether receivers are notified of the end of the stream.
    eos(eos: bool) = "eos", eos.to_string();
    /// Whether a slow subscriber holds up the others.
    tether(tether: bool) = "tether", tether.to_string();
    /// Whether receivers behave as in a group.
    group(group: bool) = "group", group.to_string();
    /// The tag of a receiver, for flow control that counts tagged ones.
    group_tag(tag: i64) = "gtag", tag.to_string();
    /// Whether a subscription may rejoin a stream after losing its image.
    rejoin(rejoin: bool) = "rejoin", rejoin.to_string();
    /// Whether a spy counts as a receiver.
    spies_simulate_connection(simulate: bool) = "ssc", simulate.to_string();
    /// Links a response channel to a request. The client sets it on its request publication, to the registration id of the subscription for
    /// the response; the server sets it on its response publication, to the correlation id of the request's image. Or `prototype`.
    response_correlation_id(id: &str) = "response-correlation-id", id;
    /// How long a slow untethered subscriber counts in flow control.
    untethered_window_limit_timeout(timeout: Duration) = "untethered-window-limit-timeout", nanos(timeout);
    /// How long an untethered subscriber lingers before it rests.
    untethered_linger_timeout(timeout: Duration) = "untethered-linger-timeout", nanos(timeout);
    /// How long an untethered subscriber rests before it joins again.
    untethered_resting_timeout(timeout: Duration) = "untethered-resting-timeout", nanos(timeout);
    /// The offset in a message at which the driver writes the time when the packet was received by the medium; or `reserved`.
    media_receive_timestamp_offset(offset: &str) = "media-rcv-ts-offset", offset;
    /// The offset in a message at which the driver writes the time when it took the packet from the socket; or `reserved`.
    channel_receive_timestamp_offset(offset: &str) = "channel-rcv-ts-offset", offset;
    /// The offset in a message at which the driver writes the time when it passed the packet to the socket; or `reserved`.
    channel_send_timestamp_offset(offset: &str) = "channel-snd-ts-offset", offset;
}

impl ChannelUri {
    /// A channel over UDP, without parameters.
    pub fn udp() -> Self {
        Self::of_media("udp")
    }

    /// A channel in shared memory, without parameters.
    pub fn ipc() -> Self {
        Self::of_media("ipc")
    }

    /// The same channel with a parameter set.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.put(key, value);
        self
    }

    /// The position at which a publication begins: sets `init-term-id`, `term-id`, `term-offset` and `term-length`. Mirrors
    /// `ChannelUriStringBuilder.initialPosition`.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a position that is negative or not a multiple of 32, and for a length that a term
    /// cannot have.
    pub fn initial_position(self, position: i64, initial_term_id: i32, term_length: usize) -> Result<Self> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidArgument, message));
        check_term_length(term_length, "term length")?;
        if position < 0 || position % FRAME_ALIGNMENT as i64 != 0 {
            return invalid(format!("initial position must be a multiple of {FRAME_ALIGNMENT} from 0: {position}"));
        }
        let (term, offset) = (position / term_length as i64, position % term_length as i64);
        let Ok(term) = i32::try_from(term) else {
            return invalid(format!("initial position is behind the last of 2^31 terms: {position}"));
        };
        Ok(self
            .term_length(term_length)
            .initial_term_id(initial_term_id)
            .term_id(initial_term_id.wrapping_add(term))
            .term_offset(offset as usize))
    }
}

fn nanos(duration: Duration) -> String {
    format!("{}ns", duration.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_in_the_order_in_which_they_were_set() {
        let uri = ChannelUri::udp().endpoint("localhost:20121").term_length(65_536).linger(Duration::from_millis(5));
        assert_eq!(uri.to_string(), "aeron:udp?endpoint=localhost:20121|term-length=65536|linger=5000000ns");
        assert_eq!(ChannelUri::parse(&uri.to_string()).unwrap(), uri);
        assert_eq!(
            ChannelUri::ipc().reliable(true).session_id(-7).to_string(),
            "aeron:ipc?reliable=true|session-id=-7"
        );
    }

    /// The driver silently ignores a name that it does not know.
    #[test]
    fn each_name_is_one_that_c_knows() {
        let source =
            aeron_sys::SOURCE_DIR.expect("the tests need a build of aeron-sys from sources, not a system library");
        let path = std::path::Path::new(source).join("aeron-client/src/main/c/uri/aeron_uri.h");
        let header = std::fs::read_to_string(&path).unwrap();
        let known: Vec<_> = header
            .lines()
            .filter_map(|line| line.strip_prefix("#define AERON_U")?.split_once("_KEY \"")?.1.split('"').next())
            .collect();
        assert!(known.len() > NAMES.len(), "{known:?}");
        let unknown: Vec<_> = NAMES.iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "not in {}: {unknown:?}", path.display());
        // `with` sets these; the first is for Aeron's transport security, which the open sources read and do not have.
        let left: Vec<_> = known.iter().filter(|name| !NAMES.contains(*name)).collect();
        assert_eq!(left, [&"ats", &"so-tos"]);
    }

    #[test]
    fn a_position_is_a_term_and_an_offset() {
        let uri = ChannelUri::ipc().initial_position(2 * 65_536 + 64, i32::MAX, 65_536).unwrap();
        let expected = "aeron:ipc?term-length=65536|init-term-id=2147483647|term-id=-2147483647|term-offset=64";
        assert_eq!(uri.to_string(), expected);
        for (position, length) in [(-32, 65_536), (1, 65_536), (0, 65_537), (0, 32), (0, 1 << 31), (1 << 47, 65_536)] {
            let error = ChannelUri::ipc().initial_position(position, 0, length).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{position} {length}");
        }
    }
}
