//! The status of a channel, and its socket addresses.

use aeron_sys as sys;

use super::native_error::check;
use crate::error::Result;

/// The longest address as text, with its NUL (`AERON_CLIENT_MAX_LOCAL_ADDRESS_STR_LEN`).
const ADDRESS_LENGTH: usize = 64;
/// How many addresses are requested at first; most channels have one.
const FEW_ADDRESSES: usize = 4;

/// The state of the channel of a publication or subscription (`ChannelEndpointStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelStatus {
    /// The driver is setting it up.
    Initializing,
    /// Its socket failed, or there is no status because the client has ended.
    Errored,
    /// It is in use.
    Active,
    /// The driver is taking it down.
    Closing,
}

impl ChannelStatus {
    pub(super) fn from_native(status: i64) -> Self {
        match status {
            0 => ChannelStatus::Initializing,
            1 => ChannelStatus::Active,
            2 => ChannelStatus::Closing,
            _ => ChannelStatus::Errored,
        }
    }
}

/// The local addresses that `query`, a function of C, writes to the vectors it is given.
pub(super) fn local_addresses(query: impl Fn(*mut sys::aeron_iovec_t, usize) -> i32) -> Result<Vec<String>> {
    let mut room = FEW_ADDRESSES;
    loop {
        let mut texts = vec![[0u8; ADDRESS_LENGTH]; room];
        let mut vectors: Vec<_> = texts
            .iter_mut()
            .map(|text| sys::aeron_iovec_t { iov_base: text.as_mut_ptr(), iov_len: ADDRESS_LENGTH })
            .collect();
        let found = check(query(vectors.as_mut_ptr(), room), "cannot read the local addresses of a channel")? as usize;
        if found > room {
            room = found;
            continue;
        }
        texts.truncate(found);
        return Ok(texts.iter().map(|text| super::c_text::text(text)).collect());
    }
}
