//! How a Rust value stands in the fixed part of a message.

use zerocopy::little_endian::{I32, I64};

/// A type that can be a field of a message's fixed part.
pub(crate) trait Field: Copy {
    /// The unaligned little-endian form.
    type Wire: Copy;
    /// The null value: what a decoder sees when the sender's version did not have the field.
    const ABSENT: Self::Wire;
    /// The name of the type in the schema.
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str;

    /// The value, or the code that has no meaning.
    fn read(wire: Self::Wire) -> Result<Self, i32>;
    /// The wire form.
    fn write(self) -> Self::Wire;
    /// Any valid value, for the round-trip tests.
    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self;
}

const NULL_I64: I64 = I64::new(i64::MIN);
const NULL_I32: I32 = I32::new(i32::MIN);

impl Field for i64 {
    type Wire = I64;
    const ABSENT: I64 = NULL_I64;
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "int64";

    #[inline]
    fn read(wire: I64) -> Result<Self, i32> {
        Ok(wire.get())
    }

    #[inline]
    fn write(self) -> I64 {
        I64::new(self)
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        sampler.number()
    }
}

impl Field for Option<i64> {
    type Wire = I64;
    const ABSENT: I64 = NULL_I64;
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "int64";

    #[inline]
    fn read(wire: I64) -> Result<Self, i32> {
        Ok((wire != NULL_I64).then_some(wire.get()))
    }

    #[inline]
    fn write(self) -> I64 {
        self.map_or(NULL_I64, I64::new)
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        Some(sampler.number()).filter(|value| *value != i64::MIN)
    }
}

impl Field for i32 {
    type Wire = I32;
    const ABSENT: I32 = NULL_I32;
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "int32";

    #[inline]
    fn read(wire: I32) -> Result<Self, i32> {
        Ok(wire.get())
    }

    #[inline]
    fn write(self) -> I32 {
        I32::new(self)
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        sampler.number() as i32
    }
}

const FALSE: I32 = I32::new(0);
const TRUE: I32 = I32::new(1);

impl Field for bool {
    type Wire = I32;
    const ABSENT: I32 = NULL_I32;
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "BooleanType";

    fn read(wire: I32) -> Result<Self, i32> {
        match wire {
            FALSE => Ok(false),
            TRUE => Ok(true),
            other => Err(other.get()),
        }
    }

    fn write(self) -> I32 {
        if self { TRUE } else { FALSE }
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        sampler.number() & 1 == 1
    }
}

impl Field for Option<bool> {
    type Wire = I32;
    const ABSENT: I32 = NULL_I32;
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "BooleanType";

    fn read(wire: I32) -> Result<Self, i32> {
        if wire == NULL_I32 { Ok(None) } else { bool::read(wire).map(Some) }
    }

    fn write(self) -> I32 {
        self.map_or(NULL_I32, bool::write)
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        [None, Some(false), Some(true)][sampler.number().rem_euclid(3) as usize]
    }
}
