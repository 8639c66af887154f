//! Reads settings from environment variables, which are named after Java's properties.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// Sets a value in a context, or returns what is allowed.
pub(crate) type Set<C> = fn(C, &str) -> Result<C, &'static str>;

/// Applies the `variables` that `lookup` finds to `context`. An empty variable counts as unset.
pub(crate) fn read<C>(
    mut context: C,
    variables: &[(&'static str, Set<C>)],
    lookup: impl Fn(&'static str) -> Option<OsString>,
) -> Result<C> {
    for (name, set) in variables {
        let Some(value) = lookup(name).filter(|value| !value.is_empty()) else { continue };
        context = value.to_str().ok_or("UTF-8").and_then(|text| set(context, text)).map_err(|expected| {
            Error::new(ErrorKind::InvalidArgument, format!("{name} must be {expected}: {value:?}"))
        })?;
    }
    Ok(context)
}

/// A whole number.
pub(crate) fn number<T: FromStr>(value: &str) -> Result<T, &'static str> {
    value.parse().map_err(|_| "a whole number in range")
}

/// `true` or `false`.
pub(crate) fn flag(value: &str) -> Result<bool, &'static str> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false"),
    }
}

/// A number followed by one of `units`, multiplied by that unit's factor.
fn with_unit(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = value[digits.len()..].to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(unit, _)| *unit == suffix)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A length in bytes.
pub(crate) fn length(value: &str) -> Result<usize, &'static str> {
    with_unit(value, &[("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)])
        .and_then(|length| usize::try_from(length).ok())
        .ok_or("a length such as 4096, 64k, 1m or 1g")
}

/// A duration, in nanoseconds if it has no unit.
pub(crate) fn duration(value: &str) -> Result<Duration, &'static str> {
    with_unit(value, &[("", 1), ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)])
        .map(Duration::from_nanos)
        .ok_or("a duration such as 500ns, 10us, 100ms or 1s")
}

/// An environment of only these variables, for tests.
#[cfg(test)]
pub(crate) fn of(variables: &[(&str, &str)]) -> impl Fn(&'static str) -> Option<OsString> {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_java() {
        assert_eq!(length("64K"), Ok(65_536));
        assert_eq!(length("k"), Err("a length such as 4096, 64k, 1m or 1g"));
        assert_eq!(duration("7"), Ok(Duration::from_nanos(7)));
        assert_eq!(duration("3us"), Ok(Duration::from_micros(3)));
    }
}
