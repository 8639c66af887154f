//! Variable data: text and bytes that follow a message's fixed part, each with its length before it.

use super::CodecError;
use super::header::Frame;

/// Bytes of the length before each piece of variable data.
const LENGTH_SIZE: usize = size_of::<u32>();

/// A type that can stand in a message's variable data, borrowed from the frame.
pub(crate) trait VarData<'a>: Copy + Default {
    /// The name of the type in the schema.
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str;

    /// The value; `None` if the bytes are not valid for the type.
    fn read(bytes: &'a [u8]) -> Option<Self>;
    /// Bytes on the wire, without their length.
    fn encoded_length(self) -> usize;
    /// Appends the bytes on the wire, without their length.
    fn append_to(self, out: &mut Vec<u8>);
    /// Any valid value, for the round-trip tests.
    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'a>) -> Self;
}

impl<'a> VarData<'a> for &'a [u8] {
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "varDataEncoding";

    fn read(bytes: &'a [u8]) -> Option<Self> {
        Some(bytes)
    }

    fn encoded_length(self) -> usize {
        self.len()
    }

    fn append_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'a>) -> Self {
        sampler.bytes()
    }
}

/// Text is ASCII. A character that is not is written as `?`, as Java's encoder does.
impl<'a> VarData<'a> for &'a str {
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "varAsciiEncoding";

    fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_ascii() { std::str::from_utf8(bytes).ok() } else { None }
    }

    fn encoded_length(self) -> usize {
        self.chars().count()
    }

    fn append_to(self, out: &mut Vec<u8>) {
        out.extend(self.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }));
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'a>) -> Self {
        sampler.text()
    }
}

/// Takes the variable data of a message piece by piece.
pub(crate) struct VarReader<'a> {
    rest: &'a [u8],
    frame_length: usize,
    template_id: u16,
    version: u16,
}

impl<'a> VarReader<'a> {
    /// A reader of what follows the fixed part of `frame`, which the caller has found to be complete.
    pub(crate) fn new(frame: Frame<'a>) -> Self {
        Self {
            rest: frame.after_block(),
            frame_length: frame.length(),
            template_id: frame.header().template_id,
            version: frame.header().version,
        }
    }

    /// The next piece; the empty one if the sender's version did not have it.
    pub(crate) fn next<T: VarData<'a>>(&mut self, field: &'static str, since: u16) -> Result<T, CodecError> {
        if self.version < since {
            return Ok(T::default());
        }
        let (length, rest) = self.rest.split_first_chunk::<LENGTH_SIZE>().ok_or_else(|| self.short_by(LENGTH_SIZE))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (bytes, rest) =
            rest.split_at_checked(length).ok_or_else(|| self.short_by(LENGTH_SIZE.saturating_add(length)))?;
        self.rest = rest;
        T::read(bytes).ok_or(CodecError::NotAscii { template_id: self.template_id, field })
    }

    fn short_by(&self, next: usize) -> CodecError {
        let consumed = self.frame_length - self.rest.len();
        CodecError::ShortFrame { needed: consumed.saturating_add(next), actual: self.frame_length }
    }
}

/// Bytes of one piece on the wire, length included.
pub(crate) fn encoded_length<'a, T: VarData<'a>>(value: T) -> usize {
    LENGTH_SIZE + value.encoded_length()
}

/// Appends one piece, length included. A length beyond `u32` is out of reach: no Aeron message is longer than 16 MiB.
pub(crate) fn append<'a, T: VarData<'a>>(value: T, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.encoded_length() as u32).to_le_bytes());
    value.append_to(out);
}
