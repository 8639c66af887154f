//! The settings of a container from the environment, under Java's names in the C driver's style.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use super::Context;
use crate::aeron::{
    BackoffIdleStrategy, BusySpinIdleStrategy, IdleStrategy, NoOpIdleStrategy, SleepingIdleStrategy,
    YieldingIdleStrategy,
};
use crate::error::{Error, ErrorKind, Result};

impl Context {
    /// Java's defaults, with what the environment says instead.
    ///
    /// A variable has the name of Java's property in capitals with underscores: `AERON_CLUSTER_DIR` for
    /// `aeron.cluster.dir`. Lengths may end in `k`, `m` or `g`; durations in `ns`, `us`, `ms` or `s`. The idle strategy
    /// (`AERON_CLUSTER_IDLE_STRATEGY`) is `backoff`, `spin`, `yield`, `sleep-ns` or `noop`, as for the C driver, or the name of
    /// Java's class. An empty variable counts as one that is not there.
    ///
    /// Not read, since there is nothing in Rust that they could name: the classes of the service and of the delegating error
    /// handler; and the CPU affinity, which is the operating system's to give.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) naming the variable, its value and what it may be.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(std::env::var_os)
    }

    fn from_lookup(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<Self> {
        let mut context = Context::new();
        for (name, set) in VARIABLES {
            let Some(value) = lookup(name).filter(|value| !value.is_empty()) else { continue };
            context = value.to_str().ok_or("UTF-8").and_then(|text| set(context, text)).map_err(|expected| {
                Error::new(ErrorKind::InvalidArgument, format!("{name} must be {expected}: {value:?}"))
            })?;
        }
        Ok(context)
    }
}

/// Takes a value over, or says what it must be.
type Set = fn(Context, &str) -> Result<Context, &'static str>;

const VARIABLES: &[(&str, Set)] = &[
    ("AERON_DIR", |context, value| Ok(context.aeron_directory_name(value))),
    ("AERON_CLUSTER_DIR", |context, value| Ok(context.cluster_directory_name(value))),
    ("AERON_CLUSTER_MARK_FILE_DIR", |context, value| Ok(context.mark_file_dir(value))),
    ("AERON_CLUSTER_ID", |context, value| Ok(context.cluster_id(number(value)?))),
    ("AERON_CLUSTER_SERVICE_ID", |context, value| Ok(context.service_id(number(value)?))),
    ("AERON_CLUSTER_SERVICE_NAME", |context, value| Ok(context.service_name(value))),
    ("AERON_CLUSTER_REPLAY_CHANNEL", |context, value| Ok(context.replay_channel(value))),
    ("AERON_CLUSTER_REPLAY_STREAM_ID", |context, value| Ok(context.replay_stream_id(number(value)?))),
    ("AERON_CLUSTER_CONTROL_CHANNEL", |context, value| Ok(context.control_channel(value))),
    ("AERON_CLUSTER_SERVICE_STREAM_ID", |context, value| Ok(context.service_stream_id(number(value)?))),
    ("AERON_CLUSTER_CONSENSUS_MODULE_STREAM_ID", |context, value| {
        Ok(context.consensus_module_stream_id(number(value)?))
    }),
    ("AERON_CLUSTER_SNAPSHOT_CHANNEL", |context, value| Ok(context.snapshot_channel(value))),
    ("AERON_CLUSTER_SNAPSHOT_STREAM_ID", |context, value| Ok(context.snapshot_stream_id(number(value)?))),
    ("AERON_CLUSTER_SERVICE_RESPONDER", |context, value| Ok(context.is_responding_service(flag(value)?))),
    ("AERON_CLUSTER_LOG_FRAGMENT_LIMIT", |context, value| Ok(context.log_fragment_limit(number(value)?))),
    ("AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH", |context, value| Ok(context.error_buffer_length(length(value)?))),
    ("AERON_CLUSTER_SERVICE_CYCLE_THRESHOLD", |context, value| Ok(context.cycle_threshold(duration(value)?))),
    ("AERON_CLUSTER_SERVICE_SNAPSHOT_THRESHOLD", |context, value| {
        Ok(context.snapshot_duration_threshold(duration(value)?))
    }),
    ("AERON_CLUSTER_IDLE_STRATEGY", |context, value| {
        let make = idle_strategy(value)?;
        Ok(context.idle_strategy_supplier(make))
    }),
    ("AERON_ARCHIVE_LOCAL_CONTROL_CHANNEL", |context, value| Ok(context.archive_control_channel(value))),
    ("AERON_ARCHIVE_LOCAL_CONTROL_STREAM_ID", |context, value| Ok(context.archive_control_stream_id(number(value)?))),
];

fn number<T: FromStr>(value: &str) -> Result<T, &'static str> {
    value.parse().map_err(|_| "a whole number in range")
}

fn flag(value: &str) -> Result<bool, &'static str> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false"),
    }
}

/// A number with a unit behind it: the unit with the number of its own that multiplies.
fn with_unit(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = value[digits.len()..].to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(unit, _)| *unit == suffix)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

fn length(value: &str) -> Result<usize, &'static str> {
    with_unit(value, &[("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)])
        .and_then(|length| usize::try_from(length).ok())
        .ok_or("a length such as 4096, 64k, 1m or 1g")
}

fn duration(value: &str) -> Result<Duration, &'static str> {
    with_unit(value, &[("", 1), ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)])
        .map(Duration::from_nanos)
        .ok_or("a duration such as 500ns, 10us, 100ms or 1s")
}

type MakeIdleStrategy = fn() -> Box<dyn IdleStrategy + Send>;

fn idle_strategy(value: &str) -> Result<MakeIdleStrategy, &'static str> {
    Ok(match value {
        "backoff" | "org.agrona.concurrent.BackoffIdleStrategy" => || Box::new(BackoffIdleStrategy::default()),
        "spin" | "spinning" | "org.agrona.concurrent.BusySpinIdleStrategy" => || Box::new(BusySpinIdleStrategy),
        "yield" | "yielding" | "org.agrona.concurrent.YieldingIdleStrategy" => || Box::new(YieldingIdleStrategy),
        "sleep-ns" | "sleeping" | "org.agrona.concurrent.SleepingIdleStrategy" => {
            || Box::new(SleepingIdleStrategy::default())
        }
        "noop" | "org.agrona.concurrent.NoOpIdleStrategy" => || Box::new(NoOpIdleStrategy),
        _ => return Err("backoff, spin, yield, sleep-ns or noop"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(variables: &[(&str, &str)]) -> Result<Context> {
        Context::from_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn every_variable_reaches_its_setting() {
        let variables: Vec<_> = [
            ("AERON_DIR", "/dev/shm/a"),
            ("AERON_CLUSTER_DIR", "/c"),
            ("AERON_CLUSTER_MARK_FILE_DIR", "/m"),
            ("AERON_CLUSTER_ID", "7"),
            ("AERON_CLUSTER_SERVICE_ID", "3"),
            ("AERON_CLUSTER_SERVICE_NAME", "matching"),
            ("AERON_CLUSTER_REPLAY_CHANNEL", "aeron:ipc?alias=replay"),
            ("AERON_CLUSTER_REPLAY_STREAM_ID", "203"),
            ("AERON_CLUSTER_CONTROL_CHANNEL", "aeron:ipc?term-length=64k"),
            ("AERON_CLUSTER_SERVICE_STREAM_ID", "204"),
            ("AERON_CLUSTER_CONSENSUS_MODULE_STREAM_ID", "205"),
            ("AERON_CLUSTER_SNAPSHOT_CHANNEL", "aeron:ipc?alias=s"),
            ("AERON_CLUSTER_SNAPSHOT_STREAM_ID", "206"),
            ("AERON_CLUSTER_SERVICE_RESPONDER", "false"),
            ("AERON_CLUSTER_LOG_FRAGMENT_LIMIT", "9"),
            ("AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH", "2m"),
            ("AERON_CLUSTER_SERVICE_CYCLE_THRESHOLD", "5ms"),
            ("AERON_CLUSTER_SERVICE_SNAPSHOT_THRESHOLD", "2s"),
            ("AERON_CLUSTER_IDLE_STRATEGY", "spin"),
            ("AERON_ARCHIVE_LOCAL_CONTROL_CHANNEL", "aeron:ipc?alias=archive"),
            ("AERON_ARCHIVE_LOCAL_CONTROL_STREAM_ID", "11"),
        ]
        .into();
        assert_eq!(variables.len(), VARIABLES.len());
        let text = format!("{:?}", context(&variables).unwrap());
        for (name, value) in variables {
            let shown = match name {
                "AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH" => "2097152",
                "AERON_CLUSTER_IDLE_STRATEGY" => continue,
                _ => value,
            };
            assert!(text.contains(shown), "{name}={value} is not in {text}");
        }
    }

    #[test]
    fn values_that_cannot_be_read_are_named_with_what_they_may_be() {
        for (name, value, expected) in [
            ("AERON_CLUSTER_ID", "one", "AERON_CLUSTER_ID must be a whole number in range: \"one\""),
            ("AERON_CLUSTER_LOG_FRAGMENT_LIMIT", "-1", "must be a whole number in range: \"-1\""),
            ("AERON_CLUSTER_SERVICE_RESPONDER", "yes", "must be true or false: \"yes\""),
            ("AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH", "1x", "must be a length such as"),
            ("AERON_CLUSTER_SERVICE_CYCLE_THRESHOLD", "99999999999999999999s", "must be a duration such as"),
            ("AERON_CLUSTER_IDLE_STRATEGY", "nap", "must be backoff, spin, yield, sleep-ns or noop: \"nap\""),
        ] {
            let message = context(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_not_passed_over() {
        use std::os::unix::ffi::OsStringExt;
        let lookup = |name| (name == "AERON_DIR").then(|| OsString::from_vec(vec![b'/', 0xff]));
        let message = Context::from_lookup(lookup).unwrap_err().to_string();
        assert!(message.starts_with("AERON_DIR must be UTF-8"), "{message}");
    }

    #[test]
    fn an_empty_variable_is_no_variable() {
        assert!(format!("{:?}", context(&[("AERON_CLUSTER_ID", "")]).unwrap()).contains("cluster_id: 0"));
    }

    #[test]
    fn units_are_those_of_java() {
        assert_eq!(length("64K"), Ok(65_536));
        assert_eq!(length("k"), Err("a length such as 4096, 64k, 1m or 1g"));
        assert_eq!(duration("7"), Ok(Duration::from_nanos(7)));
        assert_eq!(duration("3us"), Ok(Duration::from_micros(3)));
    }
}
