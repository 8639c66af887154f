//! The settings of a container from environment variables, named after Java's properties.

use std::ffi::OsString;

use super::Context;
use super::settings_table::ROWS;
use crate::environment;
use crate::error::Result;

impl Context {
    /// Java's defaults, overridden by environment variables.
    ///
    /// A variable has the name of Java's property in capitals with underscores: `AERON_CLUSTER_DIR` for
    /// `aeron.cluster.dir`. Lengths may end in `k`, `m` or `g`; durations in `ns`, `us`, `ms` or `s`. The idle strategy
    /// (`AERON_CLUSTER_IDLE_STRATEGY`) is `backoff`, `spin`, `yield`, `sleep-ns` or `noop`, as for the C driver, or the name of
    /// Java's class. An empty variable counts as unset.
    ///
    /// Two of Java's variables name classes (of the service, of the delegating error handler) and are not read. `docs/settings.md` lists all
    /// variables, and all of Java's settings.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) naming the variable, its value and what is allowed.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(std::env::var_os)
    }

    pub(super) fn from_lookup(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<Self> {
        let variables: Vec<_> = ROWS.iter().filter_map(|row| row.variable).collect();
        environment::read(Context::new(), &variables, lookup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(variables: &[(&str, &str)]) -> Result<Context> {
        Context::from_lookup(environment::of(variables))
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
            ("AERON_MTU_LENGTH", "8192"),
            ("AERON_TERM_BUFFER_LENGTH", "65536"),
            ("AERON_CLUSTER_LOG_FRAGMENT_LIMIT", "9"),
            ("AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH", "2m"),
            ("AERON_CLUSTER_SERVICE_CYCLE_THRESHOLD", "5ms"),
            ("AERON_CLUSTER_SERVICE_SNAPSHOT_THRESHOLD", "2s"),
            ("AERON_CLUSTER_IDLE_STRATEGY", "spin"),
            ("AERON_CLUSTER_SERVICE_CPU_AFFINITY", "31"),
            ("AERON_PRINT_CONFIGURATION", "true"),
            ("AERON_ARCHIVE_LOCAL_CONTROL_CHANNEL", "aeron:ipc?alias=archive"),
            ("AERON_ARCHIVE_LOCAL_CONTROL_STREAM_ID", "11"),
            ("AERON_ARCHIVE_MESSAGE_TIMEOUT", "3s"),
        ]
        .into();
        assert_eq!(variables.len(), ROWS.iter().filter(|row| row.variable.is_some()).count());
        let text = format!("{:?}", context(&variables).unwrap());
        for (name, value) in variables {
            let shown = match name {
                "AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH" => "2097152",
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
        let lookup = |name: &'static str| (name == "AERON_DIR").then(|| OsString::from_vec(vec![b'/', 0xff]));
        let message = Context::from_lookup(lookup).unwrap_err().to_string();
        assert!(message.starts_with("AERON_DIR must be UTF-8"), "{message}");
    }

    #[test]
    fn an_empty_variable_is_no_variable() {
        assert!(format!("{:?}", context(&[("AERON_CLUSTER_ID", "")]).unwrap()).contains("\"cluster_id\": \"0\""));
    }
}
